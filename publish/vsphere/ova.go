package vsphere

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/ovf"
)

// ova is an archive with a descriptor, a disk and their checksums.
type ova struct {
	path       string
	name       string // of the descriptor's file
	descriptor []byte
	envelope   *ovf.Envelope
	disk       string // name of the disk's file in the archive
	diskSize   int64  // of that file, in bytes
	capacity   int64  // of the disk as the machine sees it, in bytes
	sums       map[string]string
}

// maxText bounds descriptors and manifests, in bytes.
const maxText = 1 << 20

// readOVA reads all but the disk of an archive, and holds the descriptor
// against its checksum.
func readOVA(name string) (*ova, error) {
	o := &ova{path: name}
	if err := o.read(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return o, nil
}

func (o *ova) read() error {
	f, err := os.Open(o.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading only
	for entries := tar.NewReader(f); ; {
		h, err := entries.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		switch path.Ext(h.Name) {
		case ".ovf":
			o.name = h.Name
			o.descriptor, err = io.ReadAll(io.LimitReader(entries, maxText))
		case ".mf":
			o.sums, err = readSums(io.LimitReader(entries, maxText))
		case ".vmdk":
			o.disk, o.diskSize = h.Name, h.Size
		}
		if err != nil {
			return err
		}
	}
	if o.descriptor == nil || o.disk == "" || o.sums == nil {
		return errors.New("not an OVA of ours: it has no descriptor, disk or manifest")
	}
	if sum := sha256.Sum256(o.descriptor); o.sums[o.name] != hex.EncodeToString(sum[:]) {
		return fmt.Errorf("%s does not have the SHA-256 of the manifest: the file is damaged", o.name)
	}
	return o.parse()
}

func (o *ova) parse() error {
	envelope, err := ovf.Unmarshal(bytes.NewReader(o.descriptor))
	if err != nil {
		return fmt.Errorf("parsing the descriptor: %w", err)
	}
	if envelope.Disk == nil || len(envelope.Disk.Disks) != 1 || envelope.Network == nil || len(envelope.Network.Networks) != 1 {
		return errors.New("not an OVA of ours: it describes more or less than one disk and one network")
	}
	o.envelope = envelope
	if _, err := fmt.Sscan(envelope.Disk.Disks[0].Capacity, &o.capacity); err != nil { // our descriptors have bytes
		return fmt.Errorf("parsing the capacity of the disk: %w", err)
	}
	return nil
}

// sumLine is a line of a manifest (DSP0243, 6.1).
var sumLine = regexp.MustCompile(`^SHA256\(([^)]+)\)= ?([0-9a-f]{64})$`)

// readSums reads a manifest: the SHA-256 of files, by name.
func readSums(r io.Reader) (map[string]string, error) {
	sums := map[string]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m := sumLine.FindStringSubmatch(strings.TrimSpace(lines.Text()))
		if m == nil {
			return nil, fmt.Errorf("the manifest has a line %q; want SHA256(NAME)= and 64 digits", lines.Text())
		}
		sums[m[1]] = m[2]
	}
	return sums, lines.Err()
}

// check holds the whole file against a SHA-256.
func (o *ova) check(ctx context.Context, want string) error {
	f, err := os.Open(o.path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // opened for reading only
	h := sha256.New()
	if _, err := io.Copy(h, &interruptible{ctx, f}); err != nil {
		return fmt.Errorf("reading %s: %w", o.path, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		return fmt.Errorf("%s has the SHA-256 %s, and the manifest of the images has %s: it is damaged or of another bake", o.path, got, want)
	}
	return nil
}

// interruptible is a reader that ends with its context.
type interruptible struct {
	ctx context.Context // a reader has no other way to be told
	r   io.Reader
}

func (i *interruptible) Read(p []byte) (int, error) {
	if i.ctx.Err() != nil {
		return 0, context.Cause(i.ctx)
	}
	return i.r.Read(p)
}

// diskReader reads the disk of the archive. After its end it knows whether it
// was what the manifest says.
type diskReader struct {
	io.Reader
	file *os.File
	want string
	sum  interface{ Sum([]byte) []byte }
}

// open opens the disk.
func (o *ova) open(say report) (*diskReader, error) {
	f, err := os.Open(o.path)
	if err != nil {
		return nil, err
	}
	entries := tar.NewReader(f)
	for {
		h, err := entries.Next()
		if err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("looking for the disk in %s: %w", o.path, err)
		}
		if h.Name == o.disk {
			break
		}
	}
	sum := sha256.New()
	counted := io.TeeReader(io.TeeReader(entries, sum), &counter{total: o.diskSize, say: say})
	return &diskReader{Reader: counted, file: f, want: o.sums[o.disk], sum: sum}, nil
}

// close says whether what was read was right.
func (d *diskReader) close() error {
	_ = d.file.Close() // opened for reading only
	if got := hex.EncodeToString(d.sum.Sum(nil)); got != d.want {
		return errors.New("the disk that was sent does not have the SHA-256 of the manifest: the file is damaged, or was changed meanwhile")
	}
	return nil
}

// counter tells how much went through.
type counter struct {
	done, total int64
	say         report
}

func (c *counter) Write(p []byte) (int, error) {
	c.done += int64(len(p))
	c.say(c.done, c.total)
	return len(p), nil
}
