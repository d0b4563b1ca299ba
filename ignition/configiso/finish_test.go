package configiso

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// What the library might do another day must not end in a bad volume.
func TestFinishRefuses(t *testing.T) {
	full := Volume{Label: "full", Time: testTime, Files: numbered("", "name", 45)}
	tests := []struct {
		name   string
		change func(image []byte, v *Volume) []byte
		want   string
	}{
		{"no descriptor", func(b []byte, _ *Volume) []byte { return b[:1000] }, `volume descriptor: 2048 bytes at sector 16 are beyond the image of 1000 bytes`},
		{"too short", func(b []byte, _ *Volume) []byte { return b[:40*sectorSize] }, `image has 81920 bytes, and its descriptor says 64 sectors`},
		{"half a sector", func(b []byte, _ *Volume) []byte { return b[:len(b)-1] }, `image has 133119 bytes`},
		{"one sector more", func(b []byte, _ *Volume) []byte { return append(b, make([]byte, sectorSize)...) }, `image has 1 sectors more than its descriptor says`},
		{"surplus with content", func(b []byte, _ *Volume) []byte { b[19*sectorSize] = 1; return b }, `folder "": the sector after its full last sector is not empty`},
		{"file missing", func(b []byte, v *Volume) []byte { v.Files = append(v.Files, File{"more", nil}); return b }, `file "more" is not in the image`},
		{"file too many", func(b []byte, v *Volume) []byte { v.Files = v.Files[1:]; return b }, `there is an unexpected file "name000.x;1" of 15 bytes`},
		{"other size", func(b []byte, v *Volume) []byte { v.Files[3].Data = nil; return b }, `there is an unexpected file "name003.x;1" of 15 bytes`},
		{"content beyond the end", func(b []byte, _ *Volume) []byte { putBoth32(b[18*sectorSize+68+2:], 9999); return b }, `file "name000.x;1": 15 bytes at sector 9999 are beyond the image`},
		{"damaged folder", func(b []byte, _ *Volume) []byte { b[18*sectorSize+68] = 20; return b }, `folder "": record of 20 bytes has an identifier of 11 bytes`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := full
			v.Files = slices.Clone(full.Files)
			image, err := skeleton(v)
			if err != nil {
				t.Fatal(err)
			}
			_, err = finish(test.change(image, &v), v)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	secret := "a secret"
	v := Volume{Label: "config-2", Time: testTime, Files: []File{{"a", []byte(secret)}, {"b", nil}}}
	tests := []struct {
		name   string
		change func(image []byte, v *Volume)
		want   string
	}{
		{"label", func(_ []byte, v *Volume) { v.Label = "config-3" }, `label is "config-2"`},
		{"volume time", func(b []byte, _ *Volume) { b[primarySector*sectorSize+fieldCreated+3] = '9' }, `volume has the time 1862017445, not 1767323045`},
		{"record time", func(b []byte, _ *Volume) { b[18*sectorSize+18] = 1 }, `"" has the time 01 01 02 03 04 05 00, not 7e 01 02 03 04 05 00`},
		{"content", func(b []byte, _ *Volume) { b[19*sectorSize] ^= 1 }, `file "a" has other content`},
		{"name", func(_ []byte, v *Volume) { v.Files[0].Path = "c" }, "file \"a\" is there instead of \"b\"\nfile \"b\" is there instead of \"c\""},
		{"number", func(_ []byte, v *Volume) { v.Files = v.Files[1:] }, `there are 2 files, not 1`},
		{"damage", func(b []byte, _ *Volume) { b[18*sectorSize+68] = 1 }, `record of 1 bytes`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			image, v := mustWrite(t, v), v
			v.Files = slices.Clone(v.Files)
			test.change(image, &v)
			err := verify(image, v)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %s", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), secret[2:]) {
				t.Errorf("the error has a content in it: %v", err)
			}
		})
	}
}

// Nothing of the clock or the machine may be in the descriptor.
func TestDescriptor(t *testing.T) {
	b := mustWrite(t, configDrive())[primarySector*sectorSize:][:sectorSize]
	const stamp = "2026010203040500\x00"
	for _, field := range []struct {
		at   int
		want string
	}{
		{0, "\x01CD001\x01\x00"},
		{fieldSystem, "LINUX" + strings.Repeat(" ", 27)},
		{fieldLabel, "config-2" + strings.Repeat(" ", 24)},
		{190, strings.Repeat(" ", 3*128)}, // volume set, publisher, data preparer
		{fieldApplication, "INGOT" + strings.Repeat(" ", 123)},
		{fieldCreated, stamp},
		{fieldModified, stamp},
		{847, "0000000000000000\x00"}, // never expires
		{fieldEffective, stamp},
		{rootRecord + 18, "\x7e\x01\x02\x03\x04\x05\x00"},
	} {
		if got := string(b[field.at:][:len(field.want)]); got != field.want {
			t.Errorf("at byte %d is %q, want %q", field.at, got, field.want)
		}
	}
}

// TestPathTables holds both tables against the folders that a walk finds.
func TestPathTables(t *testing.T) {
	v := Volume{Label: "tables", Time: testTime, Files: slices.Concat(manyFolders(300), []File{{"a.b/c", nil}, {"a/b", nil}, {"a-b/c", nil}})}
	image := mustWrite(t, v)
	d, err := open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]uint32{"": d.root.sector}
	if err := d.walk(func(n node) error {
		if n.isFolder() && !n.isDot() {
			places[n.path] = n.sector
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	descriptor := image[primarySector*sectorSize:]
	size := int(binary.LittleEndian.Uint32(descriptor[fieldTableSize:]))
	little := binary.LittleEndian.Uint32(descriptor[fieldTableL:])
	big := binary.BigEndian.Uint32(descriptor[fieldTableM:])
	for name, test := range map[string]struct {
		sector uint32
		order  binary.ByteOrder
	}{"little": {little, binary.LittleEndian}, "big": {big, binary.BigEndian}} {
		t.Run(name, func(t *testing.T) {
			table := image[int(test.sector)*sectorSize:][:size]
			var paths, keys []string
			found := map[string]uint32{}
			for len(table) > 0 {
				length := int(table[0])
				parent := int(test.order.Uint16(table[6:]))
				id := string(table[8 : 8+length])
				path := ""
				if id != idSelf {
					path = join(paths[parent-1], id)
				}
				paths = append(paths, path)
				keys = append(keys, fmt.Sprintf("%d %05d %s", strings.Count(path+"/", "/"), parent, id))
				found[path] = test.order.Uint32(table[2:])
				table = table[8+length+length%2:]
			}
			if fmt.Sprint(found) != fmt.Sprint(places) {
				t.Errorf("table has %v\nwant %v", found, places)
			}
			if !slices.IsSorted(keys[1:]) {
				t.Errorf("folders are not in order: %q", keys)
			}
		})
	}
}
