package machine

import (
	"bytes"
	"testing"
)

func TestPlain(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"text", "login: \tüx\n", "login: \tüx\n"},
		{"line ends", "a\r\nb\rc\r\r\nd\n\ne", "a\nb\nc\nd\n\ne"},
		{"colours", "[\x1b[0;32m  OK  \x1b[0m] Started \x1b[0;1;39mx.service\x1b[0m.", "[  OK  ] Started x.service."},
		{"clear the screen", "\x1b[2J\x1b[01;01Hx\x1b[=3hy\x1bcz", "xyz"},
		{"titles", "a\x1b]0;title\x07b\x1b]0;title\x1b\\c", "abc"},
		{"terminal queries", "\x1b[6n\x1bP+q\x1b\\a\x1b[?7l\x1b(Bb\x1b=c", "abc"},
		{"interrupted sequences", "\x1b[1\x1b[31ma\x1b]0;never ended \x1b[0mb", "ab"},
		{"control characters", "a\x00\x07\x08\x7fb", "ab"},
		{"at the end", "a\x1b", "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := (&plain{}).feed(nil, []byte(tc.in)); string(got) != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// FuzzPlain compares what comes at once with what comes in two pieces.
func FuzzPlain(f *testing.F) {
	f.Add([]byte("a\r\n\x1b[0;32mOK\x1b]0;t\x1b\\b\x1b(Bc"), 3)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		if cut < 0 || cut > len(in) {
			cut = len(in) / 2
		}
		whole := (&plain{}).feed(nil, in)
		var s plain
		if pieces := s.feed(s.feed(nil, in[:cut]), in[cut:]); !bytes.Equal(whole, pieces) {
			t.Errorf("got %q in pieces, %q at once", pieces, whole)
		}
		if bytes.ContainsAny(whole, "\x1b\r\x00") {
			t.Errorf("control characters are left in %q", whole)
		}
		if again := (&plain{}).feed(nil, whole); !bytes.Equal(again, whole) {
			t.Errorf("got %q from %q", again, whole)
		}
	})
}
