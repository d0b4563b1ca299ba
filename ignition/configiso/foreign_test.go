package configiso

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// tool runs a program and returns what it prints.
func tool(t testing.TB, argv ...string) string {
	t.Helper()
	argv[0] = need.Tool(t, argv[0])
	command := exec.Command(argv[0], argv[1:]...)
	command.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "SOURCE_DATE_EPOCH=1767323045") // testTime
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v\n%s", argv, err, out)
	}
	return string(out)
}

// plant writes files into a new folder.
func plant(t testing.TB, files []File) string {
	t.Helper()
	root := t.TempDir()
	for _, f := range files {
		path := filepath.Join(root, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func filesOf(contents map[string]string) []File {
	var files []File
	for _, path := range slices.Sorted(maps.Keys(contents)) {
		files = append(files, File{path, []byte(contents[path])})
	}
	return files
}

// plainTree has names that even level 1 of ISO 9660 keeps.
var plainTree = filesOf(map[string]string{
	"openstck/latest/userdata":  "#cloud-config\n",
	"openstck/latest/metadata":  strings.Repeat("m", 5000),
	"openstck/content/0000.txt": "x",
	"empty":                     "",
})

// jolietTree has names for 64 characters of UCS-2.
var jolietTree = append(filesOf(map[string]string{
	"openstack/latest/user_data":                        "#cloud-config\n",
	"openstack/latest/network_data.json":                strings.Repeat("n", 2048),
	"ec2/2009-04-04/user-data":                          "x",
	"Mixed Case. And dots.TXT":                          "spaces",
	"naïve-Ünïcode-名前.txt":                              "unicode",
	"a-name-of-fifty-characters-that-no-level-can-hold": "long",
}), plainTree...)

// rockTree has names for POSIX alone: longer than a directory record, in
// folders deeper than ISO 9660 allows.
var rockTree = append(filesOf(map[string]string{
	strings.Repeat("long", 55):                      "in a continuation area",
	"1/2/3/4/5/6/7/8/9/10/11/deep":                  "moved",
	"1/2/3/4/5/6/7/8/9/" + strings.Repeat("d", 200): "moved",
	"dots.in..name.;1":                              "odd",
}), jolietTree...)

func TestReadForeign(t *testing.T) {
	tests := []struct {
		name  string
		argv  []string
		files []File
	}{
		{"genisoimage, plain", []string{"genisoimage"}, plainTree},
		{"genisoimage, Joliet", []string{"genisoimage", "-input-charset", "utf-8", "-J"}, jolietTree},
		{"genisoimage, Rock Ridge", []string{"genisoimage", "-R"}, rockTree},
		{"genisoimage, Rock Ridge, deep", []string{"genisoimage", "-D", "-r"}, rockTree},
		{"genisoimage, both", []string{"genisoimage", "-input-charset", "utf-8", "-J", "-joliet-long", "-r"}, jolietTree},
		{"genisoimage, as OpenStack", []string{"genisoimage", "-ldots", "-allow-lowercase", "-allow-multidot", "-l", "-publisher", "OpenStack", "-quiet", "-J", "-r"}, plainTree},
		{"genisoimage, as cloud-localds", []string{"genisoimage", "-input-charset", "utf-8", "-joliet", "-rock"}, jolietTree},
		{"genisoimage, transparent names", []string{"genisoimage", "-U", "-N"}, plainTree},
		{"xorriso, plain", []string{"xorriso", "-as", "mkisofs", "--norock"}, plainTree},
		{"xorriso, Joliet", []string{"xorriso", "-as", "mkisofs", "--norock", "-J"}, jolietTree},
		{"xorriso, Rock Ridge", []string{"xorriso", "-as", "mkisofs", "-R"}, rockTree},
		{"xorriso, Rock Ridge, moved", []string{"xorriso", "-as", "mkisofs", "-rr_reloc_dir", "rr_moved"}, rockTree},
		{"xorriso, both", []string{"xorriso", "-as", "mkisofs", "-J", "-joliet-long", "-r"}, jolietTree},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "foreign.iso")
			tool(t, append(slices.Clone(test.argv), "-V", "config-2", "-o", image, plant(t, test.files))...)
			b, err := os.ReadFile(image)
			if err != nil {
				t.Fatal(err)
			}
			v := mustRead(t, b)
			if v.Label != "config-2" {
				t.Errorf("label is %q", v.Label)
			}
			if !v.Time.Equal(testTime) && test.argv[0] == "xorriso" {
				t.Errorf("time is %s, not %s", v.Time, testTime)
			}
			mustMatch(t, v.Files, test.files)
			for cut := sectorSize; cut < len(b); cut += 7 * sectorSize { // no part of it may be taken for a whole
				part, err := Read(bytes.NewReader(b[:cut]), int64(cut))
				if err == nil {
					t.Fatalf("%d of %d bytes were read as %d files", cut, len(b), len(part.Files))
				}
			}
		})
	}
}
