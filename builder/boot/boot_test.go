package boot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
)

// fakeGRUB has the marks that real images of GRUB have.
func fakeGRUB() *GRUB {
	boot := make([]byte, 512)
	boot[0x66], boot[510], boot[511] = 0xeb, 0x55, 0xaa
	core := bytes.Repeat([]byte{7}, 100_000)
	binary.LittleEndian.PutUint16(core[0x1f4+10:], 0x820)
	return &GRUB{Boot: boot, Core: core, Shim: []byte("shim"), EFI: []byte("grub"), MOK: []byte("mok")}
}

// fileSystem is verified data that is no file system.
func fileSystem(t *testing.T, fill byte, blocks int) FileSystem {
	t.Helper()
	data := bytes.Repeat([]byte{fill}, 4096*blocks)
	var tree bytes.Buffer
	hash, err := WriteTree(t.Context(), &tree, bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return FileSystem{Data: images.Bytes(data), Tree: images.Bytes(tree.Bytes()), Hash: hash}
}

func sample(t *testing.T) Parts {
	return Parts{
		GRUB: fakeGRUB(), Kernel: images.Bytes(bytes.Repeat([]byte("k"), 1<<20+1)), Initrd: images.Bytes(bytes.Repeat([]byte("i"), 2<<20)),
		Root: fileSystem(t, 1, 700), Cluster: fileSystem(t, 2, 3), KernelArgs: []string{"mitigations=auto", "a$b;c={d}&|<>#"},
	}
}

func TestDisk(t *testing.T) {
	sgdisk, veritysetup, fsck, mcopy := need.Tool(t, "sgdisk"), need.Tool(t, "veritysetup"), need.Tool(t, "fsck.vfat"), need.Tool(t, "mcopy")
	p := sample(t)
	disk, _, err := Disk(p)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "disk.raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := images.WriteRaw(context.Background(), f, disk, images.RawOptions{}); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(sgdisk, "-v", path).CombinedOutput(); err != nil || !bytes.Contains(out, []byte("No problems found")) {
		t.Errorf("sgdisk: %v\n%s", err, out)
	}
	out, err := exec.Command(sgdisk, "-i", "5", path).CombinedOutput()
	if err != nil {
		t.Fatalf("sgdisk: %v\n%s", err, out)
	}
	half := strings.ToUpper(p.Cluster.Hash.String()[:8] + "-" + p.Cluster.Hash.String()[8:12])
	if !bytes.Contains(out, []byte("Partition unique GUID: "+half)) || !bytes.Contains(out, []byte("'cluster'")) {
		t.Errorf("partition 5 is not that of %s:\n%s", p.Cluster.Hash, out)
	}

	part := func(number int) string {
		t.Helper()
		name := filepath.Join(dir, "part")
		data, err := io.ReadAll(partition(t, disk, number))
		if err != nil {
			t.Fatal(err)
		}
		name += string(rune('0' + number))
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	if out, err := exec.Command(veritysetup, "verify", part(3), part(4), p.Root.Hash.String()).CombinedOutput(); err != nil {
		t.Errorf("veritysetup: %v\n%s", err, out)
	}
	esp := part(2)
	if out, err := exec.Command(fsck, "-n", esp).CombinedOutput(); err != nil {
		t.Errorf("fsck.vfat: %v\n%s", err, out)
	}
	config, err := exec.Command(mcopy, "-n", "-i", esp, "::ingot/grub.cfg", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(config, []byte("'ingot.root="+p.Root.Hash.String()+"'")) {
		t.Errorf("the config does not name the root:\n%s", config)
	}
}

// partition reads a partition by the disk's own table.
func partition(t *testing.T, disk *images.Disk, number int) *io.SectionReader {
	t.Helper()
	entry := make([]byte, 128)
	if _, err := disk.ReadAt(entry, 1024+int64(number-1)*128); err != nil {
		t.Fatal(err)
	}
	first, last := binary.LittleEndian.Uint64(entry[32:]), binary.LittleEndian.Uint64(entry[40:])
	return io.NewSectionReader(disk, int64(first)*512, int64(last-first+1)*512)
}

func TestSameBytes(t *testing.T) {
	var sums [2][32]byte
	for i := range sums {
		disk, _, err := Disk(sample(t))
		if err != nil {
			t.Fatal(err)
		}
		extents, err := disk.Extents()
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		for _, e := range extents {
			if err := binary.Write(h, binary.LittleEndian, e); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(h, io.NewSectionReader(disk, e.Offset, e.Length)); err != nil {
				t.Fatal(err)
			}
		}
		sums[i] = [32]byte(h.Sum(nil))
	}
	if sums[0] != sums[1] {
		t.Error("two disks of the same parts differ")
	}
}

func TestGRUBConfig(t *testing.T) {
	args, err := KernelLine(Hash{1, 2}, Hash{3, 4}, []string{"mitigations=auto", "a$b;c={d}"})
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/grub.cfg", []byte(grubConfig(args)))
}

// TestGRUBScript has GRUB's own parser read the config.
func TestGRUBScript(t *testing.T) {
	check := need.Tool(t, "grub-script-check")
	args, err := KernelLine(Hash{1}, Hash{2}, sample(t).KernelArgs)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"config": grubConfig(args), "first": firstConfig} {
		cmd := exec.Command(check)
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestKernelLineRefuses(t *testing.T) {
	for arg, want := range map[string]string{
		"":                        "other than printable",
		"a b":                     "blanks",
		"it's":                    "quotes",
		`a\b`:                     "backslashes",
		"ä":                       "printable ASCII",
		"a\nb":                    "printable ASCII",
		"ingot.root=0":            "belongs to the image",
		strings.Repeat("a", 2000): "at most 2047",
	} {
		if _, err := KernelLine(Hash{}, Hash{}, []string{arg}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %s", arg, err, want)
		}
	}
}

func TestDiskRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(p *Parts)
		want  string
	}{
		"argument":   {func(p *Parts) { p.KernelArgs = []string{"a b"} }, "kernel line"},
		"no GRUB":    {func(p *Parts) { p.GRUB.Boot = nil }, "not a boot.img"},
		"large GRUB": {func(p *Parts) { p.GRUB.Core = append(p.GRUB.Core, make([]byte, 2<<20)...) }, "at most 1048576"},
		"too small":  {func(p *Parts) { p.Size = 64 << 20 }, "composing disk"},
	} {
		t.Run(name, func(t *testing.T) {
			p := sample(t)
			tt.spoil(&p)
			if _, _, err := Disk(p); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}
