package gpt_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/gpt"
	"github.com/ingot-k8s/ingot/internal/need"
)

var rootGUID = gpt.GUID{0xde, 0xad, 0xbe, 0xef, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}

// text is content of n bytes.
func text(n int) images.Source { return images.Bytes(bytes.Repeat([]byte("x"), n)) }

// bootable is a layout as bakes make them.
func bootable() gpt.Layout {
	return gpt.Layout{
		Seed:     []byte("prod"),
		BootCode: bytes.Repeat([]byte{0x90}, 440),
		Partitions: []gpt.Partition{
			{Label: "bios", Type: gpt.BIOSBoot, Content: text(43141)},
			{Label: "esp", Type: gpt.EFI, Size: 4 << 20, Content: text(3 << 20)},
			{Label: "root", Type: gpt.RootAMD64, GUID: rootGUID, Content: text(5<<20 + 1), Attributes: gpt.ReadOnly | gpt.NoAuto},
			{Label: "root-verity", Type: gpt.RootVerityAMD64, Content: text(1 << 20)},
			{Label: "state", Type: gpt.Var, Size: 1, Attributes: gpt.GrowFS | gpt.Required | gpt.LegacyBoot},
		},
	}
}

// write makes the disk a file.
func write(t *testing.T, l gpt.Layout) string {
	t.Helper()
	d, err := l.Disk()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "disk"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := images.WriteRaw(t.Context(), f, d, images.RawOptions{}); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

func run(t *testing.T, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

func TestSgdisk(t *testing.T) {
	program := need.Tool(t, "sgdisk")
	sized := bootable()
	sized.Size = 64 << 20
	full := gpt.Layout{}
	for i := range 128 {
		full.Partitions = append(full.Partitions, gpt.Partition{Label: fmt.Sprint(i), Type: gpt.LinuxFileSystem, Size: 1})
	}
	for name, l := range map[string]gpt.Layout{"bootable": bootable(), "sized": sized, "full": full, "none": {}} {
		t.Run(name, func(t *testing.T) {
			disk := write(t, l)
			out := run(t, program, "-v", disk)
			if !strings.Contains(out, "No problems found") || strings.Contains(strings.ToLower(out), "warning") || strings.Contains(out, "Caution") {
				t.Errorf("sgdisk -v: %s", out)
			}
		})
	}
}

func TestSfdisk(t *testing.T) {
	disk := write(t, bootable())
	got := strings.ReplaceAll(run(t, need.Tool(t, "sfdisk"), "--dump", disk), disk, "disk")
	got = regexp.MustCompile(` +`).ReplaceAllString(got, " ")
	const want = `label: gpt
label-id: E1AF64EF-C2A1-8ECB-8CAB-9D95D22AD1A4
device: disk
unit: sectors
first-lba: 34
last-lba: 30686
sector-size: 512

disk1 : start= 2048, size= 2048, type=21686148-6449-6E6F-744E-656564454649, uuid=05959B2E-231B-82FE-B76D-B915166F9ED5, name="bios"
disk2 : start= 4096, size= 8192, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=8C725DD2-BD18-8014-A0B1-381F89FA6D4C, name="esp"
disk3 : start= 12288, size= 12288, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=DEADBEEF-0102-0304-0506-0708090A0B0C, name="root", attrs="GUID:60,63"
disk4 : start= 24576, size= 2048, type=2C7357ED-EBD2-46D9-AEC1-23D437EC2BF5, uuid=35179156-5D4A-8C07-B0C3-088BB8A9A193, name="root-verity"
disk5 : start= 26624, size= 2048, type=4D21B016-B534-45C2-A9FB-5C16E091FD2D, uuid=274C8CB3-6382-8263-A3D9-3F223391F567, name="state", attrs="RequiredPartition LegacyBIOSBootable GUID:59"
`
	if got != want {
		t.Errorf("sfdisk --dump: got\n%s\nwant\n%s", got, want)
	}
	if out := run(t, need.Tool(t, "sfdisk"), "--verify", disk); !strings.Contains(out, "No errors detected") {
		t.Errorf("sfdisk --verify: %s", out)
	}
}

func TestPartx(t *testing.T) {
	l := bootable()
	l.Partitions[4].Label = "état 𝄞" // one and two UTF-16 code units
	got := run(t, need.Tool(t, "partx"), "--show", "--noheadings", "--output", "NR,START,END,NAME,TYPE", write(t, l))
	got = regexp.MustCompile(`(?m)^ +`).ReplaceAllString(regexp.MustCompile(` +`).ReplaceAllString(got, " "), "")
	const want = `1 2048 4095 bios 21686148-6449-6e6f-744e-656564454649
2 4096 12287 esp c12a7328-f81f-11d2-ba4b-00a0c93ec93b
3 12288 24575 root 4f68bce3-e8cd-4db1-96e7-fbcaf984b709
4 24576 26623 root-verity 2c7357ed-ebd2-46d9-aec1-23d437ec2bf5
5 26624 28671 état 𝄞 4d21b016-b534-45c2-a9fb-5c16e091fd2d
`
	if got != want {
		t.Errorf("partx: got\n%s\nwant\n%s", got, want)
	}
}

// TestTypes looks the types up in sfdisk's list.
func TestTypes(t *testing.T) {
	list := run(t, need.Tool(t, "sfdisk"), "--label", "gpt", "--list-types")
	for guid, name := range map[string]string{
		gpt.BIOSBoot: "BIOS boot", gpt.EFI: "EFI System", gpt.LinuxFileSystem: "Linux filesystem", gpt.Var: "Linux variable data",
		gpt.RootAMD64: "Linux root (x86-64)", gpt.RootVerityAMD64: "Linux root verity (x86-64)",
		gpt.UsrAMD64: "Linux /usr (x86-64)", gpt.UsrVerityAMD64: "Linux /usr verity (x86-64)",
	} {
		if !regexp.MustCompile(`(?mi)^` + guid + ` +` + regexp.QuoteMeta(name) + `$`).MatchString(list) {
			t.Errorf("sfdisk does not call %s %q", guid, name)
		}
	}
}

func TestGolden(t *testing.T) {
	const want = "b9f631336004eb285a271a261bf220ee5839e7240e99fb6978d0a56e69844a10"
	for range 2 {
		d, err := bootable().Disk()
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(d, 0, d.Size())); err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(h.Sum(nil)); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// TestSeed checks that other seeds and labels give other GUIDs.
func TestSeed(t *testing.T) {
	seen := map[gpt.GUID]string{}
	for _, seed := range []string{"", "a", "ab"} {
		for _, name := range []string{"", "disk", "partition a", "b", "partition ab"} {
			g := gpt.Derive([]byte(seed), name)
			id := fmt.Sprintf("%q %q", seed, name)
			if other, ok := seen[g]; ok {
				t.Errorf("%s and %s have the same GUID", id, other)
			}
			seen[g] = id
			if s := g.String(); s[14] != '8' || !strings.ContainsRune("89ab", rune(s[19])) {
				t.Errorf("%s: %s is not of version 8", id, s)
			}
		}
	}
	if got, want := gpt.Derive([]byte("seed"), "name").String(), "56dba980-3fec-8f02-892d-e2b5da976b8a"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestParseGUID(t *testing.T) {
	const text = "21686148-6449-6e6f-744e-656564454649"
	for _, s := range []string{text, strings.ToUpper(text)} {
		if g, err := gpt.ParseGUID(s); err != nil || g.String() != text {
			t.Errorf("%s: got %v, %v", s, g, err)
		}
	}
	for _, s := range []string{"", "x", text[1:], text + "0", strings.ReplaceAll(text, "-", ""), "2168-61486449-6e6f-744e-656564454649", "g" + text[1:]} {
		if _, err := gpt.ParseGUID(s); err == nil || !strings.Contains(err.Error(), "8-4-4-4-12") {
			t.Errorf("%q: got %v, want an error", s, err)
		}
	}
}

func TestLayoutErrors(t *testing.T) {
	part := func(p gpt.Partition) gpt.Layout {
		if p.Label == "" {
			p.Label = "a"
		}
		if p.Type == "" {
			p.Type = gpt.EFI
		}
		return gpt.Layout{Partitions: []gpt.Partition{{Label: "first", Type: gpt.EFI, Size: 1}, p}}
	}
	for want, l := range map[string]gpt.Layout{
		"boot code of 441 bytes: at most 440":                             {BootCode: make([]byte, 441)},
		"129 partitions: at most 128":                                     {Partitions: make([]gpt.Partition, 129)},
		"size of 700 bytes: must be a multiple of 1048576":                {Size: 700},
		"size of -1048576 bytes: must be a multiple of 1048576":           {Size: -1 << 20},
		"size of 1048576 bytes: the partitions need 2097152":              {Size: 1 << 20},
		`partition 1 (""): label: must have from 1 to 36 characters`:      {Partitions: []gpt.Partition{{}}},
		`("` + strings.Repeat("x", 37) + `"): label: must have from 1 to`: part(gpt.Partition{Label: strings.Repeat("x", 37)}),
		`("` + strings.Repeat("𝄞", 19) + `"): label: must have from 1 to`: part(gpt.Partition{Label: strings.Repeat("𝄞", 19)}),
		`("\xff"): label: must have`:                                      part(gpt.Partition{Label: "\xff"}),
		`partition 2 ("a"): type: parsing GUID "ef00"`:                    part(gpt.Partition{Type: "ef00"}),
		"type: must not be zero":                                          part(gpt.Partition{Type: gpt.GUID{}.String()}),
		"size of 0 bytes: must be positive":                               part(gpt.Partition{}),
		"size of -5 bytes: must be positive":                              part(gpt.Partition{Size: -5}),
		"content of 1048577 bytes: the partition has 1048576":             part(gpt.Partition{Size: 1, Content: text(1<<20 + 1)}),
		`partition 2 ("first"): another has this label or GUID`:           part(gpt.Partition{Label: "first", Size: 1}),
		`partition 2 ("a"): another has this label or GUID`:               part(gpt.Partition{Size: 1, GUID: gpt.Derive(nil, "partition first")}),
	} {
		for _, err := range []error{planError(l), diskError(l)} {
			if err == nil || !strings.HasPrefix(err.Error(), "laying out a disk: ") || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		}
	}
}

// TestOthers has what is in no partition stand between what is.
func TestOthers(t *testing.T) {
	l := gpt.Layout{Size: 8 << 20, Partitions: []gpt.Partition{{Label: "first", Type: gpt.EFI, Size: 1 << 20}}}
	for at, want := range map[int64]string{
		32 << 10: "", 2 << 20: "", 8<<20 - 64<<10: "",
		512: "begins before the end", 1<<20 - 1: `in partition "first"`, 2<<20 - 1: `in partition "first"`, 8<<20 - 600: "begins before the end", 9 << 20: "is outside",
	} {
		l.Others = []images.Part{{Offset: at, Content: text(8)}}
		d, err := l.Disk()
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("at %d: got %v, want %s", at, err, want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got, wanted := make([]byte, 8), make([]byte, 8)
		if _, err := d.ReadAt(got, at); err != nil {
			t.Fatal(err)
		}
		if _, err := text(8).ReadAt(wanted, 0); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, wanted) {
			t.Errorf("at %d: got %q, want %q", at, got, wanted)
		}
	}
}

func planError(l gpt.Layout) error { _, err := l.Plan(); return err }
func diskError(l gpt.Layout) error { _, err := l.Disk(); return err }

func TestInstallGRUBErrors(t *testing.T) {
	boot := make([]byte, 512)
	copy(boot[0x66:], []byte{0xeb, 5})
	boot[510], boot[511] = 0x55, 0xaa
	core := make([]byte, 1<<25+512)
	core[0x1fe], core[0x1ff] = 0x20, 0x08
	noJump := bytes.Clone(boot)
	noJump[0x66] = 0
	for name, c := range map[string]struct {
		boot, core []byte
		want       string
	}{
		"short boot":  {boot[:511], core[:1024], "not a boot.img"},
		"signature":   {make([]byte, 512), core[:1024], "not a boot.img"},
		"other boot":  {noJump, core[:1024], "not a boot.img"},
		"short core":  {boot, core[:512], "the core image is not one"},
		"other core":  {boot, make([]byte, 1024), "the core image is not one"},
		"large core":  {boot, core[:65536*512+1], "at most 33554432"},
		"largest":     {boot, core[:65536*512], ""},
		"odd and fit": {boot, core[:1000], ""},
	} {
		before := sha256.Sum256(c.core)
		_, _, err := gpt.InstallGRUB(c.boot, c.core, 2048)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
		if sha256.Sum256(c.core) != before || c.boot[0x66] == 0x90 {
			t.Errorf("%s: changes what it was given", name)
		}
	}
}
