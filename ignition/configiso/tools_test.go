package configiso

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// realVolumes are what other programs have to read.
func realVolumes() map[string]Volume {
	sizes := []File{}
	for name, n := range map[string]int{"none": 0, "one": 1, "almost": 2047, "sector": 2048, "more": 2049, "two": 4096} {
		sizes = append(sizes, File{name, bytes.Repeat([]byte(name), n)[:n]})
	}
	return map[string]Volume{
		"config drive": configDrive(),
		"sizes":        {Label: "sizes", Files: sizes},
		"names": {Label: strings.Repeat("Label-32", 4), Files: []File{
			{strings.Repeat("d", 31) + "/" + strings.Repeat("f", 19) + ".ignition", []byte("x")},
			{"2009-04-04/conf.d/a_b-c.d_e", []byte("y")}, {"1/2/3/4/5/6/7/deep", []byte("z")},
			{"a", []byte("1")}, {"a.b", []byte("2")}, {"a-b", []byte("3")}, {"a0", []byte("4")},
		}},
		"many folders": {Label: "many", Files: manyFolders(300)},
		"full folders": {Label: labelMarks, Files: slices.Concat(numbered("", "name", 44), numbered("folder01234", "name", 44),
			numbered("folder01234/deeper78901", "a-name-of-28-characters", 62))},
	}
}

// eachVolume runs a test with the path of each volume.
func eachVolume(t *testing.T, test func(t *testing.T, path string, v Volume)) {
	for name, v := range realVolumes() {
		t.Run(name, func(t *testing.T) {
			v.Time = testTime
			path := filepath.Join(t.TempDir(), "config.iso")
			if err := os.WriteFile(path, mustWrite(t, v), 0o600); err != nil {
				t.Fatal(err)
			}
			test(t, path, v)
		})
	}
}

// mustHold compares a folder on disk to the files of a volume.
func mustHold(t *testing.T, root string, v Volume) {
	t.Helper()
	var got []File
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if !info.ModTime().Equal(v.Time) {
			t.Errorf("%q has the time %s, not %s", name, info.ModTime(), v.Time)
		}
		if d.IsDir() {
			return nil
		}
		data, err := os.ReadFile(path)
		got = append(got, File{filepath.ToSlash(name), data})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	mustMatch(t, got, v.Files)
}

// unlock makes an extracted folder removable: volumes are read-only, and so are
// the folders that programs extract from them.
func unlock(t *testing.T, root string) {
	t.Cleanup(func() {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(path, 0o700)
			}
			return err
		})
	})
}

func TestXorrisoExtracts(t *testing.T) {
	eachVolume(t, func(t *testing.T, path string, v Volume) {
		out := filepath.Join(filepath.Dir(path), "out")
		unlock(t, out)
		tool(t, "xorriso", "-abort_on", "WARNING", "-osirrox", "on", "-indev", path, "-extract", "/", out)
		mustHold(t, out, v)
	})
}

// bsdtar finds folders by the path tables.
func TestBsdtarExtracts(t *testing.T) {
	eachVolume(t, func(t *testing.T, path string, v Volume) {
		out := filepath.Join(filepath.Dir(path), "out")
		if err := os.Mkdir(out, 0o700); err != nil {
			t.Fatal(err)
		}
		unlock(t, out)
		tool(t, "bsdtar", "-C", out, "-xf", path)
		if err := os.Chtimes(out, testTime, testTime); err != nil { // the root's own is not extracted
			t.Fatal(err)
		}
		mustHold(t, out, v)
	})
}

func TestIsoinfoLists(t *testing.T) {
	eachVolume(t, func(t *testing.T, path string, v Volume) {
		if out := tool(t, "isoinfo", "-d", "-i", path); !strings.Contains(out, "\nVolume id: "+v.Label+"\n") {
			t.Errorf("label is not %q: %s", v.Label, out)
		}
		listed := strings.Split(tool(t, "isoinfo", "-f", "-i", path), "\n")
		for _, f := range v.Files {
			if !slices.Contains(listed, "/"+f.Path+";1") {
				t.Errorf("%q is not listed: %q", f.Path, listed)
			}
		}
	})
}

// blkid is who makes the links under /dev/disk/by-label, with udev.
func TestBlkidFindsLabel(t *testing.T) {
	eachVolume(t, func(t *testing.T, path string, v Volume) {
		out := "\n" + tool(t, "blkid", "-p", "-o", "udev", path)
		for _, want := range []string{"LABEL=" + v.Label, "LABEL_ENC=" + v.Label, "TYPE=iso9660", "UUID=2026-01-02-03-04-05-00"} {
			if !strings.Contains(out, "\nID_FS_"+want+"\n") {
				t.Errorf("no %s in %s", want, out)
			}
		}
	})
}

// A label that Read gives must be the one that a machine would find.
func TestLabelOfJoliet(t *testing.T) {
	tests := []struct{ plain, joliet, want string }{
		{"config-2", "config-2", "config-2"},
		{"CONFIG_2", "config-2", "config-2"},
		{"CONFIG-2", "config-2", "config-2"},
		{"CIDATA", "cidata", "cidata"},
		{"cidata", "CIDATA", "cidata"},
		{"OTHER", "config-2", "config-2"},
		{"", "config-2", "config-2"},
		{"config-2", "", ""},
		{"CONFIG-2", "CONFIG_2", "CONFIG-2"},
		{"CIDATA_LONGER_THAN_16_CHARS", "cidata-longer-th", "cidata-longer-thAN_16_CHARS"},
		{"CIDATA_LONGER_THAN_16_CHARS", "cidata-longer", "cidata-longer"},
		{"cidata longer than 16 chars", "cidata-longer-xx", "cidata-longer-xx"},
		{"c_nfig", "cönfig", "cönfig"},
		{"abc", "abcdef", "abcdef"},
		{"abcdef", "abc", "abc"},
		{"  lead", "  lead", "lead"},
	}
	path := filepath.Join(t.TempDir(), "joliet.iso")
	tool(t, "genisoimage", "-quiet", "-J", "-V", "label", "-o", path, plant(t, plainTree))
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		t.Run(test.plain+"+"+test.joliet, func(t *testing.T) {
			putText(image[primarySector*sectorSize:][fieldLabel:fieldLabel+maxLabel], test.plain)
			field := image[(primarySector+1)*sectorSize:][fieldLabel : fieldLabel+maxLabel]
			for i, r := range []rune((test.joliet + strings.Repeat(" ", 16)))[:16] {
				field[2*i], field[2*i+1] = byte(r>>8), byte(r)
			}
			if got := mustRead(t, image).Label; got != test.want {
				t.Errorf("label is %q, want %q", got, test.want)
			}
			if err := os.WriteFile(path, image, 0o600); err != nil {
				t.Fatal(err)
			}
			got := ""
			for line := range strings.Lines(tool(t, "blkid", "-p", "-o", "udev", path)) {
				if value, ok := strings.CutPrefix(line, "ID_FS_LABEL="); ok {
					got = strings.TrimSuffix(value, "\n")
				}
			}
			if got != test.want {
				t.Errorf("blkid says %q, want %q", got, test.want)
			}
		})
	}
}

// TestMount needs a kernel with ISO 9660, which those of some virtual machines
// and containers lack; no package can bring it.
func TestMount(t *testing.T) {
	need.Root(t)
	_ = exec.Command("modprobe", "isofs").Run()
	if known, err := os.ReadFile("/proc/filesystems"); err != nil || !bytes.Contains(known, []byte("\tiso9660\n")) {
		t.Skipf("this kernel cannot mount ISO 9660 (%v)", err)
	}
	eachVolume(t, func(t *testing.T, path string, v Volume) {
		at := filepath.Join(filepath.Dir(path), "mnt")
		if err := os.Mkdir(at, 0o700); err != nil {
			t.Fatal(err)
		}
		tool(t, "mount", "-t", "iso9660", "-o", "loop,ro", path, at)
		defer tool(t, "umount", at)
		mustHold(t, at, v)
	})
}
