package sbom

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/internal/need"
)

// rooted is a root file system with a list of dpkg's.
func rooted(t *testing.T, status []byte) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range []struct {
		name string
		data []byte
	}{{"./etc/status", []byte("Package: no\n")}, {"./var/lib/dpkg/status", status}} {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

// What dpkg says of this machine is read as dpkg-query reads it.
func TestInstalled(t *testing.T) {
	status, err := os.ReadFile(statusFile)
	if err != nil {
		t.Skipf("needs a machine with dpkg: %v", err)
	}
	got, err := Installed(rooted(t, status))
	if err != nil {
		t.Fatal(err)
	}
	said, err := exec.CommandContext(t.Context(), need.Tool(t, "dpkg-query"), "--show", "--showformat=${db:Status-Status} ${Package} ${Version} ${Architecture}\n").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []Package
	for line := range strings.Lines(string(said)) {
		f := strings.Fields(line)
		if f[0] != "config-files" && f[0] != "not-installed" {
			want = append(want, Package{f[1], f[2], f[3]})
		}
	}
	slices.SortFunc(want, byName)
	if diff := cmp.Diff(want, got); diff != "" || len(got) == 0 {
		t.Errorf("(-dpkg-query +got):\n%s", diff)
	}
}

const changedStatus = `Package: tinc
Status: install ok installed
Architecture: all
Version: 1.0.36-3
Description: another version
 Version: not this

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: libstdc++6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 1:14.2~rc1+deb

Package: half
Status: install reinstreq half-installed
Architecture: amd64
Version: 2.0-1`

func TestChanged(t *testing.T) {
	in := input()
	in.Changed = true
	var err error
	if in.Installed, err = Installed(rooted(t, []byte(changedStatus))); err != nil {
		t.Fatal(err)
	}
	more, gone := Beyond(in.Lock.Debian.Packages, in.Installed)
	if diff := cmp.Diff([]Package{{"half", "2.0-1", "amd64"}, {"tinc", "1.0.36-3", "all"}}, more); diff != "" {
		t.Errorf("not locked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Package{{"mawk", "1.3.4", "amd64"}, {"tinc", "1.0.36-2", "all"}}, gone); diff != "" {
		t.Errorf("not installed (-want +got):\n%s", diff)
	}
	text := write(t, in)
	valid(t, text)
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{} // whether it is locked
	for _, p := range d.Packages {
		if strings.HasPrefix(p.ID, "SPDXRef-deb-") {
			got[p.Name+" "+p.Version] = len(p.Checksums) > 0 && !strings.Contains(p.Comment, "Not locked")
		}
	}
	if diff := cmp.Diff(map[string]bool{"libstdc++6 1:14.2~rc1+deb": true, "half 2.0-1": false, "tinc 1.0.36-3": false}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestInstalledRefused(t *testing.T) {
	var empty bytes.Buffer
	if err := tar.NewWriter(&empty).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Installed(&empty); err == nil || !strings.Contains(err.Error(), statusFile) {
		t.Errorf("a root without dpkg's list: %v", err)
	}
	if _, err := Installed(rooted(t, bytes.Repeat([]byte("x"), maxField+1))); err == nil {
		t.Error("a line without an end was taken")
	}
}

// FuzzStatus: whatever a list has, what is read of it can be told.
func FuzzStatus(f *testing.F) {
	f.Add([]byte(changedStatus))
	f.Add([]byte("Package: a\nVersion: 1\nStatus: x\n\n\nPackage:\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := parseStatus(bytes.NewReader(data))
		if err != nil {
			return
		}
		if !slices.IsSortedFunc(all, byName) || slices.ContainsFunc(all, func(p Package) bool { return p.Name == "" || p.Version == "" }) {
			t.Errorf("%q is read as %q", data, all)
		}
	})
}
