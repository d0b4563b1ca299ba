package builder

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// imageFolder is a folder with the files of two images, of which the newest has
// the manifest.
func imageFolder(t *testing.T) (dir string, old, newest *Manifest) {
	t.Helper()
	dir = t.TempDir()
	made := func(id string) *Manifest {
		m := &Manifest{Format: ManifestFormat, Cluster: "lab", ID: id, Files: []Output{
			{Name: "lab-" + id + ".raw", Format: Raw}, {Name: "lab-" + id + ".qcow2", Format: QCOW2}, {Name: sbomFile}, {Name: filesFile},
		}}
		for _, f := range m.Files {
			write(t, filepath.Join(dir, f.Name), id)
		}
		return m
	}
	old, newest = made("000000000000"), made("111111111111")
	data, err := newest.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ManifestFile), string(data))
	write(t, filepath.Join(dir, SumsFile), "sums")
	write(t, filepath.Join(dir, "mine.txt"), "not of a bake")
	if err := point(dir, newest.Files); err != nil {
		t.Fatal(err)
	}
	return dir, old, newest
}

func left(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestRemove(t *testing.T) {
	dir, old, newest := imageFolder(t)
	all := left(t, dir)
	for range 2 { // what is gone is gone
		if err := Remove(t.Context(), dir, old); err != nil {
			t.Fatal(err)
		}
		want := slices.DeleteFunc(slices.Clone(all), func(n string) bool { return n == old.Files[0].Name || n == old.Files[1].Name })
		if got := left(t, dir); !slices.Equal(got, want) {
			t.Errorf("of the old image there is left %q, want %q", got, want)
		}
	}
	if err := Remove(t.Context(), dir, newest); err != nil {
		t.Fatal(err)
	}
	if got := left(t, dir); !slices.Equal(got, []string{"mine.txt"}) {
		t.Errorf("there is left %q", got)
	}
	if err := Remove(t.Context(), filepath.Join(dir, "nowhere"), newest); err != nil {
		t.Error(err)
	}
}
