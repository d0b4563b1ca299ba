package iso_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition/configiso"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/iso"
)

func TestRefuses(t *testing.T) {
	file := func(path string) func(*iso.Config) {
		return func(c *iso.Config) {
			c.Files = append(c.Files, iso.File{Path: path, Content: images.Bytes([]byte("x"))})
		}
	}
	for name, tt := range map[string]struct {
		spoil func(c *iso.Config)
		want  string
	}{
		"no label":    {func(c *iso.Config) { c.Label = "" }, `label ""`},
		"lower label": {func(c *iso.Config) { c.Label = "boot" }, `label "boot"`},
		"long label":  {func(c *iso.Config) { c.Label = strings.Repeat("A", 33) }, "1 to 32 upper case"},
		"early":       {func(c *iso.Config) { c.Time = time.Date(1899, 1, 1, 0, 0, 0, 0, time.UTC) }, "the year has to be from 1900 to 2155"},
		"odd size":    {func(c *iso.Config) { c.Size += 512 }, "has to be a multiple of 2048"},
		"dash":        {file("a-b"), `file "a-b": name "a-b"`},
		"two dots":    {file("a.b.c"), `name "a.b.c"`},
		"no name":     {file("a//b"), `folder ""`},
		"dots":        {file("../b"), `folder ".."`},
		"dot folder":  {file("a.d/b"), `folder "a.d"`},
		"long name":   {file(strings.Repeat("a", 28) + ".txt"), "has to be 1 to 30"},
		"deep":        {file("1/2/3/4/5/6/7/8/9"), "has 9 parts, at most 8"},
		"twice":       {file("DISK.IMG"), `"DISK.IMG": is there twice`},
		"in a file":   {file("empty/b"), `"empty/b": is there twice, or lies in a file`},
		"odd place":   {func(c *iso.Config) { c.Files[0].Offset += 512 }, "has to begin at a multiple of 2048"},
		"outside":     {func(c *iso.Config) { c.Files[0].Size = 5 << 20 }, "be on the disk of 8388608"},
		"too small":   {func(c *iso.Config) { c.Size = 64 << 10 }, "be on the disk of 65536"},
		"no program":  {func(c *iso.Config) { c.Boot[0].Path = "gone" }, `boot entry "gone": no file of the volume`},
		"its place":   {func(c *iso.Config) { c.Boot[1].InfoTable = true }, "needs a content of its own"},
		"many":        {func(c *iso.Config) { c.Boot = make([]iso.Boot, 40) }, "40 boot entries: at most 32"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := sample()
			tt.spoil(&c)
			if _, err := iso.New(c); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
}

// layout is a volume of folders and files by chance, some of which lie in others.
func layout(r *rand.Rand) (iso.Config, []images.Part) {
	c := iso.Config{Label: "CHANCE", Time: date, Size: 4 << 20}
	seen := map[string]bool{}
	for range 1 + r.IntN(60) {
		var parts []string
		for range 1 + r.IntN(4) {
			parts = append(parts, strings.Repeat(string(rune('a'+r.IntN(3))), 1+r.IntN(30)))
		}
		// Numbers keep files from folders.
		path := strings.Join(parts[1:], "/")
		path = strings.TrimPrefix(fmt.Sprintf("%s/%d.%s", path, r.IntN(1000), parts[0][:min(len(parts[0]), 26)]), "/")
		if seen[path] {
			continue
		}
		seen[path] = true
		f := iso.File{Path: path, Offset: 2<<20 + 2048*r.Int64N(500), Size: r.Int64N(10_000)}
		if r.IntN(2) == 0 {
			f = iso.File{Path: path, Content: images.Bytes(noise(byte(r.IntN(256)), r.IntN(10_000)))}
		}
		c.Files = append(c.Files, f)
	}
	return c, []images.Part{{Offset: 2 << 20, Content: images.Bytes(noise(3, 2<<20))}}
}

// roundTrip reads a volume back with a reader that knows nothing of the writer.
func roundTrip(t *testing.T, seed uint64) {
	c, others := layout(rand.New(rand.NewPCG(seed, 1)))
	disk := compose(t, c, others)
	got, err := configiso.Read(disk, disk.Size())
	if err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	want := contents(t, c, disk)
	if got.Label != c.Label || !got.Time.Equal(date) || len(got.Files) != len(want) {
		t.Errorf("seed %d: %q of %s with %d files, want %d", seed, got.Label, got.Time, len(got.Files), len(want))
	}
	for _, f := range got.Files {
		if w, is := want[strings.ToUpper(f.Path)]; !is || !bytes.Equal(f.Data, w) {
			t.Errorf("seed %d: %s has %d bytes, want %d, or others", seed, f.Path, len(f.Data), len(w))
		}
	}
}

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(40) {
		roundTrip(t, seed)
	}
}

func FuzzLayouts(f *testing.F) {
	for seed := range uint64(3) {
		f.Add(seed)
	}
	f.Fuzz(roundTrip)
}
