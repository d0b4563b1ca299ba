package machine

// Plain makes text of what a serial port says, as the console does. Its zero
// value is at the beginning of what is said.
type Plain struct{ plain plain }

// Text returns what is text in p, which goes on where the last call ended.
func (s *Plain) Text(p []byte) []byte { return s.plain.feed(nil, p) }

// plain takes terminal control out of what a serial port says: escape
// sequences (ECMA-48: CSI, OSC and the other string sequences, two- and
// three-byte ones) and control characters. Carriage returns, with or without a
// line feed, end a line. It keeps its state between writes.
type plain struct {
	state   ansiState
	carried bool // the last byte was a carriage return
}

type ansiState int

const (
	text       ansiState = iota
	escape               // after ESC
	control              // in ESC [ ...
	stringBody           // in ESC ] ..., ESC P ..., until BEL or ESC \
	charset              // after ESC ( and the like: one more byte
)

// feed appends what is text in p to out.
func (s *plain) feed(out, p []byte) []byte {
	for _, b := range p {
		switch s.state {
		case text:
			out = s.text(out, b)
		case escape:
			s.state = afterEscape(b)
		case control:
			if b >= 0x40 && b <= 0x7e {
				s.state = text
			}
		case charset:
			s.state = text
		case stringBody:
			if b == 0x07 {
				s.state = text
			}
		}
		if b == 0x1b {
			s.state = escape // wherever it stands, it starts a new sequence
		}
	}
	return out
}

func (s *plain) text(out []byte, b byte) []byte {
	carried := s.carried
	s.carried = b == '\r'
	switch {
	case carried && (b == '\n' || b == '\r'): // systemd says "\r\n", of which the terminal makes "\r\r\n"
		return out
	case b == '\r' || b == '\n':
		return append(out, '\n')
	case b == '\t' || b >= ' ' && b != 0x7f:
		return append(out, b)
	}
	return out
}

func afterEscape(b byte) ansiState {
	switch b {
	case '[':
		return control
	case ']', 'P', 'X', '^', '_':
		return stringBody
	case '(', ')', '*', '+', '#', '%', ' ':
		return charset
	}
	return text
}
