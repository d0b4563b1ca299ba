package image

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func TestFolder(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "new")
	write(t, filepath.Join(from, "a", "b"), "text", 0o640)
	write(t, filepath.Join(from, "left", "out"), "text", 0o640)
	var archive bytes.Buffer
	if err := packFolder(&archive, from, []string{"left"}); err != nil {
		t.Fatal(err)
	}
	if err := unpackFolder(&archive, to, nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(to, "a", "b"))
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("got %v, %v", info, err)
	}
	if _, err := os.Stat(filepath.Join(to, "left")); err == nil {
		t.Error("what was to be left out is there")
	}
}

// What a tree has does not decide where it goes on this machine.
func TestFolderEscapes(t *testing.T) {
	for _, name := range []string{"../victim", "/victim", "a/../../victim"} {
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := unpackFolder(&archive, filepath.Join(dir, "in"), nil); err == nil {
			t.Errorf("%s was taken", name)
		}
		if _, err := os.Stat(filepath.Join(dir, "victim")); err == nil {
			t.Errorf("%s was written outside", name)
		}
	}
}
