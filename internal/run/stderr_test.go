package run

import (
	"strings"
	"testing"
)

func TestTail(t *testing.T) {
	var all tail
	for range 10 {
		if n, err := all.Write([]byte("short\n")); n != 6 || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
	if got := all.String(); got != strings.Repeat("short\n", 10) {
		t.Errorf("got %q", got)
	}

	var long tail
	for _, line := range []string{"first ", strings.Repeat("x", 3*tailSize), "\n", "second\n", "last\n"} {
		if n, err := long.Write([]byte(line)); n != len(line) || err != nil {
			t.Fatalf("got %d, %v", n, err)
		}
	}
	if got, want := long.String(), "...second\nlast\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(long.kept) > tailSize {
		t.Errorf("%d bytes kept, want at most %d", len(long.kept), tailSize)
	}
}

func TestRedact(t *testing.T) {
	const (
		begin   = "-----BEGIN EC PRIVATE KEY-----"
		end     = "-----END EC PRIVATE KEY-----"
		removed = "[private key removed]"
	)
	for _, tc := range []struct{ name, said, want string }{
		{"nothing secret", "line 1: no - such --- thing", "line 1: no - such --- thing"},
		{"a key", "bad:\n" + begin + "\nTUlHSA==\n" + end + "\nsee above", "bad:\n" + removed + "\nsee above"},
		{"a key in JSON", `{"a":"` + begin + `\nTUlHSA==\n` + end + `\n"}`, `{"a":"` + removed + `\n"}`},
		{"two keys", begin + "\nA\n" + end + " and " + begin + "\nB\n" + end, removed + " and " + removed},
		{"without its end", "bad:\n" + begin + "\nTUlHSA==", "bad:\n" + removed},
		{"without its beginning", "...TUlHSA==\n" + end + "\nsee above", removed + "\nsee above"},
		{"a certificate stays", "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----"},
		{"an age identity", "using AGE-SECRET-KEY-1QQPQYRQSZP, and", "using " + removed + ", and"},
		{"a post-quantum age identity", "using AGE-SECRET-KEY-PQ-1QQPQYRQSZP", "using " + removed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := redact(tc.said); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
		})
	}
}
