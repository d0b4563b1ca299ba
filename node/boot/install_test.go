package boot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/gpt"
	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// errCut is a power cut.
var errCut = errors.New("the power is gone")

// page is what a disk writes whole or not at all, in bytes.
const page = 4096

// cutDisk is a disk that loses power after some writes and syncs. What was not
// synced may be there or not, page by page.
type cutDisk struct {
	data   []byte // on the disk
	cache  []edit // written since the last sync
	left   int    // writes and syncs until the cut; negative for none
	did    int
	wrong  int64 // a byte that reads back wrong; -1 for none
	bad    int64 // a byte that cannot be written; 0 for none
	syncs  int
	failOn int // the sync that fails; 0 for none
}

type edit struct {
	at   int64
	data []byte
}

func (d *cutDisk) count() error {
	if d.left == 0 {
		return errCut
	}
	d.left--
	d.did++
	return nil
}

func (d *cutDisk) WriteAt(p []byte, off int64) (int, error) {
	if err := d.count(); err != nil {
		return 0, err
	}
	if d.bad > 0 && off <= d.bad && off+int64(len(p)) > d.bad {
		return int(d.bad - off), errors.New("input/output error")
	}
	if off < 0 || off+int64(len(p)) > int64(len(d.data)) {
		return 0, errors.New("no space left on device")
	}
	d.cache = append(d.cache, edit{off, bytes.Clone(p)})
	return len(p), nil
}

func (d *cutDisk) Sync() error {
	if err := d.count(); err != nil {
		return err
	}
	d.syncs++
	if d.syncs == d.failOn {
		return errors.New("input/output error")
	}
	for _, e := range d.cache {
		copy(d.data[e.at:], e.data)
	}
	d.cache = nil
	return nil
}

// ReadAt reads what is on the disk, and not what was not synced.
func (d *cutDisk) ReadAt(p []byte, off int64) (int, error) {
	n, err := bytes.NewReader(d.data).ReadAt(p, off)
	if i := d.wrong - off; d.wrong >= 0 && i >= 0 && i < int64(n) {
		p[i] ^= 0x40
	}
	return n, err
}

// cut is what the disk has after a power cut: keep says of each page in the
// cache whether it got there.
func (d *cutDisk) cut(keep func() bool) []byte {
	out := bytes.Clone(d.data)
	for _, e := range d.cache {
		for i := 0; i < len(e.data); {
			n := min(page-int(e.at+int64(i))%page, len(e.data)-i)
			if keep() {
				copy(out[e.at+int64(i):], e.data[i:i+n])
			}
			i += n
		}
	}
	return out
}

// sampleImage is an image as bakes make them: a real table, and content.
func sampleImage(t testing.TB) (Source, []byte) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	content := make([]byte, 5<<20+777)
	for i := range content {
		content[i] = byte(rng.Uint32())
	}
	disk, err := gpt.Layout{Seed: []byte("x"), BootCode: bytes.Repeat([]byte{0x90}, 440), Partitions: []gpt.Partition{
		{Label: "bios", Type: gpt.BIOSBoot, Content: images.Bytes(content[:1000])},
		{Label: "esp", Type: gpt.EFI, Content: images.Bytes(content[:1<<20])},
		{Label: "root", Type: gpt.RootAMD64, Content: images.Bytes(content)},
	}}.Disk()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, disk.Size())
	if _, err := disk.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(data)
	return Source{ReaderAt: bytes.NewReader(data), Size: disk.Size(), SHA256: hex.EncodeToString(sum[:])}, data
}

func noWord(string, int64) {}

// foreign is a disk with something on all of it.
func foreign(n int64) []byte { return bytes.Repeat([]byte("old data"), int(n/8)) }

// check holds a disk against what must be there after an installation.
func checkInstalled(t *testing.T, data, image []byte) {
	t.Helper()
	if !bytes.Equal(data[:len(image)], image) {
		t.Error("the image is not on the disk")
	}
	if tail := data[len(data)-lookEnds:]; bytes.Count(tail, []byte{0}) != len(tail) {
		t.Error("the end of the disk has something yet")
	}
}

func TestWriteImage(t *testing.T) {
	source, image := sampleImage(t)
	d := &cutDisk{data: foreign(source.Size + 16<<20), left: -1, wrong: -1}
	var said []string
	if err := WriteImage(t.Context(), d, int64(len(d.data)), source, func(doing string, done int64) {
		said = append(said, fmt.Sprintf("%s %d", doing, done))
	}); err != nil {
		t.Fatal(err)
	}
	checkInstalled(t, d.data, image)
	// The body is in 4 MiB.
	const want = "written 10485760, read back 5242880, read back 9437184, read back 10485760"
	if got := strings.Join(said, ", "); got != want {
		t.Errorf("it said %s, want %s", got, want)
	}
	if c := look(bytes.NewReader(d.data), int64(len(d.data)), 512); c.Unfinished || !c.Table.label("root") || c.hasState() {
		t.Errorf("it is not what a finished disk looks like: %+v", c)
	}
}

// TestPowerCuts has the power go after each write and each sync, with none, all
// and some of what was not synced on the disk. The disk is always what it was,
// or one that the next boot goes on with, or whole; and the next boot, by the
// real decision, ends as the first would have.
func TestPowerCuts(t *testing.T) {
	source, image := sampleImage(t)
	table, err := readTable(source, imageSector)
	if err != nil {
		t.Fatal(err)
	}
	const spare = minState
	for name, before := range map[string][]byte{"empty": make([]byte, source.Size+4<<20), "foreign": foreign(source.Size + 4<<20)} {
		whole := &cutDisk{data: bytes.Clone(before), left: -1, wrong: -1}
		if err := WriteImage(t.Context(), whole, int64(len(before)), source, noWord); err != nil {
			t.Fatal(err)
		}
		if whole.did < 15 {
			t.Errorf("only %d steps", whole.did)
		}
		rng := rand.New(rand.NewPCG(3, 4))
		keeps := []func() bool{func() bool { return false }, func() bool { return true }, func() bool { return rng.IntN(2) == 0 }}
		for after := range whole.did {
			d := &cutDisk{data: bytes.Clone(before), left: after, wrong: -1}
			if err := WriteImage(t.Context(), d, int64(len(before)), source, noWord); !errors.Is(err, errCut) {
				t.Fatalf("%s: cut after %d: %v", name, after, err)
			}
			for k, keep := range keeps {
				left := d.cut(keep)
				where := fmt.Sprintf("%s disk, cut after %d of %d steps, %d", name, after, whole.did, k)
				c := look(bytes.NewReader(left), int64(len(left)), 512)
				plan, err := Decide(Facts{Mode: Auto, Setting: setting.Setting{Install: &setting.Install{Disk: setting.First, Overwrite: "S"}},
					Image: Image{Size: source.Size, Table: table}, Disks: []Disk{{Path: "/dev/sda", Serial: "S", Size: source.Size + spare, Sector: 512, Holds: c}}})
				if err != nil {
					t.Fatalf("%s: %v", where, err)
				}
				switch {
				case plan.Action == Write:
					if !c.Unfinished && !bytes.Equal(left, before) {
						t.Fatalf("%s: the disk has changed, and is not known as ours", where)
					}
					again := &cutDisk{data: left, left: -1, wrong: -1}
					if err := WriteImage(t.Context(), again, int64(len(left)), source, noWord); err != nil {
						t.Fatalf("%s: %v", where, err)
					}
				case plan.Action != Finish:
					t.Fatalf("%s: %s", where, plan.Action)
				}
				checkInstalled(t, left, image)
			}
		}
	}
}

func TestWriteImageFaults(t *testing.T) {
	source, image := sampleImage(t)
	size := source.Size + 16<<20
	damaged := bytes.Clone(image)
	damaged[6<<20] ^= 1
	marked := bytes.Clone(image)
	marked[markAt+5] = 1
	short := Source{bytes.NewReader(image[:7<<20]), source.Size, source.SHA256}
	for name, c := range map[string]struct {
		disk   *cutDisk
		source Source
		want   string
	}{
		"reads back wrong":           {&cutDisk{wrong: 3<<20 + 5}, source, "reading the disk back at offset 3145733: it has the byte "},
		"reads back wrong, last":     {&cutDisk{wrong: source.Size - 1}, source, fmt.Sprintf("reading the disk back at offset %d: ", source.Size-1)},
		"table reads back wrong":     {&cutDisk{wrong: 600}, source, "reading the disk back at offset 600: it has the byte "},
		"writes fail":                {&cutDisk{wrong: -1, bad: 5<<20 + 3}, source, "writing the disk at offset 5242883: input/output error"},
		"the first sync fails":       {&cutDisk{wrong: -1, failOn: 1}, source, "writing the disk: input/output error"},
		"a later sync fails":         {&cutDisk{wrong: -1, failOn: 3}, source, "writing the disk: input/output error"},
		"the medium ends":            {&cutDisk{wrong: -1}, short, "reading the image from the medium at offset 7340032: it ends here"},
		"the medium is damaged":      {&cutDisk{wrong: -1}, Source{bytes.NewReader(damaged), source.Size, source.SHA256}, "the image on the medium is damaged: its SHA-256 is "},
		"no room for the mark":       {&cutDisk{wrong: -1}, Source{bytes.NewReader(marked), source.Size, source.SHA256}, "the image has something at offset 32773"},
		"the image is as large":      {&cutDisk{wrong: -1}, Source{source.ReaderAt, size, source.SHA256}, "cannot be written to a disk of"},
		"the image is less than one": {&cutDisk{wrong: -1}, Source{source.ReaderAt, 512, source.SHA256}, "an image of 512 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			c.disk.data, c.disk.left = make([]byte, size), -1
			err := WriteImage(t.Context(), c.disk, size, c.source, noWord)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if table, err := readTable(bytes.NewReader(c.disk.data), 512); err == nil && name != "table reads back wrong" {
				t.Errorf("the disk boots: %v", table)
			}
			if done := look(bytes.NewReader(c.disk.data), size, 512); !done.Empty() && !done.Unfinished {
				t.Errorf("the disk has %s", &done)
			}
		})
	}
}

func TestWriteImageStops(t *testing.T) {
	source, _ := sampleImage(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := &cutDisk{data: make([]byte, source.Size+16<<20), left: -1, wrong: -1}
	if err := WriteImage(ctx, d, int64(len(d.data)), source, noWord); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if c := look(bytes.NewReader(d.data), int64(len(d.data)), 512); !c.Unfinished {
		t.Errorf("the disk is not known as unfinished: %s", &c)
	}
}

// TestStateCuts: a power cut while a disk is marked for a state, or later while
// programs make it, leaves one that the state is made on again.
func TestStateCuts(t *testing.T) {
	const size = 16 << 20
	for after := range 8 {
		for _, kept := range []bool{false, true} {
			d := &cutDisk{data: make([]byte, size), left: after, wrong: -1}
			err := MarkState(d, size)
			if after >= 6 && err != nil {
				t.Fatalf("cut after %d: %v", after, err)
			}
			left := d.cut(func() bool { return kept })
			// What mkfs leaves at the place of the partition, and half a table.
			if after >= 6 {
				copy(left[headSize+1024:], "superblock")
				copy(left[512:], gptMagic+"torn")
			}
			if c := look(bytes.NewReader(left), size, 512); !c.Blank() || c.hasState() {
				t.Errorf("cut after %d, kept %v: it holds %s", after, kept, &c)
			}
		}
	}
	// With a whole table, the mark means nothing any more.
	_, image := sampleImage(t)
	data := append(image, make([]byte, 1<<20)...)
	copy(data[markAt:], stateText)
	if c := look(bytes.NewReader(data), int64(len(data)), 512); c.Begun || c.Blank() {
		t.Errorf("a disk with a table holds %s", &c)
	}
}
