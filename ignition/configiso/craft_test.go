package configiso

import (
	"encoding/binary"
	"strings"
)

// firstCrafted is the first sector after the descriptors of a crafted volume,
// which is its root folder.
const firstCrafted = systemSectors + 2

// craft makes a volume by hand, of sectors after the descriptors. The first is
// the root folder, of one sector.
func craft(sectors ...string) []byte {
	image := make([]byte, (firstCrafted+len(sectors))*sectorSize)
	primary := image[primarySector*sectorSize:]
	copy(primary, "\x01CD001\x01")
	copy(primary[fieldLabel:], "crafted"+strings.Repeat(" ", maxLabel))
	putBoth32(primary[fieldSpace:], uint32(len(image)/sectorSize))
	copy(primary[fieldBlock:], "\x00\x08\x08\x00")
	copy(primary[rootRecord:], entry(idSelf, firstCrafted, sectorSize, flagFolder))
	copy(image[(primarySector+1)*sectorSize:], "\xffCD001\x01")
	for i, sector := range sectors {
		copy(image[(firstCrafted+i)*sectorSize:][:sectorSize], sector)
	}
	return image
}

// entry is a directory record. Its content is at the given sector of the volume.
func entry(id string, sector, length uint32, flags byte, use ...string) string {
	b := make([]byte, recordHeader, 256)
	putBoth32(b[2:], sector)
	putBoth32(b[10:], length)
	b[25] = flags
	b[32] = byte(len(id))
	b = append(b, id...)
	if len(b)%2 == 1 {
		b = append(b, 0)
	}
	b = append(b, strings.Join(use, "")...)
	b[0] = byte(len(b))
	return string(b)
}

// dots are a folder's records of itself and its parent.
func dots(self, parent uint32, use ...string) string {
	return entry(idSelf, self, sectorSize, flagFolder, use...) + entry(idParent, parent, sectorSize, flagFolder)
}

// rockDots are the first two records of a root folder with Rock Ridge.
func rockDots() string {
	return dots(firstCrafted, firstCrafted, susp("SP", "\xbe\xef\x00"), susp("ER", "\x0a\x00\x00\x01RRIP_1991A"))
}

// susp is an entry of a system use field.
func susp(signature, data string) string {
	return signature + string([]byte{byte(4 + len(data)), 1}) + data
}

// px is the entry with a file's mode.
func px(mode uint32) string {
	return susp("PX", both(mode)+strings.Repeat("\x00", 24))
}

// nm is the entry with a file's name.
func nm(name string) string { return susp("NM", "\x00"+name) }

// ce is the entry that says where a system use field goes on.
func ce(sector, offset, length uint32) string {
	return susp("CE", both(sector)+both(offset)+both(length))
}

func both(n uint32) string {
	b := make([]byte, 8)
	putBoth32(b, n)
	return string(b)
}

// littleOnly is a number with a wrong big-endian copy.
func littleOnly(n uint32) string {
	return string(binary.LittleEndian.AppendUint32(nil, n)) + "\xff\xff\xff\xff"
}
