package verity

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// BenchmarkFormat hashes 256 MiB.
func BenchmarkFormat(b *testing.B) {
	program := need.Tool(b, "veritysetup")
	path := filepath.Join(b.TempDir(), "data")
	data := blocks(256 << 20 / BlockSize)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b.Run("ingot", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			if _, err := Write(b.Context(), io.Discard, f, int64(len(data)), Options{testSalt, testUUID}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("veritysetup", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			tree := filepath.Join(b.TempDir(), "tree")
			if out, err := exec.CommandContext(b.Context(), program, "format", path, tree).CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
		}
	})
}
