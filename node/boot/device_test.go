package boot

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// loopDisk is a real block device over a file.
func loopDisk(t *testing.T, size int64) (device, file string) {
	t.Helper()
	need.Root(t)
	losetup := need.Tool(t, "losetup")
	file = made(t, size).Name()
	out, err := exec.Command(losetup, "--find", "--show", "--partscan", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	device = strings.TrimSpace(string(out))
	t.Cleanup(func() { detach(t, device) })
	return device, file
}

func detach(t *testing.T, device string) {
	t.Helper()
	if out, err := exec.Command(need.Tool(t, "losetup"), "--detach", device).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestInstallToDevice writes an image to a real block device, whose file then
// has it.
func TestInstallToDevice(t *testing.T) {
	source, image := sampleImage(t)
	size := source.Size + 16<<20
	device, file := loopDisk(t, size)
	if err := os.WriteFile(device, foreign(size), 0); err != nil {
		t.Fatal(err)
	}
	d, err := openDisk(device)
	if err != nil {
		t.Fatal(err)
	}
	if d.direct == nil {
		t.Error("a block device cannot be read past the cache")
	}
	if _, err := openDisk(device); err == nil || !strings.Contains(err.Error(), "it is in use") {
		t.Errorf("opened twice: %v", err)
	}
	if err := WriteImage(t.Context(), d, size, source, noWord); err != nil {
		t.Fatal(err)
	}
	if err := d.reread(); err != nil {
		t.Error(err)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	checkInstalled(t, data, image)
	if out, err := exec.Command(need.Tool(t, "partx"), "--show", "--noheadings", "--output", "NAME", device).CombinedOutput(); err != nil || string(out) != "bios\nesp\nroot\n" {
		t.Errorf("its partitions: %v: %s", err, out)
	}
}

// TestReadsDisk: what is read back is what the disk has, and not what the
// cache of the device has.
func TestReadsDisk(t *testing.T) {
	device, file := loopDisk(t, 8<<20)
	d, err := openDisk(device)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.close() }()
	if _, err := d.WriteAt(bytes.Repeat([]byte{7}, 1<<20), 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := d.Sync(); err != nil {
		t.Fatal(err)
	}
	// Behind the back of the device.
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte{9}, 1<<20+12345); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	cached := make([]byte, 3)
	if _, err := d.f.ReadAt(cached, 1<<20+12344); err != nil || cached[1] != 7 {
		t.Skipf("this kernel has not kept the page: %v, %v", cached, err)
	}
	got := make([]byte, 3)
	if _, err := d.ReadAt(got, 1<<20+12344); err != nil || !bytes.Equal(got, []byte{7, 9, 7}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestReadAt: any part of a disk, at any place, and its end; with and without
// a way past the cache.
func TestReadAt(t *testing.T) {
	const size = 9<<20 + 512
	f := made(t, size)
	want := make([]byte, size)
	for i := range want {
		want[i] = byte(i * 7 / 3)
	}
	if _, err := f.WriteAt(want, 0); err != nil {
		t.Fatal(err)
	}
	for _, direct := range []bool{true, false} {
		d, err := openDisk(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if !direct && d.direct != nil {
			_ = d.direct.Close()
			d.direct = nil
		}
		for _, c := range [][2]int{{0, 512}, {0, size}, {1, 1}, {4095, 2}, {512, 9 << 20}, {size - 1, 1}, {size - 5000, 5000}} {
			got := make([]byte, c[1])
			if n, err := d.ReadAt(got, int64(c[0])); err != nil || n != c[1] || !bytes.Equal(got, want[c[0]:c[0]+c[1]]) {
				t.Errorf("%d bytes at %d: %d, %v", c[1], c[0], n, err)
			}
		}
		if n, err := d.ReadAt(make([]byte, 100), size-50); err == nil || n != 50 {
			t.Errorf("over the end: %d, %v", n, err)
		}
		if err := d.reread(); err != nil {
			t.Errorf("a file has no partitions: %v", err)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := openDisk(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a disk that is not there was opened")
	}
}

// TestAttach makes loop devices, as many at once as the root needs.
func TestAttach(t *testing.T) {
	need.Root(t)
	f := made(t, 1<<20)
	if _, err := f.WriteAt([]byte("content"), 4096); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 5 {
		device, err := kernel{}.attach(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { detach(t, device) })
		if seen[device] {
			t.Errorf("%s twice", device)
		}
		seen[device] = true
		data, err := os.ReadFile(device)
		if err != nil || len(data) != 1<<20 || string(data[4096:4103]) != "content" {
			t.Errorf("%s: %d bytes, %v", device, len(data), err)
		}
		if w, err := os.OpenFile(device, os.O_WRONLY, 0); err == nil {
			if _, err := w.Write([]byte("x")); err == nil {
				t.Errorf("%s can be written to", device)
			}
			_ = w.Close()
		}
	}
	if _, err := (kernel{}).attach(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "making a loop device of none: ") {
		t.Errorf("got %v", err)
	}
}

// TestMount mounts read-only, by the real kernel.
func TestMount(t *testing.T) {
	device, _ := loopDisk(t, 8<<20)
	if out, err := exec.Command(need.Tool(t, "mkfs.ext4"), "-q", "-F", device).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := (kernel{}).mount(device, dir, "ext4"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err == nil {
		t.Error("it can be written to")
	}
	if _, err := openDisk(device); err == nil || !strings.Contains(err.Error(), "it is in use") {
		t.Errorf("a mounted disk can be opened for writing: %v", err)
	}
	if err := (kernel{}).unmount(dir); err != nil {
		t.Error(err)
	}
	if err := (kernel{}).mount(device, dir, "iso9660"); err == nil || !strings.Contains(err.Error(), device) {
		t.Errorf("as another kind: %v", err)
	}
}
