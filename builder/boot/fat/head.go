package fat

import "encoding/binary"

const (
	media = 0xf8 // a disk that stays where it is

	infoSector   = 1
	backupSector = 6 // copies of the first sectors
)

// head is the sectors before the tables: boot sector, information and copies
// of both.
func (g geometry) head(id uint32, label string, next, skipped uint32) []byte {
	out := make([]byte, g.reserved*sectorSize)
	boot, info := g.bootSector(id, label), g.infoSector(next, skipped)
	for _, at := range []int{0, backupSector} {
		copy(out[at*sectorSize:], boot)
		copy(out[(at+infoSector)*sectorSize:], info)
	}
	return out
}

func (g geometry) bootSector(id uint32, label string) []byte {
	b := make([]byte, sectorSize)
	le := binary.LittleEndian
	copy(b, []byte{0xeb, 0x58, 0x90}) // a jump over what follows
	copy(b[3:], "MSWIN4.1")           // what the specification recommends
	le.PutUint16(b[11:], sectorSize)
	b[13] = clusterSize / sectorSize
	le.PutUint16(b[14:], uint16(g.reserved))
	b[16] = tables
	b[21] = media
	le.PutUint16(b[24:], 63)  // sectors of a track and
	le.PutUint16(b[26:], 255) // heads: nobody addresses so
	le.PutUint32(b[32:], uint32(g.size/sectorSize))
	le.PutUint32(b[36:], g.perTable)
	le.PutUint32(b[44:], rootCluster)
	le.PutUint16(b[48:], infoSector)
	le.PutUint16(b[50:], backupSector)
	b[64] = 0x80 // number of the drive
	b[66] = 0x29 // the next three are there
	le.PutUint32(b[67:], id)
	copy(b[71:82], "           ")
	copy(b[71:82], label)
	copy(b[82:], "FAT32   ")
	// Who boots this stops: hlt in a loop.
	copy(b[90:], []byte{0xf4, 0xeb, 0xfd})
	b[510], b[511] = 0x55, 0xaa
	return b
}

// infoSector says how much is free: from cluster next on, and what was skipped
// before.
func (g geometry) infoSector(next, skipped uint32) []byte {
	b := make([]byte, sectorSize)
	le := binary.LittleEndian
	le.PutUint32(b, 0x41615252)
	le.PutUint32(b[484:], 0x61417272)
	le.PutUint32(b[488:], g.clusters+rootCluster-next+skipped)
	le.PutUint32(b[492:], next)
	le.PutUint32(b[508:], 0xaa550000)
	return b
}
