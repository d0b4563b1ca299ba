package sbom

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// maxText is more than a copyright or licence file has, in bytes.
const maxText = 4 << 20

const docs = "usr/share/doc/"

// Copyrights reads the copyright files of a root file system, a tar archive,
// for [Input].Copyright.
func Copyrights(r io.Reader) (func(pkg string) []byte, error) {
	texts, links := map[string][]byte{}, map[string]string{}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("reading copyright files: %w", err)
		}
		name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
		if !strings.HasPrefix(name, docs) {
			continue
		}
		switch h.Typeflag {
		case tar.TypeReg:
			if path.Base(name) != "copyright" || h.Size > maxText {
				continue
			}
			if texts[name], err = io.ReadAll(t); err != nil {
				return nil, fmt.Errorf("reading copyright files: %w", err)
			}
		case tar.TypeSymlink: // of a package's folder, or of the file
			target := h.Linkname
			if !path.IsAbs(target) {
				target = "/" + path.Dir(name) + "/" + target
			}
			links[name] = strings.TrimPrefix(path.Clean(target), "/") // a key, never opened
		case tar.TypeLink:
			links[name] = strings.TrimPrefix(path.Clean("/"+h.Linkname), "/")
		}
	}
	return func(pkg string) []byte {
		folder := docs + pkg
		for range 4 { // links of links are rare
			file := folder + "/copyright"
			if to, is := links[file]; is {
				file = to
			}
			if text := texts[file]; text != nil {
				return text
			}
			to, is := links[folder]
			if !is {
				return nil
			}
			folder = to
		}
		return nil
	}, nil
}

// licenceNames are the names of licence files, the usual one first.
var licenceNames = []string{
	"LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "LICENCE.md", "License", "License.txt", "License.md",
	"license", "license.txt", "license.md", "COPYING", "COPYING.txt", "COPYING.md", "LICENSE-APACHE-2.0.txt", "LICENSE.code", "LICENSE.libyaml",
	"MIT-LICENSE", "UNLICENSE",
}

// ModuleLicences reads licence files from a module cache (go env GOMODCACHE),
// for [Input].Licence. A module that is not there has none.
func ModuleLicences(cache string) func(modulePath, version string) []byte {
	return func(modulePath, version string) []byte {
		dir := filepath.Join(cache, filepath.FromSlash(cacheName(modulePath)+"@"+cacheName(version)))
		for _, name := range licenceNames {
			file := filepath.Join(dir, name)
			if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
				continue
			}
			if data, err := atomicfile.ReadFile(file, maxText); err == nil {
				return data
			}
		}
		return nil
	}
}

// cacheName writes capitals as the module cache has them: !a for A
// (go.dev/ref/mod, "Module cache").
func cacheName(s string) string {
	var out strings.Builder
	for _, c := range s {
		if unicode.IsUpper(c) {
			out.WriteByte('!')
			c = unicode.ToLower(c)
		}
		out.WriteRune(c)
	}
	return out.String()
}
