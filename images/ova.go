package images

import (
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/ingot-k8s/ingot/images/ovf"
)

// OVAOptions are for WriteOVA and PackOVA.
type OVAOptions struct {
	Machine ovf.Machine
	// Time is that of the files in the archive, in whole seconds; the zero time
	// means 1970.
	Time     time.Time
	Progress Progress // of WriteOVA; may be nil
}

// maxUSTAR is the largest file of a USTAR archive, in bytes: eleven octal
// digits.
const maxUSTAR = 1<<33 - 1

// WriteOVA writes an OVA: a USTAR archive of an OVF descriptor, the disk as
// WriteVMDK writes it, and a manifest with their SHA-256.
func WriteOVA(ctx context.Context, w io.WriterAt, src Source, opts OVAOptions) (Stats, error) {
	stats, err := writeOVA(ctx, w, src, opts)
	if err != nil {
		return Stats{}, fmt.Errorf("writing an OVA: %w", err)
	}
	return stats, nil
}

func writeOVA(ctx context.Context, w io.WriterAt, src Source, opts OVAOptions) (Stats, error) {
	capacity := ceilDiv(src.Size(), grain) * grain
	a, err := newOVA(opts, capacity)
	if err != nil {
		return Stats{}, err
	}
	// What comes before the disk depends on its size, which is known after it.
	diskAt := a.diskOffset()
	sum := sha256.New()
	disk, err := WriteVMDK(ctx, io.MultiWriter(io.NewOffsetWriter(w, diskAt), sum), src, VMDKOptions{Progress: opts.Progress})
	if err != nil {
		return Stats{}, err
	}
	head, err := a.head(disk)
	if err != nil {
		return Stats{}, err
	}
	tail, err := a.tail(sum)
	if err != nil {
		return Stats{}, err
	}
	tailAt := diskAt + disk.FileSize
	if err := writeAllAt(w, tail, tailAt); err != nil {
		return Stats{}, err
	}
	disk.FileSize = tailAt + int64(len(tail))
	return disk, writeAllAt(w, head, 0)
}

// PackOVA writes the OVA that WriteOVA would write, from the VMDK of the disk
// and what WriteVMDK has returned for it.
func PackOVA(ctx context.Context, w io.Writer, vmdk io.ReaderAt, disk Stats, opts OVAOptions) (Stats, error) {
	stats, err := packOVA(ctx, w, vmdk, disk, opts)
	if err != nil {
		return Stats{}, fmt.Errorf("packing an OVA: %w", err)
	}
	return stats, nil
}

func packOVA(ctx context.Context, w io.Writer, vmdk io.ReaderAt, disk Stats, opts OVAOptions) (Stats, error) {
	a, err := newOVA(opts, disk.DiskSize)
	if err != nil {
		return Stats{}, err
	}
	head, err := a.head(disk)
	if err != nil {
		return Stats{}, err
	}
	if err := writeAll(w, head); err != nil {
		return Stats{}, err
	}
	sum := sha256.New()
	if err := copyDisk(ctx, io.MultiWriter(w, sum), vmdk, disk.FileSize); err != nil {
		return Stats{}, err
	}
	tail, err := a.tail(sum)
	if err != nil {
		return Stats{}, err
	}
	disk.FileSize += int64(len(head) + len(tail))
	return disk, writeAll(w, tail)
}

// copyDisk copies size bytes.
func copyDisk(ctx context.Context, w io.Writer, r io.ReaderAt, size int64) error {
	buf := make([]byte, chunk)
	for at := int64(0); at < size; at += chunk {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		b := buf[:min(chunk, size-at)]
		if err := readFull(r, b, at); err != nil {
			return fmt.Errorf("reading the VMDK at %d: %w", at, err)
		}
		if err := writeAll(w, b); err != nil {
			return err
		}
	}
	return nil
}

// ova is an archive in the making.
type ova struct {
	machine    ovf.Machine
	time       time.Time
	capacity   int64
	reserved   int // bytes for the descriptor
	descriptor hash.Hash
}

func newOVA(opts OVAOptions, capacity int64) (*ova, error) {
	a := &ova{machine: opts.Machine, time: opts.Time, capacity: capacity, descriptor: sha256.New()}
	if a.time.IsZero() {
		a.time = time.Unix(0, 0)
	}
	longest, err := a.describe(Stats{FileSize: maxUSTAR, DataSize: capacity})
	a.reserved = len(longest)
	return a, err
}

func (a *ova) name(suffix string) string { return a.machine.Name + suffix }

// describe returns the descriptor.
func (a *ova) describe(disk Stats) ([]byte, error) {
	return ovf.Descriptor(a.machine, ovf.Disk{File: a.name("-disk1.vmdk"), FileSize: disk.FileSize, Capacity: a.capacity, Populated: disk.DataSize})
}
