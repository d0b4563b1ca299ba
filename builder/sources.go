package builder

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"strings"
)

// code has the source of the packages whose steps are cached: another source
// may make other files of the same inputs, so it is one of the inputs.
//
//go:embed base initrd tree boot ociimage sbom workshop
var code embed.FS

// source is the SHA-256 of packages below builder/, in hexadecimal.
func source(packages ...string) string {
	h := sha256.New()
	for _, p := range packages {
		// Embedded files can be read, and are walked in order.
		_ = fs.WalkDir(code, p, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, "_test.go") || strings.Contains(path, "/testdata/") {
				return err
			}
			data, err := code.ReadFile(path)
			if err != nil {
				return err
			}
			h.Write([]byte(path + "\x00"))
			h.Write(data)
			return nil
		})
	}
	return hex.EncodeToString(h.Sum(nil))
}
