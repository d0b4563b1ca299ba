package fat_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/builder/boot/fat"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/internal/need"
)

// sample has files of all sizes around that of a cluster, folders of one and of
// several clusters, and names in both cases.
func sample() fat.Config {
	c := fat.Config{ID: 0xdecafbad, Label: "INGOT"}
	add := func(path string, size int) {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(i>>8) ^ byte(i) ^ byte(size)
		}
		c.Files = append(c.Files, fat.File{Path: path, Content: images.Bytes(data)})
	}
	add("EFI/BOOT/BOOTX64.EFI", 5000)
	add("EFI/BOOT/grubx64.efi", 1024)
	add("ingot/vmlinuz", 3<<20+1)
	add("ingot/Empty", 0)
	c.Files[3].Path = "ingot/empty"
	for _, a := range "abcdefgh" {
		for _, b := range "01234567" {
			add("many/"+string(a)+string(b)+".cfg", 1023)
		}
	}
	return c
}

func write(t *testing.T, c fat.Config) string {
	t.Helper()
	disk, err := fat.New(c)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "esp.img")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := images.WriteRaw(context.Background(), f, disk, images.RawOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestConsumers has dosfstools check the file system and mtools read it back.
func TestConsumers(t *testing.T) {
	fsck, mcopy := need.Tool(t, "fsck.vfat"), need.Tool(t, "mcopy")
	for name, size := range map[string]int64{"smallest": 0, "larger": 200<<20 + 512, "least": fat.MinSize} {
		t.Run(name, func(t *testing.T) {
			c := sample()
			c.Size = size
			path := write(t, c)
			out, err := exec.Command(fsck, "-n", "-v", path).CombinedOutput()
			if err != nil || !bytes.Contains(out, []byte("2 FATs, 32 bit entries")) || bytes.Contains(out, []byte("differ")) {
				t.Fatalf("fsck.vfat: %v\n%s", err, out)
			}
			for _, f := range c.Files {
				got, err := exec.Command(mcopy, "-n", "-i", path, "::"+f.Path, "-").Output()
				if err != nil {
					t.Fatalf("%s: %v", f.Path, err)
				}
				want, err := io.ReadAll(io.NewSectionReader(f.Content, 0, f.Content.Size()))
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes, want %d, or other ones", f.Path, len(got), len(want))
				}
			}
		})
	}
}

// TestAligned has files be where others can find them without the file system.
func TestAligned(t *testing.T) {
	fsck, mcopy := need.Tool(t, "fsck.vfat"), need.Tool(t, "mcopy")
	for _, align := range []int64{1024, 2048, 64 << 10} {
		c := sample()
		c.Align, c.Files = align, c.Files[:20]
		disk, places, err := fat.NewPlaced(c)
		if err != nil {
			t.Fatal(err)
		}
		path := write(t, c)
		out, err := exec.Command(fsck, "-n", "-v", path).CombinedOutput()
		if err != nil || bytes.Contains(out, []byte("differ")) || bytes.Contains(out, []byte("wrong")) {
			t.Fatalf("alignment %d: fsck.vfat: %v\n%s", align, err, out)
		}
		for _, f := range c.Files {
			want, err := exec.Command(mcopy, "-n", "-i", path, "::"+f.Path, "-").Output()
			if err != nil {
				t.Fatal(err)
			}
			at, is := places[f.Path]
			if len(want) == 0 {
				continue // it is nowhere
			}
			got := make([]byte, len(want))
			if _, err := disk.ReadAt(got, at); err != nil || !is || at%align != 0 || !bytes.Equal(got, want) {
				t.Errorf("%s is not at %d, a multiple of %d: %v", f.Path, at, align, err)
			}
		}
	}
}

// TestLinux has Linux mount the file system, and show the names as given.
func TestLinux(t *testing.T) {
	need.Root(t)
	mount, umount := need.Tool(t, "mount"), need.Tool(t, "umount")
	path, dir := write(t, sample()), t.TempDir()
	if out, err := exec.Command(mount, "-t", "vfat", "-o", "loop,ro,shortname=mixed", path, dir).CombinedOutput(); err != nil {
		t.Skipf("no loop devices or no vfat: %v: %s", err, out)
	}
	defer func() {
		if out, err := exec.Command(umount, dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	}()
	for _, f := range sample().Files {
		info, err := os.Stat(filepath.Join(dir, f.Path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() != f.Content.Size() || info.Name() != filepath.Base(f.Path) {
			t.Errorf("%s: %s of %d bytes", f.Path, info.Name(), info.Size())
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "many"))
	if err != nil || len(entries) != 64 {
		t.Errorf("%d files, %v", len(entries), err)
	}
}

// TestBytes pins the bytes: an image must not change with a release of ingot
// that does not mean to.
func TestBytes(t *testing.T) {
	disk, err := fat.New(sample())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(disk, 0, disk.Size())); err != nil {
		t.Fatal(err)
	}
	const want = "cc3c76c87554f9fc952b446482de97a5e694793cb235f916d978fa4c1c36b9df"
	if got := hex.EncodeToString(sum.Sum(nil)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	again := sample()
	for i, j := 0, len(again.Files)-1; i < j; i, j = i+1, j-1 {
		again.Files[i], again.Files[j] = again.Files[j], again.Files[i]
	}
	other, err := fat.New(again)
	if err != nil {
		t.Fatal(err)
	}
	a, b := make([]byte, 1<<20), make([]byte, 1<<20)
	if _, err := disk.ReadAt(a, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := other.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("the bytes depend on the order of the files")
	}
}

func TestRefuses(t *testing.T) {
	file := func(path string) []fat.File { return []fat.File{{Path: path, Content: images.Bytes([]byte("x"))}} }
	for name, tt := range map[string]struct {
		c    fat.Config
		want string
	}{
		"long name":   {fat.Config{Label: "A", Files: file("a/verylongname")}, `"verylongname" is not of the form 8.3`},
		"long suffix": {fat.Config{Label: "A", Files: file("a.text")}, `"a.text" is not of the form 8.3`},
		"two dots":    {fat.Config{Label: "A", Files: file("a.b.c")}, `"a.b.c" has other than`},
		"both cases":  {fat.Config{Label: "A", Files: file("Grub.cfg")}, `"Grub.cfg" has other than`},
		"empty part":  {fat.Config{Label: "A", Files: file("/a")}, `"" is not of the form 8.3`},
		"parent":      {fat.Config{Label: "A", Files: file("../a")}, `".." is not of the form 8.3`},
		"twice":       {fat.Config{Label: "A", Files: append(file("a"), file("A")...)}, `"A" is there twice`},
		"in a file":   {fat.Config{Label: "A", Files: append(file("a"), file("a/b")...)}, `"a/b" is there twice`},
		"label":       {fat.Config{Label: "ingot"}, `label "ingot"`},
		"too small":   {fat.Config{Label: "A", Size: 64 << 20}, "is not a multiple of 512 from"},
		"odd":         {fat.Config{Label: "A", Size: 80<<20 + 1}, "is not a multiple of 512"},
		"full":        {fat.Config{Label: "A", Size: 80 << 20, Files: []fat.File{{Path: "a", Content: images.Plain(nil, 81<<20)}}}, "has room for"},
		"alignment":   {fat.Config{Label: "A", Align: 3000}, "alignment of 3000 bytes"},
		"large file":  {fat.Config{Label: "A", Files: []fat.File{{Path: "a", Content: images.Plain(nil, 4<<30)}}}, "at most 4 GiB"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := fat.New(tt.c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}
