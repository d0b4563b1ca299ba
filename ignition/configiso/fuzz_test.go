package configiso

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "make the volumes in testdata/foreign again, with genisoimage")

// foreignTree is what the volumes in testdata/foreign hold.
var foreignTree = filesOf(map[string]string{
	"openstack/latest/user_data":                          "#cloud-config\n",
	"openstack/latest/meta_data.json":                     strings.Repeat("{}\n", 1000),
	"1/2/3/4/5/6/7/8/9/Deep File.txt":                     "deep",
	"A name that is long enough to be no plain name.json": "",
})

// foreignVolumes are volumes of genisoimage, kept so that they are at hand where
// genisoimage is not. "go test -update" makes them again.
func foreignVolumes(t testing.TB) map[string][]byte {
	t.Helper()
	volumes := map[string][]byte{}
	for name, options := range map[string][]string{"rockridge": {"-R"}, "joliet": {"-J", "-D"}, "both": {"-J", "-r", "-D"}} {
		path := filepath.Join("testdata", "foreign", name+".iso.gz")
		if *update {
			remake(t, path, options)
		}
		packed, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if volumes[name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return volumes
}

func remake(t testing.TB, path string, options []string) {
	t.Helper()
	plain := filepath.Join(t.TempDir(), "plain.iso")
	argv := append([]string{"genisoimage", "-quiet", "-no-pad", "-V", "config-2", "-o", plain}, options...)
	tool(t, append(argv, plant(t, foreignTree))...)
	image, err := os.ReadFile(plain)
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(image); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestReadKeptForeign(t *testing.T) {
	for name, image := range foreignVolumes(t) {
		t.Run(name, func(t *testing.T) {
			v := mustRead(t, image)
			if v.Label != "config-2" || v.Time.IsZero() {
				t.Errorf("label is %q, time %s", v.Label, v.Time)
			}
			mustMatch(t, v.Files, foreignTree)
		})
	}
}

// fold shortens a volume for the fuzzer, which is lost in long inputs: without
// the sectors before the descriptors, and each other sector as its length in two
// bytes and what it has before its last zeros.
func fold(image []byte) []byte {
	var b []byte
	for at := systemSectors * sectorSize; at < len(image); at += sectorSize {
		sector := bytes.TrimRight(image[at:min(at+sectorSize, len(image))], "\x00")
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(sector))), sector...)
	}
	return b
}

// unfold is the reverse, for any bytes.
func unfold(b []byte) []byte {
	const most = 512 // sectors
	image := make([]byte, systemSectors*sectorSize, (systemSectors+most)*sectorSize)
	for len(b) >= 2 && len(image) < cap(image) {
		n := min(int(binary.BigEndian.Uint16(b)), len(b)-2, sectorSize)
		at := len(image)
		image = image[:at+sectorSize]
		copy(image[at:], b[2:2+n])
		b = b[2+n:]
	}
	return image
}

func FuzzRead(f *testing.F) {
	seeds := foreignVolumes(f)
	seeds["ours"] = mustWrite(f, Volume{Label: "cidata", Time: testTime, Files: []File{{"a/user-data", []byte("x")}}})
	seeds["continued"] = craft(rockDots()+entry("A", 19, 5, 0, px(0o100644), nm("name"), ce(19, 5, 9)), "hello"+nm("more"))
	seeds["moved"] = craft(rockDots()+entry("A", 19, 0, 0, susp("CL", both(19))), dots(19, 18)+entry("B", 18, 0, 0))
	for name, image := range seeds {
		if !bytes.Equal(unfold(fold(image)), image) {
			f.Fatalf("%s is another volume after folding", name)
		}
		f.Add(fold(image))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		image := unfold(b)
		v, err := Read(bytes.NewReader(image), int64(len(image)))
		if err != nil {
			if v.Label != "" || v.Files != nil || !strings.HasPrefix(err.Error(), "reading volume") {
				t.Errorf("%v came with %v", v, err)
			}
			return
		}
		total := 0
		for i, file := range v.Files {
			if i > 0 && file.Path <= v.Files[i-1].Path {
				t.Errorf("%q comes after %q", file.Path, v.Files[i-1].Path)
			}
			for name := range strings.SplitSeq(file.Path, "/") {
				if name == "" || name == "." || name == ".." || strings.Contains(name, "\x00") {
					t.Errorf("path is %q", file.Path)
				}
			}
			total += len(file.Data)
		}
		if total > maxVolume || len(v.Files) > maxEntries {
			t.Errorf("%d bytes in %d files", total, len(v.Files))
		}
	})
}

// FuzzWrite holds Validate to its word: what it accepts can be written, and
// Write itself reads that back.
func FuzzWrite(f *testing.F) {
	f.Add("config-2", "openstack/latest/user_data", "openstack/latest/meta_data.json", uint16(2048), uint16(0))
	f.Add("cidata", "user-data", "conf.d/a.b", uint16(1), uint16(4097))
	f.Add("x", "a", "a/b", uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, label, path1, path2 string, size1, size2 uint16) {
		v := Volume{Label: label, Time: testTime, Files: []File{
			{path1, bytes.Repeat([]byte("1"), int(size1))}, {path2, bytes.Repeat([]byte("2"), int(size2))},
		}}
		if v.Validate() != nil {
			return
		}
		mustMatch(t, mustRead(t, mustWrite(t, v)).Files, v.Files)
	})
}
