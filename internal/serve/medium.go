package serve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/ingot-k8s/ingot/ignition/configiso"
)

// Names of what is served of a boot ISO: itself, and files on it.
const (
	NameMedium     = "boot.iso"
	NameKernel     = "vmlinuz"
	NameInitrd     = "initrd"
	NameBootInitrd = "boot.initrd"
)

// What a boot ISO is known by.
const (
	bootLabel = "INGOT_BOOT"
	headName  = "ingot.json"
	maxHead   = 1 << 20
)

// Medium is a boot ISO of which a machine starts over a network.
type Medium struct {
	Cluster string // whose image it is
	Image   string // the image's id
	Line    string // the image's kernel line

	file  *os.File
	parts map[string]part
}

// part is a file that machines fetch.
type part struct {
	at, size int64
	sum      [sha256.Size]byte
}

// OpenMedium opens a boot ISO and reads all of it once, for the checksums of
// what is served. It is held open: a file that takes its place later is another.
// Advance is told how much was read; it may be nil.
func OpenMedium(ctx context.Context, path string, advance func(done, total int64)) (*Medium, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening boot ISO: %w", err)
	}
	m, err := openMedium(ctx, f, advance)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading boot ISO %s: %w", path, err), f.Close())
	}
	return m, nil
}

func openMedium(ctx context.Context, f *os.File, advance func(done, total int64)) (*Medium, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	label, places, err := configiso.Places(f, info.Size())
	if err != nil {
		return nil, err
	}
	if label != bootLabel {
		return nil, fmt.Errorf("it has the label %q (%s)", label, bootLabel)
	}
	m := &Medium{file: f, parts: map[string]part{NameMedium: {size: info.Size()}}}
	var head *configiso.Place
	for i, p := range places {
		switch p.Path {
		case headName:
			head = &places[i]
		case "config.iso":
			return nil, errors.New("it has the identity of a node on it: everybody on the network would get that")
		case NameKernel, NameInitrd, NameBootInitrd:
			m.parts[p.Path] = part{at: p.Offset, size: p.Size}
		}
	}
	if err := m.readHead(head); err != nil {
		return nil, err
	}
	for _, name := range []string{NameKernel, NameInitrd, NameBootInitrd} {
		if m.parts[name].size == 0 {
			return nil, fmt.Errorf("it has no file %s", name)
		}
	}
	return m, m.sum(ctx, advance)
}

// readHead finds out whose image the ISO has.
func (m *Medium) readHead(p *configiso.Place) error {
	if p == nil || p.Size > maxHead {
		return fmt.Errorf("it has no %s of a boot ISO", headName)
	}
	var head struct {
		Cluster string `json:"cluster"`
		Image   string `json:"image"`
		Line    string `json:"kernelLine"`
	}
	if err := json.NewDecoder(io.NewSectionReader(m.file, p.Offset, p.Size)).Decode(&head); err != nil {
		return fmt.Errorf("%s: %w", headName, err)
	}
	if head.Cluster == "" || head.Image == "" || head.Line == "" {
		return fmt.Errorf("%s names no cluster, no image or no kernel line", headName)
	}
	m.Cluster, m.Image, m.Line = head.Cluster, head.Image, head.Line
	return nil
}

// sum finds the checksums of all parts.
func (m *Medium) sum(ctx context.Context, advance func(done, total int64)) error {
	total, done := int64(0), int64(0)
	for _, p := range m.parts {
		total += p.size
	}
	for name, p := range m.parts {
		h := sha256.New()
		r := io.NewSectionReader(m.file, p.at, p.size)
		buf := make([]byte, 1<<20)
		for {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := r.Read(buf)
			h.Write(buf[:n])
			done += int64(n)
			if advance != nil {
				advance(done, total)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
		}
		h.Sum(p.sum[:0])
		m.parts[name] = p
	}
	return nil
}

// Close ends the use of the file.
func (m *Medium) Close() error { return m.file.Close() }

// SHA256 is the checksum of a part, in hexadecimal.
func (m *Medium) SHA256(name string) string {
	sum := m.parts[name].sum
	return hex.EncodeToString(sum[:])
}

// Size is the size of a part in bytes.
func (m *Medium) Size(name string) int64 { return m.parts[name].size }

// open reads a part from its start.
func (m *Medium) open(name string) *io.SectionReader {
	p := m.parts[name]
	return io.NewSectionReader(m.file, p.at, p.size)
}

// sums are the checksums of all parts, as sha256sum -c takes them.
func (m *Medium) sums() string {
	var b strings.Builder
	for _, name := range []string{NameBootInitrd, NameMedium, NameInitrd, NameKernel} {
		fmt.Fprintf(&b, "%s  %s\n", m.SHA256(name), name)
	}
	return b.String()
}
