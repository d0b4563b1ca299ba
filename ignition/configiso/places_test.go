package configiso_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition/configiso"
	"github.com/ingot-k8s/ingot/internal/need"
)

// What Places names has the content that xorriso put there.
func TestPlaces(t *testing.T) {
	dir := t.TempDir()
	want := map[string]string{"vmlinuz": strings.Repeat("kernel", 1000), "boot/initrd": "initrd", "empty": ""}
	for name, text := range want {
		path := filepath.Join(dir, "tree", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	iso := filepath.Join(dir, "volume.iso")
	cmd := exec.CommandContext(t.Context(), need.Tool(t, "xorriso"), "-as", "mkisofs", "-quiet", "-V", "INGOT_BOOT", "-o", iso, filepath.Join(dir, "tree"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(iso)
	if err != nil {
		t.Fatal(err)
	}
	label, places, err := configiso.Places(bytes.NewReader(data), int64(len(data)))
	if err != nil || label != "INGOT_BOOT" || len(places) != len(want) {
		t.Fatalf("got label %q, %d places, %v", label, len(places), err)
	}
	for i, p := range places {
		text, known := want[p.Path]
		if got := string(data[p.Offset : p.Offset+p.Size]); !known || got != text {
			t.Errorf("%q has %q, want %q", p.Path, got, text)
		}
		if i > 0 && places[i-1].Path >= p.Path {
			t.Errorf("%q comes after %q", p.Path, places[i-1].Path)
		}
	}
}

func TestPlacesBeyondEnd(t *testing.T) {
	var b bytes.Buffer
	volume := configiso.Volume{Label: "x", Time: time.Unix(1e9, 0), Files: []configiso.File{{Path: "file", Data: make([]byte, 100)}}}
	if err := configiso.Write(&b, volume); err != nil {
		t.Fatal(err)
	}
	_, places, err := configiso.Places(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || len(places) != 1 {
		t.Fatalf("got %v, %v", places, err)
	}
	cut := places[0].Offset + 50
	if _, _, err := configiso.Places(bytes.NewReader(b.Bytes()[:cut]), cut); err == nil {
		t.Error("a volume that is cut off was taken")
	}
}
