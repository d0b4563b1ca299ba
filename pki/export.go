package pki

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// exportList is the file that says which files of a folder are ours, in the
// form of sha256sum.
const exportList = "ingot-export.sha256"

// exported is one file to write: its path below the folder, and its content.
type exported struct {
	path   string
	data   []byte
	secret bool
}

// Export writes ordinary PEM files into dir: the certificates of the
// authorities, and for each named node a folder with its certificates and
// keys, keys with mode 0600. It replaces files that an earlier export wrote,
// and refuses to replace any other.
func (s *Store) Export(dir string, nodes ...string) error {
	var files []exported
	for _, a := range Authorities() {
		ca, err := s.AuthorityPEM(a)
		if err != nil {
			return err
		}
		files = append(files, exported{path: authorityFile(a), data: ca})
	}
	for _, name := range nodes {
		m, err := s.Material(name)
		if err != nil {
			return err
		}
		files = append(files, nodeFiles(name, m)...)
	}
	if err := writeExport(dir, files); err != nil {
		return fmt.Errorf("exporting to %s: %w", dir, err)
	}
	return nil
}

// authorityFile names the certificate of an authority as kubeadm does.
func authorityFile(a Authority) string {
	if a == Kubernetes {
		return "ca.crt"
	}
	return string(a) + "-ca.crt"
}

func nodeFiles(name string, m *Material) []exported {
	var files []exported
	add := func(file string, data []byte, secret bool) {
		if data != nil {
			files = append(files, exported{filepath.Join(name, file), data, secret})
		}
	}
	for _, c := range m.Credentials {
		add(c.Name+".crt", c.CertPEM, false)
		add(c.Name+".key", c.KeyPEM, true)
	}
	add("mesh.pub", m.Mesh.PublicPEM, false)
	add("mesh.key", m.Mesh.PrivatePEM, true)
	add("service-account.pub", m.ServiceAccountPubPEM, false)
	add("service-account.key", m.ServiceAccountKeyPEM, true)
	if m.EncryptionKey != nil {
		add("encryption.key", []byte(hex.EncodeToString(m.EncryptionKey)+"\n"), true)
	}
	return files
}

// writeExport looks at all files before it writes the first. The list has the
// old and the new content of every file while they are written, so that an
// export that is cut off can be repeated.
func writeExport(dir string, files []exported) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	list, err := readExportList(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		old, err := atomicfile.ReadFile(filepath.Join(dir, f.path), maxHolder)
		if err == nil && !list[f.path][digest(old)] && !bytes.Equal(old, f.data) {
			return fmt.Errorf("%s is there and was not written by an export; it is left as it is", filepath.Join(dir, f.path))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if list[f.path] == nil {
			list[f.path] = map[string]bool{}
		}
		list[f.path][digest(f.data)] = true
	}
	if err := writeExportList(dir, list); err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(dir, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if f.secret {
			mode = 0o600
		}
		if err := atomicfile.Write(path, f.data, mode); err != nil {
			return err
		}
		list[f.path] = map[string]bool{digest(f.data): true}
	}
	return writeExportList(dir, list)
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// readExportList reads which contents of which paths are ours.
func readExportList(dir string) (map[string]map[string]bool, error) {
	list := map[string]map[string]bool{}
	data, err := atomicfile.ReadFile(filepath.Join(dir, exportList), 16*maxHolder)
	if errors.Is(err, fs.ErrNotExist) {
		return list, nil
	}
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(data)) {
		sum, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			return nil, fmt.Errorf("%s is damaged: line %q", filepath.Join(dir, exportList), line)
		}
		if list[path] == nil {
			list[path] = map[string]bool{}
		}
		list[path][sum] = true
	}
	return list, nil
}

func writeExportList(dir string, list map[string]map[string]bool) error {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(list)) {
		for _, sum := range slices.Sorted(maps.Keys(list[path])) {
			b.WriteString(sum + "  " + path + "\n")
		}
	}
	return atomicfile.Write(filepath.Join(dir, exportList), []byte(b.String()), 0o600)
}
