package boot

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
)

func sumOf(t *testing.T, s images.Source) string {
	t.Helper()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(s, 0, s.Size())); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// sampleISO is a boot ISO with the identity of a node.
func sampleISO(t *testing.T) ISOParts {
	t.Helper()
	p := ISOParts{
		Parts: sample(t), BootInitrd: images.Bytes(bytes.Repeat([]byte("b"), 1<<20+3)), Date: time.Unix(1e9, 0),
		Rescue: true, Config: images.Bytes(bytes.Repeat([]byte("c"), 100<<10)),
	}
	p.GRUB.CD = bytes.Repeat([]byte{9}, 60_000)
	disk, _, err := Disk(p.Parts)
	if err != nil {
		t.Fatal(err)
	}
	p.About = About{Cluster: "prod", Image: "0123456789ab", Disk: AboutDisk{Size: disk.Size(), SHA256: sumOf(t, disk)}}
	return p
}

func writeISO(t *testing.T, p ISOParts) string {
	t.Helper()
	disk, err := ISO(p)
	if err != nil {
		t.Fatal(err)
	}
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

func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), need.Tool(t, name), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// TestISO has what reads partition tables, CDs and file systems look at a boot
// ISO.
func TestISO(t *testing.T) {
	p := sampleISO(t)
	path := writeISO(t, p)
	if out := tool(t, "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
		t.Errorf("sgdisk: %s", out)
	}
	if out := tool(t, "sfdisk", "--verify", path); !strings.Contains(out, "No errors detected") {
		t.Errorf("sfdisk: %s", out)
	}
	if got := tool(t, "blkid", "-p", "-o", "value", "-s", "LABEL", path); got != LabelISO+"\n" {
		t.Errorf("blkid: label %q", got)
	}
	said := tool(t, "xorriso", "-indev", path, "-report_el_torito", "plain")
	for _, want := range []string{"1  BIOS  y   none  0x0000  0x00      4", "boot-info-table", "2  UEFI  y   none  0x0000  0x00      0        1024\n"} {
		if !strings.Contains(said, want) {
			t.Errorf("xorriso does not say %q:\n%s", want, said)
		}
	}
}

// TestISOFiles has the files be what they are made of.
func TestISOFiles(t *testing.T) {
	p := sampleISO(t)
	dir := extractAll(t, writeISO(t, p))
	disk, _, err := Disk(p.Parts)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]images.Source{
		"disk.img": disk, "root.squashfs": p.Root.Data, "root.verity": p.Root.Tree, "cluster.squashfs": p.Cluster.Data,
		"cluster.verity": p.Cluster.Tree, "vmlinuz": p.Kernel, "initrd": p.Initrd, "boot.initrd": p.BootInitrd, "config.iso": p.Config,
	} {
		f, err := os.Open(extracted(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if n, err := io.Copy(h, f); err != nil || n != want.Size() || hex.EncodeToString(h.Sum(nil)) != sumOf(t, want) {
			t.Errorf("%s has %d bytes (%v), want %d, or other ones", name, n, err, want.Size())
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var about About
	data, err := os.ReadFile(extracted(dir, "ingot.json"))
	if err == nil {
		err = json.Unmarshal(data, &about)
	}
	line := about.Line
	about.Line = ""
	if err != nil || about != p.About || !strings.HasPrefix(line, "ingot.root="+p.Root.Hash.String()+" ingot.cluster=") {
		t.Errorf("ingot.json: %s, %v", data, err)
	}
}

// TestISOMenu has GRUB find its config, and in it the way to the files, by UEFI
// from a stick and from a CD.
func TestISOMenu(t *testing.T) {
	p := sampleISO(t)
	dir := extractAll(t, writeISO(t, p))
	esp := extracted(dir, "efi.img")
	if out := tool(t, "fsck.vfat", "-n", esp); strings.Contains(out, "wrong") {
		t.Errorf("fsck.vfat: %s", out)
	}
	for name, initrd := range map[string]string{"::EFI/debian/grub.cfg": "/boot.rd", extracted(dir, "EFI/debian/grub.cfg"): "/boot.initrd"} {
		text := ""
		if strings.HasPrefix(name, "::") {
			text = tool(t, "mcopy", "-n", "-i", esp, name, "-")
		} else if data, err := os.ReadFile(name); err == nil {
			text = string(data)
		}
		if strings.Count(text, "initrd /initrd "+initrd+"\n") != 4 || !strings.Contains(text, p.Root.Hash.String()) {
			t.Errorf("%s:\n%s", name, text)
		}
		cmd := exec.CommandContext(t.Context(), need.Tool(t, "grub-script-check"))
		cmd.Stdin = strings.NewReader(text)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func extractAll(t *testing.T, iso string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "files")
	tool(t, "xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/", dir, "-rollback_end")
	return dir
}

// extracted is where xorriso puts a file: names have upper case letters there.
func extracted(dir, name string) string {
	return filepath.Join(dir, strings.ToUpper(name))
}

// TestISOKeepsApart has no partition of a boot ISO be taken for one of an
// installed disk, whose partitions are found by their GUIDs.
func TestISOKeepsApart(t *testing.T) {
	p := sampleISO(t)
	_, table, err := Disk(p.Parts)
	if err != nil {
		t.Fatal(err)
	}
	out := strings.ToLower(tool(t, "sfdisk", "--dump", writeISO(t, p)))
	if strings.Count(out, "type=") != 2 || !strings.Contains(out, "boot-esp") {
		t.Errorf("the partitions are not two:\n%s", out)
	}
	for _, e := range table.Entries {
		if strings.Contains(out, e.GUID.String()) {
			t.Errorf("the ISO has the GUID of partition %q", e.Label)
		}
	}
	if strings.Contains(out, table.GUID.String()) {
		t.Error("the ISO has the GUID of the disk")
	}
}

func TestISOSameBytes(t *testing.T) {
	one, err := ISO(sampleISO(t))
	if err != nil {
		t.Fatal(err)
	}
	two, err := ISO(sampleISO(t))
	if err != nil {
		t.Fatal(err)
	}
	if sumOf(t, one) != sumOf(t, two) {
		t.Error("two ISOs of the same parts differ")
	}
}

func TestMenu(t *testing.T) {
	args := []string{"ingot.root=00", "ro"}
	golden.Check(t, "testdata/menu.cfg", []byte(menu(args, "/boot.rd", true)))
	if text := menu(args, "/boot.rd", false); strings.Contains(text, "rescue") || !strings.Contains(text, "'ingot.boot=install'") {
		t.Errorf("without a rescue shell the menu is\n%s", text)
	}
}

func TestISORefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(p *ISOParts)
		want  string
	}{
		"other image": {func(p *ISOParts) { p.About.Disk.Size++ }, "the disk image has"},
		"argument":    {func(p *ISOParts) { p.KernelArgs = []string{"a b"} }, "kernel line"},
		"no GRUB":     {func(p *ISOParts) { p.GRUB.CD = nil }, "needs a content of its own"},
		"large GRUB":  {func(p *ISOParts) { p.GRUB.CD = make([]byte, 1<<20-1) }, `in partition "boot-bios"`},
	} {
		t.Run(name, func(t *testing.T) {
			p := sampleISO(t)
			tt.spoil(&p)
			if _, err := ISO(p); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}
