package iso_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/iso"
	"github.com/ingot-k8s/ingot/internal/need"
)

var date = time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)

// noise is data that is another at each place.
func noise(seed byte, size int) []byte {
	out := make([]byte, 0, size+32)
	for sum := [32]byte{seed}; len(out) < size; {
		sum = sha256.Sum256(sum[:])
		out = append(out, sum[:]...)
	}
	return out[:size]
}

// sample has files inside of another one, some of its own, a folder of more
// than a sector, and two programs that start.
func sample() (iso.Config, []images.Part) {
	disk := noise(1, 3<<20)
	c := iso.Config{Label: "INGOT_BOOT", Time: date, Size: 8 << 20, Files: []iso.File{
		{Path: "disk.img", Offset: 4 << 20, Size: 3 << 20},
		{Path: "root.squashfs", Offset: 4<<20 + 4096, Size: 1<<20 + 77},
		{Path: "root.verity", Offset: 5<<20 + 8192, Size: 4096},
		{Path: "boot.initrd", Offset: 6 << 20, Size: 2048},
		{Path: "empty", Content: images.Bytes(nil)},
		{Path: "EFI/debian/grub.cfg", Content: images.Bytes([]byte("echo hello\n"))},
		{Path: "EFI/eltorito.img", Content: images.Bytes(noise(2, 70_001))},
		{Path: "efi.img", Offset: 5 << 20, Size: 2 << 20},
	}, Boot: []iso.Boot{{Platform: iso.BIOS, Path: "EFI/eltorito.img", Load: 4, InfoTable: true}, {Platform: iso.UEFI, Path: "efi.img"}}}
	for i := range 90 {
		c.Files = append(c.Files, iso.File{Path: fmt.Sprintf("many/file_%02d.txt", i), Content: images.Bytes(fmt.Appendf(nil, "file %d", i))})
	}
	return c, []images.Part{{Offset: 4 << 20, Content: images.Bytes(disk)}}
}

func compose(t testing.TB, c iso.Config, others []images.Part) *images.Disk {
	t.Helper()
	parts, err := iso.New(c)
	if err != nil {
		t.Fatal(err)
	}
	disk, err := images.NewDisk(c.Size, append(parts, others...)...)
	if err != nil {
		t.Fatal(err)
	}
	return disk
}

func write(t testing.TB, disk images.Source) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "boot.iso")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := images.WriteRaw(t.Context(), f, disk, images.RawOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// contents are those of the files, by their names on the volume. A program that
// knows its place is another than the one given.
func contents(t testing.TB, c iso.Config, disk io.ReaderAt) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	for _, f := range c.Files {
		r := io.NewSectionReader(disk, f.Offset, f.Size)
		if f.Content != nil {
			r = io.NewSectionReader(f.Content, 0, f.Content.Size())
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.ToUpper(f.Path)] = data
	}
	return out
}

// withoutTable takes the boot information table out.
func withoutTable(data []byte) []byte {
	out := bytes.Clone(data)
	clear(out[8:64])
	return out
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), need.Tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// readers are the programs that give files back: into a folder, or one by one.
var readers = map[string]func(t *testing.T, path string, c *checker){
	"xorriso": func(t *testing.T, path string, c *checker) {
		dir := filepath.Join(t.TempDir(), "files")
		run(t, "xorriso", "-osirrox", "on", "-indev", path, "-extract", "/", dir, "-rollback_end")
		c.folder(t, dir)
	},
	"bsdtar": func(t *testing.T, path string, c *checker) {
		dir := t.TempDir()
		run(t, "bsdtar", "-x", "-f", path, "-C", dir)
		c.folder(t, dir)
	},
	"isoinfo": func(t *testing.T, path string, c *checker) {
		list := run(t, "isoinfo", "-f", "-i", path)
		for name := range c.want {
			id := "/" + name
			if !strings.Contains(name, ".") {
				id += "."
			}
			if !strings.Contains(list, id+";1\n") {
				t.Errorf("%s is not listed:\n%s", id, list)
				continue
			}
			c.output(t, name, "isoinfo", "-i", path, "-x", id+";1")
		}
	},
	"GRUB": func(t *testing.T, path string, c *checker) {
		for name := range c.want {
			if !strings.HasPrefix(name, "MANY/") {
				c.output(t, name, "grub-fstest", path, "cat", "(loop0)/"+strings.ToLower(name))
			}
		}
	},
	"Linux": func(t *testing.T, path string, c *checker) {
		need.Root(t)
		dir := t.TempDir()
		if out, err := exec.Command(need.Tool(t, "mount"), "-t", "iso9660", "-o", "loop,ro", path, dir).CombinedOutput(); err != nil {
			t.Skipf("no loop devices or no iso9660: %v: %s", err, out)
		}
		defer run(t, "umount", dir)
		c.folder(t, dir)
		info, err := os.Stat(filepath.Join(dir, "boot.initrd"))
		if err != nil || !info.ModTime().Equal(date) {
			t.Errorf("boot.initrd is of %v, %v", info, err)
		}
	},
}

// checker knows what files have.
type checker struct{ want map[string][]byte }

func (c *checker) file(t *testing.T, name string, got []byte) {
	t.Helper()
	want := c.want[name]
	if name == "EFI/ELTORITO.IMG" {
		got, want = withoutTable(got), withoutTable(want)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, want %d, or others", name, len(got), len(want))
	}
}

// output checks a file that a program prints.
func (c *checker) output(t *testing.T, name, program string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), need.Tool(t, program), args...).Output()
	if err != nil {
		t.Fatalf("%s %q: %v", program, args, err)
	}
	c.file(t, name, out)
}

func (c *checker) folder(t *testing.T, dir string) {
	t.Helper()
	found := 0
	err := filepath.WalkDir(dir, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		found++
		data, err := os.ReadFile(file)
		c.file(t, strings.ToUpper(strings.TrimPrefix(file, dir+"/")), data)
		return err
	})
	if err != nil || found != len(c.want) {
		t.Errorf("%d files, %v; want %d", found, err, len(c.want))
	}
}

// TestFiles has every program that reads volumes give the files back.
func TestFiles(t *testing.T) {
	c, others := sample()
	disk := compose(t, c, others)
	path, want := write(t, disk), &checker{contents(t, c, disk)}
	for name, read := range readers {
		t.Run(name, func(t *testing.T) { read(t, path, want) })
	}
}

// TestBoot has xorriso and libblkid say what they take the volume for.
func TestBoot(t *testing.T) {
	c, others := sample()
	disk := compose(t, c, others)
	path := write(t, disk)
	said := run(t, "xorriso", "-indev", path, "-report_el_torito", "plain")
	for _, want := range []string{
		"El Torito catalog  : 21  1\n",
		"El Torito boot img :   1  BIOS  y   none  0x0000  0x00      4          28\n",
		"El Torito boot img :   2  UEFI  y   none  0x0000  0x00   4096        2560\n",
		"  1  /EFI/ELTORITO.IMG\n", "  1  boot-info-table\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("xorriso does not say %q:\n%s", want, said)
		}
	}
	if got := run(t, "blkid", "-p", "-o", "value", "-s", "LABEL", path); got != "INGOT_BOOT\n" {
		t.Errorf("blkid: label %q", got)
	}
	// A large file system is one whose size does not fit into the catalog.
	for i := range c.Files {
		if c.Files[i].Path == "efi.img" {
			c.Files[i].Size = 33 << 20
		}
	}
	c.Size = 64 << 20
	large := write(t, compose(t, c, others))
	if said := run(t, "xorriso", "-indev", large, "-report_el_torito", "plain"); !strings.Contains(said, "UEFI  y   none  0x0000  0x00      0        2560\n") {
		t.Errorf("of a file system of 33 MiB xorriso says:\n%s", said)
	}
}

// TestBytes pins the bytes, and has them not depend on the order of files.
func TestBytes(t *testing.T) {
	c, others := sample()
	sum := func() string {
		h := sha256.New()
		disk := compose(t, c, others)
		if _, err := io.Copy(h, io.NewSectionReader(disk, 0, disk.Size())); err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	const want = "0997c894ccc4813e9b07414502eee4f9ceaa94dd4926904524c9486326217030"
	if got := sum(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	slices.Reverse(c.Files)
	c.Time = date.In(time.FixedZone("east", 7*3600))
	if got := sum(); got != want {
		t.Errorf("with the files in another order and the time of another zone: %s, want %s", got, want)
	}
}

// TestLarge has a file of more than 4 GiB, which has two sections.
func TestLarge(t *testing.T) {
	const size = 5<<30 + 12345
	end := noise(9, 12345)
	c := iso.Config{Label: "LARGE", Time: date, Size: 6 << 30, Files: []iso.File{{Path: "disk.img", Offset: 1 << 20, Size: size}}}
	path := write(t, compose(t, c, []images.Part{{Offset: 1<<20 + 5<<30, Content: images.Bytes(end)}}))
	if list := run(t, "xorriso", "-indev", path, "-lsl", "/DISK.IMG"); !strings.Contains(list, fmt.Sprint(size)) {
		t.Errorf("xorriso lists %s", list)
	}
	got, err := exec.Command(need.Tool(t, "grub-fstest"), "-s", fmt.Sprint(5<<30-10), path, "cat", "(loop0)/disk.img").Output()
	if err != nil || !bytes.Equal(got, append(make([]byte, 10), end...)) {
		t.Errorf("the end of the file is another to GRUB: %d bytes, %v", len(got), err)
	}
}
