package boot

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// TestReadTable reads what sgdisk writes, a real tool's table.
func TestReadTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, make([]byte, 32<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	argv := []string{"--disk-guid=01234567-89ab-cdef-0123-456789abcdef",
		"--new=1:2048:4095", "--change-name=1:état 𝄞", "--typecode=1:ef00",
		"--new=4:4096:8191", "--change-name=4:ingot-state", "--partition-guid=4:fedcba98-7654-3210-fedc-ba9876543210", file}
	if out, err := exec.Command(need.Tool(t, "sgdisk"), argv...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readTable(bytes.NewReader(data), 512)
	if err != nil {
		t.Fatal(err)
	}
	if got.Disk != "01234567-89ab-cdef-0123-456789abcdef" || len(got.Entries) != 2 {
		t.Fatalf("got %+v", got)
	}
	want := []Entry{
		{1, "état 𝄞", "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", got.Entries[0].GUID, 2048, 4095},
		{4, "ingot-state", "0fc63daf-8483-4772-8e79-3d69d8477de4", "fedcba98-7654-3210-fedc-ba9876543210", 4096, 8191},
	}
	if !slices.Equal(got.Entries, want) || !got.label(stateLabel) || got.label("ingot") {
		t.Errorf("got %+v, want %+v", got.Entries, want)
	}
	if !got.has([]guid{want[1].GUID, want[0].GUID}) || got.has([]guid{want[1].GUID, "x"}) || (*Table)(nil).has([]guid{"x"}) {
		t.Error("its GUIDs are not found, or others are")
	}
	damage(t, data)
}

// damage has every field of the table be wrong.
func damage(t *testing.T, data []byte) {
	for name, c := range map[string]struct {
		at   int
		want string
	}{
		"magic": {512, "no GUID partition table"}, "header": {512 + 40, "header is damaged"}, "size": {512 + 12, "header is damaged"},
		"entries": {1024 + 56, "entries are damaged"}, "count": {512 + 80, "header is damaged"},
	} {
		bad := bytes.Clone(data)
		bad[c.at] ^= 0x10
		if _, err := readTable(bytes.NewReader(bad), 512); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	for _, n := range []int{0, 100, 600, 1024, 9000} {
		if _, err := readTable(bytes.NewReader(data[:n]), 512); err == nil {
			t.Errorf("the first %d bytes have a table", n)
		}
	}
	if _, err := readTable(bytes.NewReader(data), 4096); !errors.Is(err, errNoTable) {
		t.Errorf("with other sectors: %v", err)
	}
}

// TestInstalled: the same image is one with all its partitions at their places.
func TestInstalled(t *testing.T) {
	moved := &Table{Disk: "d1", Entries: slices.Clone(imageTable.Entries)}
	moved.Entries[1].Last++
	for name, c := range map[string]struct {
		table *Table
		want  bool
	}{
		"the same": {imageTable, true}, "with state": {imageTable.with(stateLabel), true}, "another": {oldTable, false}, "none": {nil, false},
		"moved": {moved, false}, "a part of it": {&Table{Disk: "d1", Entries: imageTable.Entries[:1]}, false}, "empty": {&Table{Disk: "d1"}, false},
	} {
		if got := c.table.installed(imageTable); got != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
	if imageTable.installed(&Table{Disk: "d1"}) {
		t.Error("an image without partitions is installed")
	}
}

func FuzzReadTable(f *testing.F) {
	_, image := sampleImage(f)
	f.Add(image[512:24<<10], 512)
	f.Add(image[512:2000], 4096)
	f.Fuzz(func(t *testing.T, data []byte, sector int) {
		if sector != 512 && sector != 4096 {
			return
		}
		disk := append(make([]byte, sector), data...)
		table, err := readTable(bytes.NewReader(disk), sector)
		if (table == nil) == (err == nil) {
			t.Errorf("got %v and %v", table, err)
		}
		if err == nil && len(table.Entries) > maxEntries {
			t.Errorf("%d entries", len(table.Entries))
		}
	})
}
