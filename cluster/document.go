package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"unicode/utf8"

	"github.com/ingot-k8s/ingot/internal/diag"
	"go.yaml.in/yaml/v3"
)

// byteOrderMark is what some editors put in front of UTF-8 text.
var byteOrderMark = []byte("\xef\xbb\xbf")

const noDefinition = "the file is empty; ingot init writes a definition to start from"

// document reads the one YAML document of a definition. It gives nil after
// reporting why there is none.
func (d *decoder) document(data []byte) *yaml.Node {
	start := diag.Pos{File: d.file, Line: 1, Col: 1}
	if pos, what := foreignText(data); what != "" {
		pos.File = d.file
		d.report.Errorf(pos, "", "%s; a definition is UTF-8 text with lines that end in a line feed", what)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := decodeNode(dec, &doc)
	if errors.Is(err, io.EOF) {
		d.report.Errorf(start, "", noDefinition)
		return nil
	}
	if err == nil {
		err = decodeNode(dec, &more)
		if errors.Is(err, io.EOF) && len(doc.Content) == 1 {
			if !isNull(doc.Content[0]) {
				return doc.Content[0]
			}
			d.report.Errorf(start, "", noDefinition)
			return nil
		}
	}
	if err == nil {
		d.fail(&more, "", "a second YAML document; a definition is one")
		return nil
	}
	d.syntaxError(data, err)
	return nil
}

// decodeNode reads the next document. The YAML package panics on some foreign
// input; that is an error too.
func decodeNode(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return dec.Decode(n)
}

// foreignText finds the first thing that YAML and the lines of a report would
// not see alike: bytes that are not UTF-8, and line breaks of other systems.
func foreignText(data []byte) (diag.Pos, string) {
	line, col := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		what := ""
		switch {
		case r == utf8.RuneError && size == 1:
			what = fmt.Sprintf("the byte 0x%02x is not UTF-8", data[i])
		case r == '\r' && (i+1 >= len(data) || data[i+1] != '\n'):
			what = "a carriage return without a line feed"
		case r == '\u0085' || r == '\u2028' || r == '\u2029':
			what = fmt.Sprintf("the line separator %U", r)
		}
		if what != "" {
			return diag.Pos{Line: line, Col: col}, what
		}
		i, col = i+size, col+1
		if r == '\n' {
			line, col = line+1, 1
		}
	}
	return diag.Pos{}, ""
}

// yamlPrefix is what the YAML package puts in front of its messages.
var yamlPrefix = regexp.MustCompile(`^(yaml: )?(line (\d+): )?`)

// unknownAnchor is the one message of the YAML package that has no line at all.
var unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

// syntaxError reports an error of the YAML package.
func (d *decoder) syntaxError(data []byte, err error) {
	message := yamlPrefix.ReplaceAllString(err.Error(), "")
	lines := bytes.Split(data, []byte("\n"))
	at := syntaxLine(data, lines, err)
	pos := diag.Pos{File: d.file, Line: at + 1, Col: firstColumn(lines[at])}
	if m := unknownAnchor.FindStringSubmatch(message); m != nil {
		if i := bytes.Index(lines[at], []byte("*"+m[1])); i >= 0 {
			pos.Col = utf8.RuneCount(lines[at][:i]) + 1
		}
		message = fmt.Sprintf("the alias *%s stands for nothing; its anchor &%s must come before it", m[1], m[1])
	}
	if tab, col, ok := tabIndent(lines, at); ok {
		pos.Line, pos.Col = tab+1, col
		message = "a tab in the indentation, which YAML does not allow; use spaces"
	}
	d.report.Errorf(pos, "", "not valid YAML: %s", message)
}

// syntaxLine finds the line of a syntax error, counted from 0. The line that
// the YAML package gives is often that of the block around the error. So the
// document is read again byte by byte, to see how far the parser got; it
// looks ahead, so the true line is the one after which the document was still
// good, where that is near.
func syntaxLine(data []byte, lines [][]byte, err error) int {
	const lookAhead = 4
	reader := &byteReader{data: data}
	dec := yaml.NewDecoder(reader)
	var n yaml.Node
	for decodeNode(dec, &n) == nil && reader.next < len(data) {
		n = yaml.Node{}
	}
	at := bytes.Count(data[:max(0, reader.next-1)], []byte("\n"))
	for good := at; good >= max(0, at-lookAhead); good-- {
		dec := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:good], []byte("\n"))))
		var err error
		for err == nil {
			var n yaml.Node
			err = decodeNode(dec, &n)
		}
		if errors.Is(err, io.EOF) {
			return good
		}
	}
	m := yamlPrefix.FindStringSubmatch(err.Error())
	if line, err := strconv.Atoi(m[3]); err == nil && reader.next >= len(data) {
		at = line - 1 // something is not closed: where it began says more than where the file ends
	}
	return max(0, min(at, len(lines)-1))
}

// byteReader gives one byte at a time.
type byteReader struct {
	data []byte
	next int
}

func (r *byteReader) Read(p []byte) (int, error) {
	if r.next >= len(r.data) {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	p[0] = r.data[r.next]
	r.next++
	return 1, nil
}

// firstColumn is the column of the first character that is not a space.
func firstColumn(line []byte) int {
	return len(line) - len(bytes.TrimLeft(line, " \t")) + 1
}

// tabIndent looks for a tab before the text of the line or of the one before it.
func tabIndent(lines [][]byte, at int) (line, col int, ok bool) {
	for i := at; i >= max(0, at-1); i-- {
		text := bytes.TrimLeft(lines[i], " \t-")
		if tab := bytes.IndexByte(lines[i][:len(lines[i])-len(text)], '\t'); tab >= 0 {
			return i, tab + 1, true
		}
	}
	return 0, 0, false
}
