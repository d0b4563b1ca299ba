// Package bundle reads the bundles in which the files of an identity travel,
// and names what belongs to them on a machine. It imports the standard library
// alone, because the program inside images reads bundles, too. Package ignition
// writes them.
//
// A bundle is gzip (RFC 1952) over a manifest and a body. The manifest is lines
// of ASCII text; the body is the parts it names, one after the other:
//
//	ingot-identity 1            what this is, and its version
//	f 600 root:root /etc/...    a file: mode in octal, owner, path
//	t 120                       the file goes on with 120 bytes as they are
//	p 138 PRIVATE KEY           the file goes on with a PEM block of this label; its DER is 138 bytes
//	end
//
// PEM is stored as DER, because base64 hides from gzip that a key stands in its
// certificate, too.
package bundle

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// The first and the last line of a manifest.
const (
	Magic = "ingot-identity 1"
	End   = "end"
)

// Where a bundle and what belongs to it are on the machine.
const (
	Path        = "/etc/ingot/identity.bundle"  // removed once it is unpacked
	RunPath     = "/run/ingot/identity.bundle"  // likewise; where it is put that was fetched
	PinPath     = "/etc/ingot/identity.sha256"  // which bundle is to be unpacked
	AppliedPath = "/etc/ingot/identity.applied" // which one was, and the paths in it
	UnpackPath  = "/etc/ingot/unpack"           // the script that unpacks it
	FetchPath   = "/etc/ingot/fetch"            // the script that finds it; only where it does not come with the config
)

// MaxSize bounds what a bundle may unpack to, in bytes, and MaxFiles how many
// files may be in it.
const (
	MaxSize  = 64 << 20
	MaxFiles = 16384
)

// File is one file of a bundle.
type File struct {
	Path  string      // absolute and clean
	Mode  fs.FileMode // permission bits only
	Owner string      // user:group by name; with a question mark in front, root where there is no such user
	Data  []byte
}

// EncodePEM writes a block as RFC 7468 has it: lines of 64 characters.
func EncodePEM(label string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der})
}

// Decompress unpacks gzip of any number of members, up to limit bytes.
func Decompress(data []byte, limit int64) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("unpacking gzip: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("unpacking gzip: %w", err)
	}
	if int64(len(out)) > limit {
		return nil, fmt.Errorf("unpacking gzip: more than %d bytes", limit)
	}
	return out, nil
}

// Sum is the SHA-256 of a bundle, as PinPath and AppliedPath have it.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// Digest is the SHA-256 that the content of PinPath or AppliedPath starts with,
// and whether it does.
func Digest(data []byte) (string, bool) {
	line, _, _ := strings.Cut(string(data), "\n")
	word, _, _ := strings.Cut(line, " ")
	return word, len(word) == hex.EncodedLen(sha256.Size) && strings.Trim(word, "0123456789abcdef") == ""
}

// IsAccount reports whether a user or group name, or a number, can stand in a
// bundle and on a command line.
func IsAccount(s string) bool {
	if s == "" || s[0] == '-' {
		return false
	}
	for _, r := range s {
		isWord := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !isWord && !strings.ContainsRune("._-$", r) {
			return false
		}
	}
	return true
}

// IsClean reports whether an absolute path has neither empty parts nor "." or
// ".." in it, nor a slash at its end.
func IsClean(p string) bool {
	for part := range strings.SplitSeq(p[1:], "/") {
		if part == "" || part == "." || part == ".." {
			return false
		}
	}
	return true
}
