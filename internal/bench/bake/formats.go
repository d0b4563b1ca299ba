package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/ingot-k8s/ingot/images"
)

// virtual is what machines see of sparse formats of a bake, in bytes.
const virtual = 16 << 30

// formats measures the writers on the disk of the last bake. The sparse formats
// are written of the disk as a bake enlarges it.
func formats(ctx context.Context, w *world, t *table) error {
	raw, _, err := w.raw()
	if err != nil {
		return err
	}
	large := filepath.Join(w.dir, "large.raw")
	if err := enlarge(raw, large); err != nil {
		return err
	}
	convert := func(args ...string) []string {
		return append(append([]string{"qemu-img", "convert", "-f", "raw"}, args...), large, filepath.Join(w.dir, "peer.image"))
	}
	t.head("formats, of the same disk", "ingot", "peer")
	for _, f := range []struct {
		name, disk string
		write      func(io.Writer, io.WriterAt, images.Source) error
		peer       []string
	}{
		{"qcow2, qemu-img -c zstd", large, func(_ io.Writer, w io.WriterAt, s images.Source) error {
			_, err := images.WriteQCOW2(ctx, w, s, images.QCOW2Options{Compression: images.Zstd})
			return err
		}, convert("-O", "qcow2", "-c", "-o", "compression_type=zstd")},
		{"vmdk, qemu-img streamOptimized", large, func(w io.Writer, _ io.WriterAt, s images.Source) error {
			_, err := images.WriteVMDK(ctx, w, s, images.VMDKOptions{})
			return err
		}, convert("-O", "vmdk", "-o", "subformat=streamOptimized")},
		{"raw.gz, pigz", raw, func(w io.Writer, _ io.WriterAt, s images.Source) error {
			_, err := images.WriteRawGzip(ctx, w, s, images.GzipOptions{})
			return err
		}, []string{"pigz", "-c", "-n", raw}},
	} {
		busy := load()
		var ours, peers []figures
		for range w.fast {
			a, err := w.write(f.disk, f.write)
			if err != nil {
				return err
			}
			b, err := w.peer(ctx, f.peer)
			if err != nil {
				return err
			}
			ours, peers = append(ours, a), append(peers, b)
		}
		a, b := median(ours), median(peers)
		t.row(f.name, a, b, b.wall.Seconds()/a.wall.Seconds(), busy, "at least 1.5 times as fast")
		t.say("  %-32s %22s %22s %+6.1f%%        within 3%%\n", "  size", megabytes(a.size), megabytes(b.size), 100*(float64(a.size)/float64(b.size)-1))
	}
	return os.Remove(large)
}

// enlarge copies a disk and gives it zeros at its end.
func enlarge(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // nothing was written
	src, err := images.NewFile(in)
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = images.WriteRaw(context.Background(), out, src, images.RawOptions{})
	return errors.Join(err, out.Truncate(virtual), out.Close())
}

// write measures one of our writers in this process.
func (w *world) write(disk string, write func(io.Writer, io.WriterAt, images.Source) error) (figures, error) {
	in, err := os.Open(disk)
	if err != nil {
		return figures{}, err
	}
	defer func() { _ = in.Close() }() // nothing was written
	path := filepath.Join(w.dir, "our.image")
	out, err := os.Create(path)
	if err != nil {
		return figures{}, err
	}
	defer func() { _ = errors.Join(out.Close(), os.Remove(path)) }() // for measuring only
	before, err := processor()
	if err != nil {
		return figures{}, err
	}
	start := time.Now()
	src, err := images.NewFile(in)
	if err == nil {
		err = write(out, out, src)
	}
	f := figures{wall: time.Since(start)}
	after, wrong := processor()
	if err := errors.Join(err, wrong); err != nil {
		return figures{}, err
	}
	f.cpu = after - before
	info, err := out.Stat()
	if err != nil {
		return figures{}, err
	}
	f.size = info.Size()
	return f, nil
}

// processor is how much processor time this process has had.
func processor() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("asking for this process's time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// peer measures another program, which writes a file or prints.
func (w *world) peer(ctx context.Context, argv []string) (figures, error) {
	path := filepath.Join(w.dir, "peer.image")
	out, err := os.Create(path)
	if err != nil {
		return figures{}, err
	}
	defer func() { _ = errors.Join(out.Close(), os.Remove(path)) }() // for measuring only
	f, err := measure(ctx, command{argv: argv, out: out})
	if err != nil {
		return figures{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return figures{}, err
	}
	f.size = info.Size()
	return f, nil
}
