package ignition

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/crypto/ssh"
)

// redacted stands for a secret of so many bytes.
func redacted(size int) string { return fmt.Sprintf("«redacted, %d bytes»", size) }

// secretText finds what only secrets have in them.
var secretText = regexp.MustCompile(`PRIVATE KEY-----|AGE-SECRET-KEY-1|(?i:\b(?:password|passwd|secret|token|api[-_]?key)\b["']?\s*[:=])`)

// secretName finds files that hold secrets by what they are called.
var secretName = regexp.MustCompile(`(?i)(?:\.key|\.priv|\.p12|\.pfx|-key\.pem|token|secret|password|passwd|shadow|credentials|id_rsa|id_ed25519|id_ecdsa)`)

// isSecret reports whether a file holds a secret, by its name or content.
func isSecret(f appliedFile) bool {
	if f.Path == bundlePath || secretName.MatchString(path.Base(f.Path)) {
		return true
	}
	return secretText.Match(f.data) && !bytes.HasPrefix(f.data, []byte("#!")) && f.Path != "/etc/login.defs"
}

// fingerprints shows SSH keys by type and fingerprint.
func fingerprints(keys []string) []string {
	var out []string
	for _, k := range keys[:min(len(keys), maxListed)] {
		key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k))
		if err != nil {
			out = append(out, "not an SSH key: "+redacted(len(k)))
			continue
		}
		out = append(out, key.Type()+" "+ssh.FingerprintSHA256(key))
	}
	return out
}

// short keeps a word of a foreign file short and on its line.
func short(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
	if runes := []rune(s); len(runes) > 64 {
		return string(runes[:61]) + "..."
	}
	return s
}
