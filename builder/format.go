package builder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/ovf"
)

// Format is a form that an image is written in. It is the suffix of its file.
type Format string

// The formats.
const (
	Raw   Format = "raw"    // for bare metal, and whatever takes a plain disk
	QCOW2 Format = "qcow2"  // QEMU, compressed
	VMDK  Format = "vmdk"   // VMware, streamOptimized
	OVA   Format = "ova"    // ESXi 7 and newer: a machine with the disk
	RawGZ Format = "raw.gz" // DigitalOcean, and dd over a network
)

// Formats lists all formats.
func Formats() []Format { return []Format{Raw, QCOW2, VMDK, OVA, RawGZ} }

// FormatsOf lists what the targets of a definition take. Raw is always among
// them: it is what the others are made of, and what runs without conversion.
func FormatsOf(c *cluster.Cluster) []Format {
	want := map[Format]bool{Raw: true}
	for _, target := range c.Def.Image.Targets {
		switch target {
		case "qemu":
			want[QCOW2] = true
		case "esxi":
			want[VMDK], want[OVA] = true, true
		case "digitalocean", "metal":
			want[RawGZ] = true
		}
	}
	return slices.DeleteFunc(Formats(), func(f Format) bool { return !want[f] })
}

// ParseFormat reads the name of a format.
func ParseFormat(s string) (Format, error) {
	if f := Format(s); slices.Contains(Formats(), f) {
		return f, nil
	}
	var names []string
	for _, f := range Formats() {
		names = append(names, string(f))
	}
	return "", fmt.Errorf("unknown format %q (%s)", s, strings.Join(names, ", "))
}

// machine is what the OVA describes.
func machine(c *cluster.Cluster, id string) ovf.Machine {
	m := ovf.Machine{
		Name:        c.Def.Name + "-" + id,
		Description: "A node of the Kubernetes cluster " + c.Def.Name + ". Attach the node's config.iso to the CD drive.",
		Firmware:    ovf.EFI,
	}
	if c.Def.Provisioning == cluster.ProvisioningIgnition {
		m.Properties = ovf.IgnitionProperties()
	}
	return m
}

// sparseSize is what machines see of a disk whose format stores no zeros, in
// bytes: room for the state of a node that is started without a thought of it.
const sparseSize = 16 << 30

// virtualSize is what machines see of the image of a disk.
func virtualSize(disk images.Source) int64 { return max(disk.Size(), sparseSize) }

// enlarged is a disk with zeros at its end. The table at the end of the smaller
// disk is found by nobody there; the machine writes it anew on its first boot,
// as on every disk that has grown.
type enlarged struct {
	images.Source
	size int64
}

// Size is in bytes.
func (e enlarged) Size() int64 { return e.size }

// ReadAt implements io.ReaderAt.
func (e enlarged) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	if off < e.Source.Size() {
		var err error
		n, err = e.Source.ReadAt(p[:min(int64(len(p)), e.Source.Size()-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
	}
	rest := p[n:min(int64(len(p)), max(e.size-off, 0))]
	clear(rest)
	if n += len(rest); n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// write writes a disk in a format.
func (f Format) write(ctx context.Context, w *summing, disk images.Source, m ovf.Machine, date time.Time, p images.Progress) (images.Stats, error) {
	if f == QCOW2 || f == VMDK || f == OVA {
		disk = enlarged{disk, virtualSize(disk)}
	}
	switch f {
	case Raw:
		return images.WriteRaw(ctx, w, disk, images.RawOptions{Progress: p})
	case QCOW2:
		return images.WriteQCOW2(ctx, w, disk, images.QCOW2Options{Compression: images.Zstd, Progress: p})
	case VMDK:
		return images.WriteVMDK(ctx, w, disk, images.VMDKOptions{Progress: p})
	case OVA:
		return images.WriteOVA(ctx, w, disk, images.OVAOptions{Machine: m, Time: date, Progress: p})
	case RawGZ:
		return images.WriteRawGzip(ctx, w, disk, images.GzipOptions{Progress: p})
	default:
		return images.Stats{}, fmt.Errorf("unknown format %q", f)
	}
}
