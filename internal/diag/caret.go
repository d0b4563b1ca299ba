package diag

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"unicode"
)

const (
	indent    = "    " // before the source line and before the caret
	tabStop   = 8      // columns between tab stops, as terminals have them
	maxWidth  = 100    // columns of source shown; longer lines are cut around the caret
	lead      = 60     // columns kept before the caret of a line that is cut
	ellipsis  = "..."  // stands for what was cut
	noPrint   = '?'    // stands for a control character
	caretSign = "^"
)

// Write writes each problem on a line of its own. Where the source of its file
// is known and it has a line, that line follows, then a caret under its column:
// tabs are expanded, control characters shown as "?", and lines wider than 100
// columns cut around the caret.
func (r *Report) Write(w io.Writer) error {
	var b bytes.Buffer
	for _, p := range r.Problems {
		b.WriteString(p.String())
		b.WriteByte('\n')
		if line, ok := r.line(p.Pos); ok {
			writeCaret(&b, line, p.Pos.Col)
		}
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("writing report: %w", err)
	}
	return nil
}

// line returns the source line at pos, when it is known and not blank.
func (r *Report) line(pos Pos) (string, bool) {
	lines := r.sources[pos.File]
	if pos.Line < 1 || pos.Line > len(lines) {
		return "", false
	}
	line := lines[pos.Line-1]
	return line, strings.TrimSpace(line) != ""
}

// writeCaret writes the line and, if col is not 0, a caret under code point
// col. A column beyond the end, as that of something missing, gets its caret
// right after the line.
func writeCaret(b *bytes.Buffer, line string, col int) {
	cells, caret := layOut(line, col)
	cells, caret = cut(cells, caret)
	b.WriteString(strings.TrimRight(indent+string(cells), " \x00"))
	b.WriteByte('\n')
	if col > 0 {
		b.WriteString(indent + strings.Repeat(" ", caret) + caretSign + "\n")
	}
}

// layOut turns a line into one rune per column of a terminal, and returns the
// column, from 0, at which the caret for code point col stands. The second
// column of a wide character is held by a zero rune, which is not printed.
func layOut(line string, col int) (cells []rune, caret int) {
	caret = -1
	n := 0
	for _, c := range line {
		n++
		if n == col {
			caret = len(cells)
		}
		switch {
		case c == '\t':
			cells = append(cells, ' ')
			for len(cells)%tabStop != 0 {
				cells = append(cells, ' ')
			}
		case unicode.Is(unicode.Mn, c):
			// A combining mark takes no column; the caret goes under its letter.
			if n == col {
				caret = max(0, len(cells)-1)
			}
		case hidden(c):
			cells = append(cells, noPrint)
		default:
			cells = append(cells, c)
		}
	}
	if caret < 0 {
		caret = len(cells)
	}
	return cells, caret
}

// cut shortens cells to maxWidth columns that include the caret.
func cut(cells []rune, caret int) ([]rune, int) {
	if len(cells) <= maxWidth {
		return cells, caret
	}
	from := max(0, min(caret-lead, len(cells)-maxWidth))
	to := min(len(cells), from+maxWidth)
	var out []rune
	if from > 0 {
		out = append(out, []rune(ellipsis)...)
	}
	shifted := caret - from + len(out)
	out = append(out, cells[from:to]...)
	if to < len(cells) {
		out = append(out, []rune(ellipsis)...)
	}
	return out, shifted
}
