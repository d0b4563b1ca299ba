package configiso

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// mustRefuse reads a volume that is not in order.
func mustRefuse(t *testing.T, image []byte, want string) {
	t.Helper()
	v, err := Read(bytes.NewReader(image), int64(len(image)))
	switch {
	case err == nil:
		t.Errorf("%d files were read, want the error %s", len(v.Files), want)
	case !strings.Contains(err.Error(), want):
		t.Errorf("error is %v, want %s", err, want)
	case len(v.Files) != 0 || v.Label != "":
		t.Errorf("an error came with %v", v)
	}
}

func TestReadWhatIsNoVolume(t *testing.T) {
	for name, image := range map[string][]byte{
		"nothing":       nil,
		"text":          []byte("#cloud-config\n"),
		"zeros":         make([]byte, 1<<20),
		"other":         bytes.Repeat([]byte("other"), 1<<16),
		"half a sector": append(make([]byte, primarySector*sectorSize), "\x01CD001\x01"...),
	} {
		t.Run(name, func(t *testing.T) {
			mustRefuse(t, image, "reading volume: not an ISO 9660 volume: no volume descriptor in sector 16")
			if _, err := Read(bytes.NewReader(image), int64(len(image))); !errors.Is(err, ErrNotISO9660) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// TestReadDamaged changes one thing at a time in a good volume. Its folders are
// in the sectors 18 (root), 19 (openstack) and 20 (latest).
func TestReadDamaged(t *testing.T) {
	const primary, end, root, openstack, latest = 16, 17, 18, 19, 20
	const first = 68 // byte of the first record after those of the folder itself and its parent
	put := func(sector, at int, bytes string) func([]byte) []byte {
		return func(b []byte) []byte {
			copy(b[sector*sectorSize+at:], bytes)
			return b
		}
	}
	tests := []struct {
		name   string
		change func([]byte) []byte
		want   string
	}{
		{"no primary descriptor", put(primary, 0, "\x00"), `reading volume: there is no primary volume descriptor`},
		{"no end of descriptors", put(end, 0, "\x00"), `reading volume: sector 18: volume descriptor has the identifier "\x00\x12\x00\x00\x00" (CD001)`},
		{"foreign descriptor", put(end, 1, "BEA01"), `sector 17: volume descriptor has the identifier "BEA01" (CD001)`},
		{"small blocks", put(primary, fieldBlock, "\x00\x02\x02\x00"), `sector 16: volume descriptor: logical blocks have 512 bytes (2048)`},
		{"two sizes", put(primary, fieldSpace, littleOnly(5)), `size of the volume: the two copies of the number differ: 5 and 4294967295`},
		{"cut off", func(b []byte) []byte { return b[:len(b)-1] }, `volume has 31 sectors, and only 63487 bytes of them are here: it is cut off`},
		{"root is a file", put(primary, rootRecord+25, "\x00"), `root folder is not marked as a folder`},
		{"root is nowhere", put(primary, rootRecord+2, both(1<<31)), `root folder: sector 2147483648: 2048 bytes from here on go beyond the end (63488 bytes)`},
		{"root has no record", put(primary, rootRecord, "\x00"), `root folder: record of 0 bytes has an identifier of 1 bytes`},
		{"root is in a file", put(primary, rootRecord+2, both(22)), `root folder: sector 22: `},
		{"folder of odd length", put(root, first+10, both(2047)), `folder "openstack": sector 19: folder has 2047 bytes, which are not whole sectors`},
		{"folder of no length", put(root, first+10, both(0)), `folder "openstack": sector 19: folder has 0 bytes`},
		{"folder beyond the end", put(root, first+2, both(1<<20)), `folder "openstack": sector 1048576: 2048 bytes from here on go beyond the end`},
		{"loop to the root", put(root, first+2, both(root)), `reading volume "config-2": sector 18: folder "openstack" is the same as folder ""`},
		{"loop to itself", put(openstack, first+2, both(openstack)), `sector 19: folder "openstack/latest" is the same as folder "openstack"`},
		{"record too short", put(openstack, first, "\x22"), `folder "openstack": sector 19, byte 68: record of 34 bytes has an identifier of 6 bytes`},
		{"no identifier", put(openstack, first+32, "\x00"), `record of 40 bytes has an identifier of 0 bytes`},
		{"interleaved", put(openstack, first+26, "\x01"), `content is interleaved`},
		{"two locations", put(openstack, first+2, littleOnly(20)), `location of content: the two copies of the number differ: 20 and 4294967295`},
		{"two lengths", put(openstack, first+10, littleOnly(2048)), `length of content: the two copies of the number differ`},
		{"attributes without end", func(b []byte) []byte {
			return put(openstack, first+1, "\xff")(put(openstack, first+2, both(1<<32-1))(b))
		}, `content is said to be at sector 4294967295`},
		{"content beyond the end", put(latest, first+10, both(1<<20)), `file "openstack/latest/meta_data.json": sector 21: 1048576 bytes from here on go beyond the end (63488 bytes)`},
		{"4 GiB of content", put(latest, first+10, both(1<<32-1)), `file "openstack/latest/meta_data.json": volume has more than 67108864 bytes of content`},
		{"several extents", put(latest, first+25, "\x80"), `folder "openstack/latest": sector 20, byte 68: file "openstack/latest/meta_data.json" has several extents`},
		{"name is two dots", put(latest, first+32, "\x02.."), `name ".." is not allowed`},
		{"no name", put(latest, first+32, "\x02;1"), `name "" is not allowed`},
	}
	good := mustWrite(t, configDrive())
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			mustRefuse(t, test.change(slices.Clone(good)), test.want)
		})
	}
}

func TestReadCrafted(t *testing.T) {
	const a, b = firstCrafted + 1, firstCrafted + 2
	file := func(id string, use ...string) string { return entry(id, a, 5, 0, use...) }
	tests := []struct {
		name    string
		sectors []string
		want    string // the paths that are read, or the error
	}{
		{"plain names", []string{dots(18, 18) + file("A.;1") + file("B;1") + file("C;2") + file("D/E.TXT;1") + file("F\x00G"), "hello"}, "a b c.2 d.e.txt f"},
		{"associated file", []string{dots(18, 18) + file("A;1") + entry("A;1", a, 5, flagAssociated), "hello"}, "a"},
		{"twice", []string{dots(18, 18) + file("A;1") + file("a."+";1"), "hello"}, `file "a" is there twice`},
		{"record across sectors", []string{dots(18, 18) + strings.Repeat(entry(strings.Repeat("x", 11), a, 0, 0), 44) + entry("y", a, 0, 0, strings.Repeat("z", 30))}, "sector 18, byte 2004: record of 64 bytes crosses the end of its sector"},
		{"end too small for a record", []string{dots(18, 18) + strings.Repeat(entry(strings.Repeat("x", 11), a, 0, 0), 44) + entry(strings.Repeat("x", 9), a, 0, 0) + "\x22"}, "sector 18, byte 2046: only 2 bytes are left for a directory record"},
		{"extended attributes", []string{dots(18, 18) + "\x24\x01" + file("A;1")[2:], "attributes", "hello"}, "a"},

		{"Rock Ridge", []string{rockDots() + file("A", px(0o100644), nm("Name With ")+nm("Spaces")) + file("B", px(0o100644)), "hello"}, "Name With Spaces b"},
		{"no ER", []string{dots(18, 18, susp("SP", "\xbe\xef\x00")) + file("A", nm("name")), "hello"}, "a"},
		{"no SP", []string{dots(18, 18, susp("ER", "\x0a\x00\x00\x01RRIP_1991A")) + file("A", nm("name")), "hello"}, "a"},
		{"ER of another", []string{dots(18, 18, susp("SP", "\xbe\xef\x00"), susp("ER", "\x05\x00\x00\x01OTHER")) + file("A", nm("name")), "hello"}, "a"},
		{"ER cut off", []string{dots(18, 18, susp("SP", "\xbe\xef\x00"), susp("ER", "\xff\x00\x00\x01RRIP_1991A")) + file("A", nm("name")), "hello"}, "a"},
		{"skipped bytes", []string{dots(18, 18, susp("SP", "\xbe\xef\x04"), susp("ER", "\x0a\x00\x00\x01RRIP_1991A")) + file("A", "skip", nm("name")) + file("B", "x"), "hello"}, "b name"},
		{"end of entries", []string{rockDots() + file("A", nm("one"), susp("ST", ""), nm("two")), "hello"}, "one"},
		{"padding", []string{rockDots() + file("A", nm("one"), "\x00\x00\x00\x00") + file("B", nm("two"), "pad"), "hello"}, "one two"},
		{"continued name", []string{rockDots() + file("A", nm("one-"), ce(b, 100, 8)), "hello", strings.Repeat("-", 100) + nm("two")}, "one-two"},
		{"moved folder", []string{rockDots() + file("A", nm("deep"), susp("CL", both(b))) + entry("MOVED", b, 2048, flagFolder, susp("RE", "")), "hello",
			dots(b, 18) + file("F", nm("file"))}, "deep/file"},
		{"moved to a file", []string{rockDots() + file("A", susp("CL", both(a))), dots(18, 18)[34:]}, `record "A": moved folder: sector 19: no folder starts here`},
		{"moved nowhere", []string{rockDots() + file("A", susp("CL", both(999)))}, `record "A": moved folder: sector 999: `},
		{"moved in a circle", []string{rockDots() + file("A", susp("CL", both(18)))}, `folder "a" is the same as folder ""`},
		{"symbolic link", []string{rockDots() + file("A", px(0o120777))}, `record "A": it is a symbolic link, which is not supported`},
		{"device", []string{rockDots() + file("A", px(0o060660))}, `it has the mode 060660, which is neither of a file nor of a folder`},
		{"short mode", []string{rockDots() + file("A", susp("PX", "1234"))}, `its Rock Ridge attributes are cut off`},
		{"two modes", []string{rockDots() + file("A", susp("PX", littleOnly(0o100644)))}, `its mode: the two copies of the number differ`},
		{"zisofs", []string{rockDots() + file("A", susp("ZF", "pz"))}, `it is compressed by zisofs`},
		{"sparse", []string{rockDots() + file("A", susp("SF", ""))}, `it is a sparse file`},
		{"slash", []string{rockDots() + file("A", nm("a/b"))}, `record "A": name "a/b" contains a slash or a zero byte`},
		{"zero byte", []string{rockDots() + file("A", nm("a\x00b"))}, `name "a\x00b" contains a slash or a zero byte`},
		{"up", []string{rockDots() + file("A", nm(".."))}, `name ".." is not allowed`},
		{"name of the parent", []string{rockDots() + file("A", susp("NM", "\x04"))}, `its Rock Ridge name is not one`},
		{"name without flags", []string{rockDots() + file("A", susp("NM", ""))}, `its Rock Ridge name is not one`},
		{"name too long", []string{rockDots() + file("A", nm("x"), ce(b, 0, 255)), "", nm(strings.Repeat("y", 250))[:255]}, "x" + strings.Repeat("y", 250)},
		{"name too long by one", []string{rockDots() + file("A", nm("xxxxxx"), ce(b, 0, 255)), "", nm(strings.Repeat("y", 250))[:255]}, `its Rock Ridge name has more than 255 bytes`},
		{"entry too long", []string{rockDots() + file("A", "NM\xff\x01\x00name")}, `system use entry "NM" has 255 bytes, and 9 are left`},
		{"entry too short", []string{rockDots() + file("A", "NM\x00\x01\x00name")}, `system use entry "NM" has 0 bytes`},
		{"continued for ever", []string{rockDots() + file("A", ce(a, 0, 28)), ce(a, 0, 28)}, `system use field goes on elsewhere more than 32 times`},
		{"continued across sectors", []string{rockDots() + file("A", ce(a, 2047, 2))}, `sector 19: continuation of 2 bytes at byte 2047 crosses the end of its sector`},
		{"continued at a huge offset", []string{rockDots() + file("A", ce(a, 1<<32-1, 2))}, `crosses the end of its sector`},
		{"continued nowhere", []string{rockDots() + file("A", ce(1<<31, 0, 2))}, `sector 2147483648: 2 bytes from here on go beyond the end`},
		{"short continuation", []string{rockDots() + file("A", susp("CE", both(a)))}, `continuation entry is cut off`},
		{"two places of continuation", []string{rockDots() + file("A", susp("CE", littleOnly(a)+both(0)+both(1)))}, `continuation entry: the two copies of the number differ`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			image := craft(test.sectors...)
			v, err := Read(bytes.NewReader(image), int64(len(image)))
			if err != nil {
				mustRefuse(t, image, test.want)
				return
			}
			var paths []string
			for _, f := range v.Files {
				paths = append(paths, f.Path)
			}
			if got := strings.Join(paths, " "); got != test.want {
				t.Errorf("read %q, want %q", got, test.want)
			}
			if test.name == "extended attributes" && string(v.Files[0].Data) != "hello" {
				t.Errorf("content is %q", v.Files[0].Data)
			}
		})
	}
}

// What a small volume can claim must not cost much time or memory.
func TestReadLimits(t *testing.T) {
	const root, a = firstCrafted, firstCrafted + 1
	large := func(sectors int, tail string) []string {
		all := make([]string, sectors)
		for i := range all {
			all[i] = tail
		}
		return all
	}
	var deep, long []string
	for i := range uint32(40) {
		deep = append(deep, dots(root+i, root)+entry("D", root+i+1, sectorSize, flagFolder))
		long = append(long, dots(root+i, root)+entry("D", root+i+1, sectorSize, flagFolder, nm(strings.Repeat("n", 200))))
	}
	long[0] = rockDots() + long[0][68:]
	tests := []struct {
		name    string
		sectors []string
		want    string
	}{
		{"depth", deep, `is more than 32 folders deep`},
		{"path", long, `path has 1205 bytes (at most 1023)`},
		{"descriptors", nil, `there is no end among 64 volume descriptors`},
		{"entries", append([]string{dots(root, root) + entry("D", a, 400*sectorSize, flagFolder)}, large(400, strings.Repeat(entry("F", a, 0, 0), 60))...),
			`volume has more than 16384 files and folders`},
		{"folders", append([]string{dots(root, root) + entry("D", a, 10000*sectorSize, flagFolder)}, large(10000, "")...),
			`folder "d": folders are larger than a volume of this kind can need`},
		{"content", append([]string{dots(root, root) + strings.Repeat(entry("F", a, 10000*sectorSize, 0), 4)}, large(10000, "")...),
			`file "f": volume has more than 67108864 bytes of content`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			image := craft(test.sectors...)
			if test.name == "descriptors" {
				image = append(image[:(primarySector+1)*sectorSize], bytes.Repeat(append([]byte("\x00CD001\x01"), make([]byte, sectorSize-7)...), 100)...)
			}
			start := time.Now()
			mustRefuse(t, image, test.want)
			if took := time.Since(start); took > 30*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

// brokenReader fails at one sector: with err, or by giving too little.
type brokenReader struct {
	image  []byte
	sector int64
	err    error
}

func (r brokenReader) ReadAt(p []byte, at int64) (int, error) {
	if at/sectorSize == r.sector {
		return 1, r.err
	}
	return bytes.NewReader(r.image).ReadAt(p, at)
}

func TestReadErrors(t *testing.T) {
	image := mustWrite(t, configDrive())
	failed := errors.New("input/output error")
	for sector, want := range map[int64]string{
		17: `reading volume: volume descriptor: sector 17: `,
		18: `reading volume: root folder: sector 18: `,
		19: `reading volume "config-2": folder "openstack": sector 19: `,
		22: `reading volume "config-2": folder "openstack/latest": sector 20, byte 170: file "openstack/latest/user_data": sector 22: `,
	} {
		for _, test := range []struct{ err, want error }{{failed, failed}, {nil, io.ErrUnexpectedEOF}, {io.EOF, io.ErrUnexpectedEOF}} {
			t.Run(fmt.Sprintf("sector %d, %v", sector, test.err), func(t *testing.T) {
				_, err := Read(brokenReader{image, sector, test.err}, int64(len(image)))
				if !errors.Is(err, test.want) || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("error is %v, want %s%v", err, want, test.want)
				}
			})
		}
	}
}

func TestReadTime(t *testing.T) {
	tests := map[string]time.Time{
		"2026010203040500\x00":                    testTime,
		"2026010203040550\x00":                    testTime.Add(500 * time.Millisecond),
		"2026010204040500\x04":                    testTime,
		"2026010122040500\xec":                    testTime,
		"0000000000000000\x00":                    {},
		"2026130203040500\x00":                    {},
		"2026010203040500\x7f":                    {},
		"20260102030405  \x00":                    {},
		strings.Repeat("\x00", volumeStampLength): {},
	}
	for stamp, want := range tests {
		t.Run(fmt.Sprintf("%q", stamp), func(t *testing.T) {
			image := mustWrite(t, configDrive())
			copy(image[primarySector*sectorSize+fieldCreated:], stamp)
			if got := mustRead(t, image).Time; !got.Equal(want) || got.IsZero() != want.IsZero() {
				t.Errorf("time is %s, want %s", got, want)
			}
		})
	}
}
