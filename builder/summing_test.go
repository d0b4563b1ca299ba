package builder

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// However a file is written, its hash is that of what can be read.
func TestSumming(t *testing.T) {
	const size = 200 << 10
	at := func(text string, off int64) func(io.Writer, io.WriterAt) error {
		return func(_ io.Writer, w io.WriterAt) error { _, err := w.WriteAt([]byte(text), off); return err }
	}
	write := func(text string) func(io.Writer, io.WriterAt) error {
		return func(w io.Writer, _ io.WriterAt) error { _, err := io.WriteString(w, text); return err }
	}
	for name, tt := range map[string]struct {
		writes []func(io.Writer, io.WriterAt) error
		again  bool // whether the file has to be read
	}{
		"in a stream":         {writes: []func(io.Writer, io.WriterAt) error{write("head"), write("body")}},
		"from begin to end":   {writes: []func(io.Writer, io.WriterAt) error{at("head", 0), at("body", 4), at("tail", size-4)}},
		"with holes":          {writes: []func(io.Writer, io.WriterAt) error{at("a", 1), at("b", 70<<10), at("c", 70<<10+1), at("d", size-1)}},
		"its head at the end": {writes: []func(io.Writer, io.WriterAt) error{at("body", 4), at("tail", size-4), at("head", 0)}, again: true},
		"a part twice":        {writes: []func(io.Writer, io.WriterAt) error{at("head", 0), at("ad", 2), at("tail", size-4)}, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			file, err := atomicfile.CreateNoSync(path, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = file.Close() }() // does nothing after Commit
			s := newSumming(file)
			for _, write := range tt.writes {
				if err := write(s, s); err != nil {
					t.Fatal(err)
				}
			}
			written, err := file.Seek(0, io.SeekEnd)
			if err != nil {
				t.Fatal(err)
			}
			if s.again != tt.again {
				t.Errorf("reads the file again: %t", s.again)
			}
			got, err := s.SHA256(t.Context(), written)
			if err != nil {
				t.Fatal(err)
			}
			if err := file.Commit(); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if want := sha256.Sum256(data); got != hex.EncodeToString(want[:]) {
				t.Errorf("got %s of %d bytes, want %x", got, len(data), want)
			}
		})
	}
}
