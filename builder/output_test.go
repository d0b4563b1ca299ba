package builder

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/internal/need"
)

// lab is the cluster that ships for tests.
func lab(t testing.TB) *cluster.Cluster {
	t.Helper()
	c, _, err := cluster.Load(filepath.Join("..", "clusters", "lab", "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// testBake is a bake of lab that is about to write its images.
func testBake(t testing.TB, dir string) *bake {
	t.Helper()
	b := newBake(Config{
		Cluster: lab(t), Lock: &lock.Lock{Date: time.Unix(1e9, 0).UTC()}, Dir: dir,
		Now: func() time.Time { return time.Unix(0, 0) },
	})
	b.id = "0123456789ab"
	return b
}

// names lists a folder.
func names(t testing.TB, dir string) []string {
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

// watched is a disk that calls see at each read.
type watched struct {
	images.Source
	see func()
}

func (w watched) ReadAt(p []byte, off int64) (int, error) {
	w.see()
	return w.Source.ReadAt(p, off)
}

// Images in all formats are not there, and then they are, as the list says.
func TestOutputs(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "lab-older.raw"), "stays")
	unseen := func() {
		if got := names(t, dir); len(got) != 1 {
			t.Errorf("seen before commit: %q", got)
		}
	}
	disk := watched{images.Bytes(bytes.Repeat([]byte("disk"), 1<<18)), unseen}
	b, o := testBake(t, dir), &outputs{dir: dir}
	defer o.close()
	if err := b.images(t.Context(), o, disk, Formats()); err != nil {
		t.Fatal(err)
	}
	if err := o.addText(SumsFile, []byte("sums")); err != nil {
		t.Fatal(err)
	}
	unseen()
	if err := o.commit(); err != nil {
		t.Fatal(err)
	}
	o.close()
	made := o.list()
	if len(made) != len(Formats())+1 || len(names(t, dir)) != len(made)+1 {
		t.Errorf("made %v, and there is %q", made, names(t, dir))
	}
	for _, f := range made {
		if err := f.check(t.Context(), dir); err != nil {
			t.Error(err)
		}
		if info, err := os.Stat(filepath.Join(dir, f.Name)); err != nil || info.Mode() != 0o644 {
			t.Errorf("%s: %v, %v", f.Name, info.Mode(), err)
		}
	}
	if raw := made[0]; raw.Name != "lab-0123456789ab.raw" || raw.Format != Raw || raw.Size != 1<<20 {
		t.Errorf("the raw image is %+v", raw)
	}
	if got := len(b.timings.all); got != len(Formats()) {
		t.Errorf("%d timings", got)
	}
}

// Nothing is left of what ended early, in any way.
func TestOutputsDropped(t *testing.T) {
	sick := errors.New("sick")
	for name, spoil := range map[string]func(cancel func()) error{
		"error":       func(func()) error { return sick },
		"interrupted": func(cancel func()) error { cancel(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			disk := failing{images.Bytes(bytes.Repeat([]byte("disk"), 1<<20)), func() error { return spoil(cancel) }}
			o := &outputs{dir: dir}
			err := testBake(t, dir).images(ctx, o, disk, Formats())
			o.close()
			if !errors.Is(err, sick) && !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
			if left := names(t, dir); len(left) > 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

// failing is a disk that fails in its second half.
type failing struct {
	images.Source
	fail func() error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off >= f.Size()/2 {
		if err := f.fail(); err != nil {
			return 0, err
		}
	}
	return f.Source.ReadAt(p, off)
}

// A full disk is named, and leaves nothing.
func TestOutputsFullDisk(t *testing.T) {
	dir := need.SmallDisk(t, 256<<10)
	o := &outputs{dir: dir}
	err := testBake(t, dir).images(t.Context(), o, images.Bytes(bytes.Repeat([]byte("disk"), 1<<18)), []Format{Raw})
	o.close()
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "lab-0123456789ab.raw")) || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("left: %q", left)
	}
}

func TestHash(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<17) // more than is read at once
	for _, size := range []int{0, 1, 1 << 20, 1<<20 + 1, len(data)} {
		got, err := sumOf(t.Context(), bytes.NewReader(data), int64(size))
		if err != nil || got != sum(data[:size]) {
			t.Errorf("%d bytes: %s, %v", size, got, err)
		}
	}
	if _, err := sumOf(t.Context(), bytes.NewReader(data), int64(len(data))+1); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("more than there is: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sumOf(ctx, bytes.NewReader(data), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("after its context: %v", err)
	}
}

func TestPoint(t *testing.T) {
	dir := t.TempDir()
	files := []Output{{Name: "lab-1.raw", Format: Raw}, {Name: "lab-1.raw.gz", Format: RawGZ}, {Name: sbomFile}}
	link := func(name string) string {
		target, err := os.Readlink(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
		}
		return target
	}
	for range 2 { // the second time they are there
		if err := point(dir, files); err != nil {
			t.Fatal(err)
		}
		if got := names(t, dir); !slices.Equal(got, []string{"latest", "latest.raw", "latest.raw.gz"}) {
			t.Fatalf("links: %q", got)
		}
		if link("latest") != "lab-1.raw" || link("latest.raw") != "lab-1.raw" || link("latest.raw.gz") != "lab-1.raw.gz" {
			t.Error("links lead elsewhere")
		}
	}
	// A killed run has left its half.
	if err := os.Symlink("lab-0.raw", filepath.Join(dir, ".latest.tmp")); err != nil {
		t.Fatal(err)
	}
	files[0].Name = "lab-2.raw"
	if err := point(dir, files); err != nil {
		t.Fatal(err)
	}
	if link("latest") != "lab-2.raw" || link("latest.raw.gz") != "lab-1.raw.gz" || len(names(t, dir)) != 3 {
		t.Errorf("links: %q", names(t, dir))
	}
	// What is no link is somebody's.
	if err := os.Remove(filepath.Join(dir, "latest")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "latest"), "mine")
	if err := point(dir, files); err == nil || !strings.Contains(err.Error(), "latest: it is there and no link") {
		t.Errorf("got %v", err)
	}
}

func TestPresent(t *testing.T) {
	dir := t.TempDir()
	m := full()
	m.Files = nil
	for _, f := range []Format{Raw, QCOW2} {
		name := "lab-0123456789ab." + string(f)
		write(t, filepath.Join(dir, name), name)
		m.Files = append(m.Files, Output{Name: name, Format: f, SHA256: sum([]byte(name)), Size: int64(len(name))})
	}
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, ManifestFile), string(data))
	raw := filepath.Join(dir, m.Files[0].Name)
	b := testBake(t, dir)
	b.Version = m.Ingot
	is := func(id string, f ...Format) bool {
		b.id, b.Formats = id, f
		return b.present(t.Context()) != nil
	}
	if !is(m.ID, Raw, QCOW2) || !is(m.ID, QCOW2) {
		t.Fatal("what is there is not seen")
	}
	if is("ba9876543210", Raw) || is(m.ID, Raw, OVA) {
		t.Error("what is not there is seen")
	}
	b.Version = "v9"
	if is(m.ID, Raw) {
		t.Error("what another version of ingot has baked is taken")
	}
	b.Version = m.Ingot
	for name, spoil := range map[string]func(){
		"another byte": func() { write(t, raw, strings.ToUpper(m.Files[0].Name)) },
		"longer":       func() { write(t, raw, m.Files[0].Name+" ") },
		"missing":      func() {},
		"a link":       func() { _ = os.Symlink(m.Files[1].Name, raw) },
		"a folder":     func() { _ = os.Mkdir(raw, 0o755) },
	} {
		if err := os.RemoveAll(raw); err != nil {
			t.Fatal(err)
		}
		spoil()
		if is(m.ID, QCOW2) {
			t.Errorf("%s: not seen", name)
		}
	}
}

// One bake at a time writes into a folder.
func TestHold(t *testing.T) {
	dir := t.TempDir()
	first, err := hold(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*poll)
	defer cancel()
	if _, err := hold(ctx, dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("two at once: %v", err)
	}
	time.AfterFunc(poll, func() { _ = first.Close() })
	second, err := hold(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}
