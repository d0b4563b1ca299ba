package serve

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// TokenFile is where a machine that has started over the network finds its
// token: in its initrd, which it leaves behind. On the kernel line it would be
// on the console and in logs.
const TokenFile = "etc/ingot/token"

// tokenSize is in bytes, of tokens and of sessions.
const tokenSize = 32

// secret is a token or a session as the server keeps it: its SHA-256. So there
// is nothing to be printed, and comparing tells nothing by its time.
type secret [sha256.Size]byte

// newToken makes a token, as a machine has it and as the server keeps it.
func newToken() (string, secret) {
	b := make([]byte, tokenSize)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	text := hex.EncodeToString(b)
	return text, sha256.Sum256([]byte(text))
}

// parseSecret reads a token or a session of a request.
func parseSecret(text string) (secret, error) {
	if b, err := hex.DecodeString(text); err != nil || len(b) != tokenSize || strings.ToLower(text) != text {
		// The text is not told: it may be a token that somebody has mistyped.
		return secret{}, fmt.Errorf("it is not %d digits from 0 to f", 2*tokenSize)
	}
	return sha256.Sum256([]byte(text)), nil
}

func (s secret) is(other secret) bool { return subtle.ConstantTimeCompare(s[:], other[:]) == 1 }

// bearer reads the token of a header Authorization (RFC 6750, 2.1).
func bearer(header string) (secret, error) {
	scheme, text, found := strings.Cut(header, " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return secret{}, errors.New("there is no header Authorization: Bearer TOKEN")
	}
	s, err := parseSecret(text)
	if err != nil {
		return secret{}, fmt.Errorf("header Authorization: %w", err)
	}
	return s, nil
}

// Modes of files in an initrd, as in stat(2).
const (
	modeDir  = 0o040755
	modeFile = 0o100600
)

// tokenArchive is a third initrd, which has the token and nothing else, in the
// format that Linux unpacks (Documentation/driver-api/early-userspace/buffer-format.rst).
func tokenArchive(token string) []byte {
	var b bytes.Buffer
	inode := 0
	add := func(name string, mode int, data string) {
		inode++
		fmt.Fprintf(&b, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
			inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
		b.WriteString(name + "\x00")
		pad(&b)
		b.WriteString(data)
		pad(&b)
	}
	add("etc", modeDir, "")
	add("etc/ingot", modeDir, "")
	add(TokenFile, modeFile, token+"\n")
	add("TRAILER!!!", 0, "")
	return b.Bytes()
}

// pad fills up to a multiple of 4 bytes.
func pad(b *bytes.Buffer) { b.Write(make([]byte, padding(int64(b.Len())))) }

// padding is how many bytes are missing to a multiple of 4.
func padding(n int64) int64 { return (4 - n%4) % 4 }
