package configiso

import "encoding/binary"

// addPathTables completes the image with the two path tables that every volume
// must have (6.9, 9.4) and that the library leaves out. Linux does without
// them, but libarchive, which is behind bsdtar, macOS and many archive viewers,
// takes a volume without them for an empty one.
func (f *finisher) addPathTables() {
	little, big := f.pathTable(binary.LittleEndian), f.pathTable(binary.BigEndian)
	atLittle, atBig := f.appendSectors(little), f.appendSectors(big)
	b := f.image[primarySector*sectorSize:][:sectorSize]
	putBoth32(b[fieldTableSize:], uint32(len(little)))
	binary.LittleEndian.PutUint32(b[fieldTableL:], atLittle)
	binary.BigEndian.PutUint32(b[fieldTableM:], atBig)
	putBoth32(b[fieldSpace:], uint32(len(f.image)/sectorSize))
}

// pathTable lists the folders in the order of 6.9.1: by level, within a level by
// the parent's place in the table, then by name. That is the breadth-first order
// of the library, which takes the names of a folder in byte order.
func (f *finisher) pathTable(order binary.AppendByteOrder) []byte {
	var table []byte
	for _, folder := range f.folders {
		table = append(table, byte(len(folder.id)), 0)
		table = order.AppendUint32(table, folder.record.sector)
		table = order.AppendUint16(table, uint16(folder.parent+1)) // maxEntries keeps it in range
		table = append(table, folder.id...)
		if len(folder.id)%2 == 1 {
			table = append(table, 0)
		}
	}
	return table
}

// appendSectors appends data, filled up to whole sectors, to the image and
// returns the first of these sectors.
func (f *finisher) appendSectors(data []byte) uint32 {
	first := len(f.image) / sectorSize
	f.image = append(f.image, data...)
	f.image = append(f.image, make([]byte, sectorsOf(int64(len(data)))*sectorSize-int64(len(data)))...)
	return uint32(first)
}
