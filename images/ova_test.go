package images

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/images/ovf"
)

func ovaOptions() OVAOptions {
	return OVAOptions{Machine: ovf.Machine{Name: "prod-1a2b"}, Time: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
}

func ovaFormat(golden string) format {
	return format{func(ctx context.Context, w output, src Source) (Stats, error) {
		return WriteOVA(ctx, w, src, ovaOptions())
	}, golden}
}

func TestOVA(t *testing.T) {
	for _, name := range []string{"borders", "hole", "odd end"} {
		t.Run(name, func(t *testing.T) {
			src, _ := samples()[name].source(t)
			vmdk := write(t, vmdkFormat(""), src)
			image := write(t, ovaFormat(""), src)
			var got []string
			for line := range strings.Lines(tool(t, "tar", "--utc", "-tvf", image.path)) {
				f := strings.Fields(line) // mode, owner, size, date, time, name
				got = append(got, strings.Join(slices.Delete(f, 2, 3), " "))
			}
			want := []string{
				"-rw-r--r-- 0/0 2026-11-01 12:00 prod-1a2b.ovf",
				"-rw-r--r-- 0/0 2026-11-01 12:00 prod-1a2b-disk1.vmdk",
				"-rw-r--r-- 0/0 2026-11-01 12:00 prod-1a2b.mf",
			}
			if !slices.Equal(got, want) {
				t.Errorf("got files %q, want %q", got, want)
			}
			dir := t.TempDir()
			tool(t, "tar", "-C", dir, "-xf", image.path)
			mustEqual(t, filepath.Join(dir, "prod-1a2b-disk1.vmdk"), vmdk.path)
			mustManifest(t, dir)
			mustPackAlike(t, vmdk, image)
		})
	}
}

// mustManifest checks the hashes of unpacked files.
func mustManifest(t *testing.T, dir string) {
	t.Helper()
	want := ""
	for _, name := range []string{"prod-1a2b.ovf", "prod-1a2b-disk1.vmdk"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		want += fmt.Sprintf("SHA256(%s)= %x\n", name, sha256.Sum256(content))
	}
	if got, err := os.ReadFile(filepath.Join(dir, "prod-1a2b.mf")); err != nil || string(got) != want {
		t.Errorf("got manifest %s (%v), want %s", got, err, want)
	}
	tool(t, "xmllint", "--nonet", "--noout", filepath.Join(dir, "prod-1a2b.ovf"))
}

// mustPackAlike packs the VMDK and compares.
func mustPackAlike(t *testing.T, vmdk, ova written) {
	t.Helper()
	f, err := os.Open(vmdk.path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var b bytes.Buffer
	stats, err := PackOVA(t.Context(), &b, f, vmdk.stats, ovaOptions())
	if err != nil || stats != ova.stats {
		t.Errorf("PackOVA: got %+v, %v, want %+v", stats, err, ova.stats)
	}
	if want, err := os.ReadFile(ova.path); err != nil || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("PackOVA writes %d bytes that differ from the %d of WriteOVA (%v)", b.Len(), len(want), err)
	}
}

func TestOVAErrors(t *testing.T) {
	src := Bytes(make([]byte, mib))
	bad := OVAOptions{Machine: ovf.Machine{Name: "../x"}}
	if _, err := WriteOVA(t.Context(), &device{left: 1 << 30}, src, bad); err == nil || !strings.Contains(err.Error(), `describing a machine: name "../x"`) {
		t.Errorf("bad name: got %v", err)
	}
	early := ovaOptions()
	early.Time = time.Unix(-1, 0)
	if _, err := WriteOVA(t.Context(), &device{left: 1 << 30}, src, early); err == nil || !strings.Contains(err.Error(), `adding "prod-1a2b.ovf" to the archive`) {
		t.Errorf("time before 1970: got %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		w    io.Writer
		size int64
		want error
	}{
		"cut":       {t.Context(), io.Discard, 2 * mib, io.ErrUnexpectedEOF},
		"cancelled": {cancelled, io.Discard, mib, context.Canceled},
		"full":      {t.Context(), &device{left: 5000}, mib, errFull},
		"short":     {t.Context(), &device{left: 5000, short: true}, mib, io.ErrShortWrite},
	} {
		if _, err := PackOVA(c.ctx, c.w, src, Stats{DiskSize: mib, FileSize: c.size}, ovaOptions()); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	_, err := PackOVA(t.Context(), &device{}, src, Stats{DiskSize: 16 * gib, FileSize: 8 * gib}, ovaOptions())
	if want := "compressed disk of 8589934592 bytes: USTAR archives hold files of at most 8589934591"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestOVADefaultTime checks that no clock is read.
func TestOVADefaultTime(t *testing.T) {
	opts := ovaOptions()
	opts.Time = time.Time{}
	path := filepath.Join(t.TempDir(), "x.ova")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := WriteOVA(t.Context(), f, Bytes(make([]byte, mib)), opts); err != nil {
		t.Fatal(err)
	}
	if list := tool(t, "tar", "--utc", "-tvf", path); strings.Count(list, " 1970-01-01 00:00 ") != 3 {
		t.Errorf("got %s, want 1970", list)
	}
}
