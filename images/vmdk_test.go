package images

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func vmdkFormat(golden string) format {
	return format{func(ctx context.Context, w output, src Source) (Stats, error) {
		return WriteVMDK(ctx, w, src, VMDKOptions{})
	}, golden}
}

func TestVMDK(t *testing.T) {
	eachSample(t, func(t *testing.T, src Source, path string) {
		image := write(t, vmdkFormat(""), src).path
		tool(t, "qemu-img", "check", "-q", "-f", "vmdk", image)
		rounded := path
		if src.Size()%grain != 0 {
			rounded = padded(t, path, ceilDiv(src.Size(), grain)*grain)
		}
		mustCompare(t, "vmdk", image, rounded)
		back := filepath.Join(t.TempDir(), "back.raw")
		tool(t, "qemu-img", "convert", "-f", "vmdk", "-O", "raw", image, back)
		mustEqual(t, back, rounded)
		mustBeStream(t, image, src)
	})
}

// padded is a copy of a file with zeros at its end.
func padded(t *testing.T, path string, size int64) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(t.TempDir(), "padded")
	if err := os.WriteFile(copied, append(content, make([]byte, size-int64(len(content)))...), 0o600); err != nil {
		t.Fatal(err)
	}
	return copied
}

// TestVMDKOtherReader has 7-Zip read images; it shares nothing with QEMU.
func TestVMDKOtherReader(t *testing.T) {
	for _, name := range []string{"borders", "both", "words"} {
		src, path := samples()[name].source(t)
		back := filepath.Join(t.TempDir(), "back.raw")
		content := tool(t, "7z", "x", "-tvmdk", "-so", write(t, vmdkFormat(""), src).path)
		if err := os.WriteFile(back, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		mustEqual(t, back, path)
	}
}

func TestVMDKLarge(t *testing.T) {
	src, path := sample{5 * gib, []piece{{0, 512, noise}, {32*mib - 1, 2, words}, {4*gib - 4096, 8192, words}, {5*gib - 512, 512, words}}}.source(t)
	image := write(t, vmdkFormat(""), src)
	if image.stats.FileSize > mib {
		t.Errorf("the image has %d bytes, want a few grains and tables", image.stats.FileSize)
	}
	tool(t, "qemu-img", "check", "-q", "-f", "vmdk", image.path)
	mustCompare(t, "vmdk", image.path, path)
	mustBeStream(t, image.path, src)
}

// TestContentID compares the identifiers of disks.
func TestContentID(t *testing.T) {
	ids := map[uint32]string{}
	for name, s := range map[string]sample{
		"words":   {4 * mib, []piece{{0, 4 * mib, words}}},
		"hole":    {4 * mib, nil},
		"larger":  {5 * mib, nil},
		"last":    {4 * mib, []piece{{4*mib - 1, 1, noise}}},
		"first":   {4 * mib, []piece{{0, 1, noise}}},
		"shifted": {4 * mib, []piece{{mib, 1, noise}}},
	} {
		src, _ := s.source(t)
		image := write(t, vmdkFormat(""), src).path
		var info struct {
			Specific struct {
				Data struct {
					CID        uint32
					ParentCID  uint32 `json:"parent-cid"`
					CreateType string `json:"create-type"`
				}
			} `json:"format-specific"`
		}
		if err := json.Unmarshal([]byte(tool(t, "qemu-img", "info", "--output=json", image)), &info); err != nil {
			t.Fatal(err)
		}
		got := info.Specific.Data
		if got.CID+1 <= 1 || got.ParentCID != 0xffffffff || got.CreateType != "streamOptimized" {
			t.Errorf("%s: got %+v", name, got)
		}
		if other, ok := ids[got.CID]; ok {
			t.Errorf("%s and %s have the same identifier %08x", name, other, got.CID)
		}
		ids[got.CID] = name
	}
}

// TestVMDKDescriptor checks that the text of the largest disk has room.
func TestVMDKDescriptor(t *testing.T) {
	if n := len(vmdkDescriptor(1<<62, 0xfffffffe)); n >= vmdkDescriptorSize*SectorSize {
		t.Errorf("the descriptor has %d bytes, want fewer than %d", n, vmdkDescriptorSize*SectorSize)
	}
}

// mustBeStream reads an image from its start to its end, as ESXi imports it,
// and compares what it finds to the tables and to the disk.
func mustBeStream(t *testing.T, path string, src Source) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(b)%SectorSize != 0 {
		t.Fatalf("%d bytes are no sectors", len(b))
	}
	s := &stream{t: t, b: b, src: src, lba: -1, at: vmdkOverhead * SectorSize, entries: map[uint32]uint32{}, tables: map[uint32]uint32{}}
	for s.at < len(b) {
		s.next()
	}
	if !s.ended || s.at != len(b) {
		t.Errorf("the stream ends at %d of %d, with its mark: %v", s.at, len(b), s.ended)
	}
	if got, want := binary.LittleEndian.Uint64(b[56:]), uint64(vmdkGDAtEnd); got != want {
		t.Errorf("the header says that the directory is at %#x, want %#x", got, want)
	}
}

// stream is an image that is read in order.
type stream struct {
	t       *testing.T
	b       []byte
	src     Source
	at      int
	lba     int64
	entries map[uint32]uint32 // of the grain table that follows: sector of the grain
	tables  map[uint32]uint32 // of the directory: sector of the table
	gd      uint32
	footer  bool
	ended   bool
}

// next reads a marker and what is behind it.
func (s *stream) next() {
	t := s.t
	t.Helper()
	marker := s.b[s.at:]
	val, size, kind := binary.LittleEndian.Uint64(marker), binary.LittleEndian.Uint32(marker[8:]), binary.LittleEndian.Uint32(marker[12:])
	if s.ended {
		t.Fatal("more after the end")
	}
	if size != 0 {
		s.grain(int64(val), marker[12:12+size])
		s.at += int(ceilDiv(12+int64(size), SectorSize)) * SectorSize
		return
	}
	if !isZero(marker[16:SectorSize]) {
		t.Errorf("marker at %d: not padded with zeros", s.at)
	}
	s.at += SectorSize
	data := s.b[s.at : s.at+int(val)*SectorSize]
	sector := uint32(s.at / SectorSize)
	s.at += len(data)
	switch kind {
	case vmdkMarkerGT:
		index := uint32(s.lba / (vmdkGTEntries * grain / SectorSize))
		s.tables[index] = sector
		s.compare("grain table", data, s.entries)
		s.entries = map[uint32]uint32{}
	case vmdkMarkerGD:
		s.gd = sector
		s.compare("grain directory", data, s.tables)
	case vmdkMarkerFooter:
		s.footer = true
		want := bytes.Clone(s.b[:SectorSize])
		binary.LittleEndian.PutUint64(want[56:], uint64(s.gd))
		if !bytes.Equal(data, want) {
			t.Error("the footer is not the header with the directory's place")
		}
	case vmdkMarkerEOS:
		s.ended = s.footer && val == 0
	default:
		t.Errorf("marker of kind %d", kind)
	}
}

// grain unpacks a grain and compares it to the disk.
func (s *stream) grain(lba int64, data []byte) {
	t := s.t
	t.Helper()
	if lba <= s.lba || lba%(grain/SectorSize) != 0 {
		t.Errorf("grain of sector %d after that of %d", lba, s.lba)
	}
	s.lba = lba
	s.entries[uint32(lba/(grain/SectorSize)%vmdkGTEntries)] = uint32(s.at / SectorSize)
	r, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("grain of sector %d: %v", lba, err)
	}
	want := make([]byte, grain)
	if _, err := s.src.ReadAt(want, lba*SectorSize); err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if isZero(got) || !bytes.Equal(got, want) {
		t.Errorf("grain of sector %d is not that of the disk, or all zeros", lba)
	}
}

// compare checks a table of 32-bit numbers.
func (s *stream) compare(what string, table []byte, want map[uint32]uint32) {
	s.t.Helper()
	for i := range uint32(len(table) / 4) {
		if got := binary.LittleEndian.Uint32(table[i*4:]); got != want[i] {
			s.t.Errorf("%s: entry %d is %d, want %d", what, i, got, want[i])
		}
	}
}
