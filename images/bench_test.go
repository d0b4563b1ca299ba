package images

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ingot-k8s/ingot/internal/need"
)

// benchDisk is the disk that is measured: INGOT_BENCH_DISK, a raw file, or what
// programs and libraries this machine has, 256 MiB on a disk of 1 GiB.
func benchDisk(b *testing.B) (src Source, path string) {
	b.Helper()
	path = os.Getenv("INGOT_BENCH_DISK")
	if path == "" {
		path = filepath.Join(b.TempDir(), "disk.raw")
		fillDisk(b, path, gib, 256*mib, "/usr/bin", "/usr/lib")
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	file, err := NewFile(f)
	if err != nil {
		b.Fatal(err)
	}
	return file, path
}

// fillDisk copies files to a disk, each at a page, as file systems do.
func fillDisk(b *testing.B, path string, size, data int64, folders ...string) {
	b.Helper()
	out, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	at := int64(mib)
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return nil //nolint:nilerr // what cannot be read is left out
			}
			content, err := os.ReadFile(name)
			if err != nil {
				return nil //nolint:nilerr // what cannot be read is left out
			}
			if at+int64(len(content)) > data {
				return filepath.SkipAll
			}
			_, err = out.WriteAt(content, at)
			at += ceilDiv(int64(len(content)), page) * page
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := errors.Join(out.Truncate(size), out.Sync()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFormats measures the writers beside the programs that people use:
// compare the time, and the size of the image in MB.
func BenchmarkFormats(b *testing.B) {
	src, disk := benchDisk(b)
	convert := func(args ...string) []string {
		return append(append([]string{need.Tool(b, "qemu-img"), "convert", "-f", "raw"}, args...), disk, "image")
	}
	for _, c := range []struct {
		name, program string
		argv          []string
	}{
		{"qcow2", "qemu-img", convert("-O", "qcow2", "-c", "-o", "compression_type=zstd")},
		{"qcow2 zlib", "qemu-img", convert("-O", "qcow2", "-c")},
		{"vmdk", "qemu-img", convert("-O", "vmdk", "-o", "subformat=streamOptimized")},
		{"raw.gz", "pigz", []string{need.Tool(b, "pigz"), "-c", "-n", disk}},
		{"raw", "qemu-img", convert("-O", "raw")},
	} {
		b.Run(c.name+"/ingot", func(b *testing.B) {
			settle(b)
			for b.Loop() {
				report(b, write(b, formats()[c.name], src).path)
			}
		})
		b.Run(c.name+"/"+c.program, func(b *testing.B) {
			settle(b)
			for b.Loop() {
				report(b, peer(b, c.argv))
			}
		})
	}
}

// settle waits until the images of others are on the disk.
func settle(b *testing.B) {
	b.Helper()
	unix.Sync()
	b.ResetTimer()
}

// peer runs a program in a folder of its own; what it prints is the image if it
// writes no file.
func peer(b *testing.B, argv []string) string {
	b.Helper()
	dir := b.TempDir()
	out, err := os.Create(filepath.Join(dir, "printed"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	cmd := exec.CommandContext(b.Context(), argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, os.Stderr
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	if path := filepath.Join(dir, "image"); exists(path) {
		return path
	}
	return out.Name()
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// report says how large an image is, in MB of 10^6 bytes.
func report(b *testing.B, path string) {
	b.Helper()
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(info.Size())/1e6, "MB")
}
