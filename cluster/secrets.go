package cluster

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// privateKey finds private keys that were pasted where a public one belongs:
// PEM and OpenSSH keys to their end, age identities, and PuTTY's files.
var privateKey = regexp.MustCompile(`(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----|\z)` +
	`|AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]*|age-secret-key-(?:pq-)?1[a-z0-9]*` +
	`|PuTTY-User-Key-File-[^\n]*|Private-Lines:.*?(?:Private-MAC:[^\n]*|\z)`)

// userInfo finds the user name and password of a URL.
var userInfo = regexp.MustCompile(`://[^/\s"'@]+@`)

func hasPrivateKey(s string) bool {
	for _, part := range []string{"PRIVATE KEY", "SECRET-KEY-", "secret-key-", "PuTTY-User-Key", "Private-Lines"} {
		if strings.Contains(s, part) { // far cheaper than the expression on a long definition
			return privateKey.MatchString(s)
		}
	}
	return false
}

// maxQuoted is how much of a value a message shows, in bytes.
const maxQuoted = 80

// quoted shows a value of the definition in a message: cut where it is long,
// and never a private key.
func quoted(s string) string {
	if hasPrivateKey(s) {
		return "a private key (not shown)"
	}
	if len(s) <= maxQuoted {
		return fmt.Sprintf("%q", s)
	}
	cut := maxQuoted
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return fmt.Sprintf("%q...", s[:cut])
}

// masked is the definition as reports may show it: private keys, and what the
// validator took for a secret, are stars. Lines and columns stay what they are.
func masked(data []byte, secrets []string) []byte {
	if hasPrivateKey(string(data)) {
		data = privateKey.ReplaceAllFunc(data, stars)
	}
	data = userInfo.ReplaceAllFunc(data, func(m []byte) []byte {
		return slices.Concat([]byte("://"), stars(m[len("://"):len(m)-1]), []byte("@"))
	})
	for _, s := range secrets {
		if s = strings.TrimSpace(s); s != "" {
			data = bytes.ReplaceAll(data, []byte(s), stars([]byte(s)))
		}
	}
	return data
}

// stars replaces every character but line ends by a star.
func stars(text []byte) []byte {
	return bytes.Map(func(r rune) rune {
		if r == '\n' || r == '\r' {
			return r
		}
		return '*'
	}, text)
}
