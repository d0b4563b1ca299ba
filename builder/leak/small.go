package leak

import (
	"bytes"
	"crypto/x509"
	"path"
	"regexp"
	"strings"
)

// whole looks at a file that is small enough to be in memory as a whole.
func (s *scanner) whole(data []byte) {
	if derKey(data) {
		s.found(PrivateKey)
	}
	switch at := s.real(); at {
	case "/etc/machine-id", "/var/lib/dbus/machine-id":
		s.found("machine id")
	case "/etc/hostname":
		s.found("host name")
	case "/etc/passwd", "/etc/shadow", "/etc/gshadow":
		s.passwords(path.Base(at), data)
	}
	if bytes.IndexByte(data, 0) >= 0 {
		return
	}
	for _, prefix := range []string{"ghp_", "gho_", "ghs_", "glpat-", "xoxb-", "AKIA", "AIza"} {
		if bytes.Contains(data, []byte(prefix)) && shortTokens[prefix].Match(data) {
			s.found(Token)
		}
	}
	if strings.HasPrefix(s.path, "/etc/") && bytes.IndexByte(data, '$') >= 0 && cryptHash.Match(data) {
		s.found(PasswordHash)
	}
	s.traces(data)
}

// shortTokens are tokens whose beginning is too short to be looked for in large
// files: GitHub's, GitLab's, Slack's, those of AWS (in a pair with the key) and
// of Google.
var shortTokens = map[string]*regexp.Regexp{
	"ghp_":   regexp.MustCompile(`\bghp_[A-Za-z0-9]{36}\b`),
	"gho_":   regexp.MustCompile(`\bgho_[A-Za-z0-9]{36}\b`),
	"ghs_":   regexp.MustCompile(`\bghs_[A-Za-z0-9]{36}\b`),
	"glpat-": regexp.MustCompile(`\bglpat-[A-Za-z0-9_-]{20}\b`),
	"xoxb-":  regexp.MustCompile(`\bxoxb-[0-9]{10,}-[0-9A-Za-z-]{20}`),
	"AKIA":   regexp.MustCompile(`(?s)\bAKIA[A-Z0-9]{16}\b.{0,200}\b[A-Za-z0-9+/]{40}\b`),
	"AIza":   regexp.MustCompile(`\bAIza[A-Za-z0-9_-]{35}\b`),
}

// cryptHash is a hashed password as crypt(5) writes it.
var cryptHash = regexp.MustCompile(`(?m)(^|[!:\s"'=])\$(1|2[abxy]|5|6|7|y|gy|sha1)\$[./A-Za-z0-9=,$]{20}`)

// derKey reports whether a file is a private key in DER: PKCS #8, encrypted or
// not, SEC 1 or PKCS #1. All begin with a SEQUENCE.
func derKey(data []byte) bool {
	if len(data) < 40 || len(data) > 16<<10 || data[0] != 0x30 {
		return false
	}
	if _, err := x509.ParsePKCS8PrivateKey(data); err == nil {
		return true
	}
	if _, err := x509.ParseECPrivateKey(data); err == nil {
		return true
	}
	if _, err := x509.ParsePKCS1PrivateKey(data); err == nil {
		return true
	}
	// PBES2, 1.2.840.113549.1.5.13 (RFC 8018), as the algorithm of the whole.
	return bytes.Contains(data[:min(len(data), 30)], []byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d})
}

// passwords looks for accounts that one can log in to with a password, or
// without one.
func (s *scanner) passwords(name string, data []byte) {
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), ":")
		if len(f) < 2 {
			continue
		}
		locked := strings.HasPrefix(f[1], "!") || f[1] == "*" || name == "passwd" && f[1] == "x"
		switch {
		case f[1] == "" && name == "gshadow": // no password; only members may
		case f[1] == "":
			s.found("empty password of " + f[0])
		case !locked, strings.Contains(f[1], "$"):
			s.found("password of " + f[0])
		}
	}
}

// traces looks for the machine that bakes and its user in a text. A name by
// itself may be a word, so only user@host is looked for, and hosts by names
// with a dot; the host's plain name where such names belong.
func (s *scanner) traces(data []byte) {
	t := s.c.Traces
	if t.User != "" && t.Host != "" && word(data, t.User+"@"+t.Host) {
		s.found("name of who bakes, and where")
	}
	if t.Host == "" || t.Host == "localhost" {
		return
	}
	if strings.Contains(t.Host, ".") && word(data, t.Host) {
		s.found("name of the machine that bakes")
	}
	plain, _, _ := strings.Cut(t.Host, ".")
	if dir := path.Dir(s.path); (s.path == "/etc/hosts" || s.path == "/etc/mailname" || dir == "/etc/ssh") && word(data, plain) {
		s.found("name of the machine that bakes")
	}
}

// word reports whether text stands in data by itself.
func word(data []byte, text string) bool {
	ok, _ := regexp.Match(`(^|[^A-Za-z0-9_-])`+regexp.QuoteMeta(text)+`($|[^A-Za-z0-9_-])`, data)
	return ok && bytes.Contains(data, []byte(text))
}
