package run

import (
	"regexp"
	"strings"
	"unicode"
)

// tailSize is how much of a program's stderr is kept, in bytes.
const tailSize = 4096

// tail is an io.Writer that keeps the last tailSize bytes.
type tail struct {
	kept []byte
	cut  bool // something before kept was dropped
}

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - tailSize; over > 0 {
		t.kept = append(t.kept[:0], t.kept[over:]...)
		t.cut = true
	}
	return len(p), nil
}

// String returns what was kept, from the first whole line if some was dropped.
func (t *tail) String() string {
	s := string(t.kept)
	if !t.cut {
		return s
	}
	if _, rest, ok := strings.Cut(s, "\n"); ok {
		s = rest
	}
	return "..." + s
}

// secrets finds private keys: PEM blocks, whole, or without an end, or with
// the start cut off; and age identities. Some programs print what they were
// fed when they fail.
var secrets = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)` +
	`|\A[^-]*-----END [A-Z0-9 ]*PRIVATE KEY-----` +
	`|AGE-SECRET-KEY-[A-Z0-9-]+`)

func redact(s string) string {
	return secrets.ReplaceAllString(s, "[private key removed]")
}

// oneLine joins the lines of s by "; " and replaces control characters.
func oneLine(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		line = strings.Map(func(c rune) rune {
			if unicode.IsControl(c) {
				return ' '
			}
			return c
		}, line)
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
