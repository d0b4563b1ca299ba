package diag

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

const (
	indent    = "    " // before the source line and before the caret
	tabStop   = 8      // columns between tab stops, as terminals have them
	maxWidth  = 100    // columns of source shown; longer lines are cut around the caret
	lead      = 60     // columns kept before the caret of a line that is cut
	ellipsis  = "..."  // stands for what was cut
	noPrint   = "?"    // stands for a control character
	caretSign = "^"
)

// Write writes each problem on a line of its own. Where the source of its file
// is known and it has a line, that line follows, then a caret under its column:
// tabs are expanded, control characters shown as "?", and lines wider than 100
// columns cut around the caret.
func (r *Report) Write(w io.Writer) error {
	var b bytes.Buffer
	var shown layout // of the last line: one long line can have thousands of problems
	for _, p := range r.Problems {
		b.WriteString(p.String())
		b.WriteByte('\n')
		if line, ok := r.line(p.Pos); ok {
			if shown.line != line {
				shown = layOut(line)
			}
			shown.write(&b, p.Pos.Col)
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

// layout is a line split into the columns of a terminal. The second column of
// a wide character is an empty string, so that joined cells are the line again.
type layout struct {
	line  string
	cells []string
	place []int // column, from 0, of each code point
}

// write writes the line and, if col is not 0, a caret under code point col. A
// column beyond the end, as that of something missing, gets its caret right
// after the line.
func (l *layout) write(b *bytes.Buffer, col int) {
	caret := 0
	if col > len(l.place) {
		caret = len(l.cells)
	} else if col > 0 {
		caret = l.place[col-1]
	}
	cells, caret := cut(l.cells, caret)
	b.WriteString(strings.TrimRight(indent+strings.Join(cells, ""), " "))
	b.WriteByte('\n')
	if col > 0 {
		b.WriteString(indent + strings.Repeat(" ", caret) + caretSign + "\n")
	}
}

func layOut(line string) layout {
	l := layout{line: line}
	for _, c := range line {
		column := len(l.cells)
		switch {
		case c == '\t':
			l.cells = append(l.cells, " ")
			for len(l.cells)%tabStop != 0 {
				l.cells = append(l.cells, " ")
			}
		case unicode.Is(unicode.Mn, c) && column > 0:
			// A combining mark takes no column; the caret goes under its letter.
			column--
			if l.cells[column] == "" {
				column-- // the letter is a wide one
			}
			l.cells[column] += string(c)
		case hidden(c):
			l.cells = append(l.cells, noPrint)
		case wide(c):
			l.cells = append(l.cells, string(c), "")
		default:
			l.cells = append(l.cells, string(c))
		}
		l.place = append(l.place, column)
	}
	return l
}

// cut shortens cells to maxWidth columns that include the caret.
func cut(cells []string, caret int) ([]string, int) {
	if len(cells) <= maxWidth {
		return cells, caret
	}
	from := max(0, min(caret-lead, len(cells)-maxWidth))
	to := min(len(cells), from+maxWidth)
	shown := slices.Clone(cells[from:to])
	if shown[0] == "" {
		shown[0] = " " // the first column of this wide character is cut off
	}
	if to < len(cells) {
		if cells[to] == "" {
			shown[len(shown)-1] = " " // and here the second is
		}
		shown = append(shown, ellipsis)
	}
	if from > 0 {
		shown = append([]string{ellipsis}, shown...)
		caret += len(ellipsis)
	}
	return shown, caret - from
}

// wide reports whether terminals give c two columns: the larger blocks of
// East_Asian_Width W and F in Unicode's UAX #11.
func wide(c rune) bool {
	switch {
	case c < 0x1100:
		return false
	case c <= 0x115f, // Hangul Jamo
		c >= 0x2e80 && c <= 0xa4cf && c != 0x303f, // CJK, Kana, Yi
		c >= 0xac00 && c <= 0xd7a3,                // Hangul syllables
		c >= 0xf900 && c <= 0xfaff,                // CJK compatibility
		c >= 0xfe30 && c <= 0xfe6f,                // CJK compatibility forms
		c >= 0xff01 && c <= 0xff60,                // fullwidth forms
		c >= 0xffe0 && c <= 0xffe6,
		c >= 0x1f300 && c <= 0x1f64f, // pictographs
		c >= 0x1f900 && c <= 0x1f9ff,
		c >= 0x20000 && c <= 0x3fffd: // CJK extensions
		return true
	}
	return false
}
