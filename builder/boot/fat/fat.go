// Package fat composes FAT32 file systems of a few files, as firmware reads
// them from EFI system partitions. Contents are not copied: a file system is a
// disk of parts, made in no time.
//
// The format is Microsoft's "FAT32 File System Specification" (FAT: General
// Overview of On-Disk Format, 1.03), which the UEFI Specification 2.10, 13.3
// takes up.
package fat

import (
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/images"
)

const (
	sectorSize  = images.SectorSize
	clusterSize = 1024 // bytes; a small one, since FAT32 has at least minClusters
	reserved    = 32   // sectors before the first table at least, as everybody has it
	tables      = 2
	// minClusters makes a file system a FAT32; below it, it is a FAT16
	// whatever it says. 16 more keep it clear of readers that count wrong.
	minClusters = 65525 + 16
	// maxClusters is as high as numbers of clusters go: 28 bits, some reserved.
	maxClusters = 0x0ffffff5
)

// File is a file of the file system.
type File struct {
	// Path is such as EFI/BOOT/BOOTX64.EFI. Each part of it has up to 8 letters,
	// digits, "-" and "_", and may have a dot and up to 3 more. Those of a part
	// before the dot are all upper or all lower case, and so are those after.
	Path    string
	Content images.Source
}

// Config is a file system.
type Config struct {
	Size  int64  // in bytes; 0 means the smallest for the files, see MinSize
	ID    uint32 // serial number of the volume
	Label string // of up to 11 upper case letters, digits, "-" and "_"
	Files []File
	// Align is what the places of files are multiples of, in bytes, where the
	// file system begins at such a place: a power of two from 1024 to 1 MiB, or 0
	// for no matter. Others may then find the files without the file system.
	Align int64
}

// MinSize is the smallest FAT32 of this package, in bytes, rounded up to a
// MiB.
const MinSize = 65 << 20

// New composes the file system. The bytes follow from the config alone: all
// files have the time 1980-01-01, the first there is.
func New(c Config) (*images.Disk, error) {
	disk, _, err := NewPlaced(c)
	return disk, err
}

// NewPlaced is New, and tells where each file begins in the file system, by its
// path, in bytes. A file is in one piece.
func NewPlaced(c Config) (*images.Disk, map[string]int64, error) {
	b, err := arrange(c)
	if err != nil {
		return nil, nil, fmt.Errorf("composing FAT: %w", err)
	}
	g, err := plan(c.Size, b.next, b.align)
	if err != nil {
		return nil, nil, fmt.Errorf("composing FAT: %w", err)
	}
	table := b.table(g)
	parts := []images.Part{
		{Offset: 0, Content: images.Bytes(g.head(c.ID, c.Label, b.next, b.skipped))},
		{Offset: g.reserved * sectorSize, Content: images.Bytes(table)},
		{Offset: g.reserved*sectorSize + g.tableSize(), Content: images.Bytes(table)},
	}
	places := map[string]int64{}
	for _, e := range b.extents {
		parts = append(parts, images.Part{Offset: g.offset(e.cluster), Content: e.content})
		if e.path != "" {
			places[e.path] = g.offset(e.cluster)
		}
	}
	disk, err := images.NewDisk(g.size, parts...)
	return disk, places, err
}

// arrange gives clusters to everything.
func arrange(c Config) (*build, error) {
	if c.Label == "" || len(c.Label) > 11 || strings.Trim(c.Label, allowed) != "" {
		return nil, fmt.Errorf("label %q: has to be 1 to 11 of %s", c.Label, allowed)
	}
	if a := c.Align; a != 0 && (a < clusterSize || a > 1<<20 || a&(a-1) != 0) {
		return nil, fmt.Errorf("alignment of %d bytes: has to be a power of two from %d to %d", a, clusterSize, 1<<20)
	}
	root, err := plant(c.Files)
	if err != nil {
		return nil, err
	}
	b := &build{label: c.Label, next: rootCluster, align: max(c.Align, sectorSize)}
	return b, b.place(root, nil)
}

// geometry says where everything is.
type geometry struct {
	size     int64  // of the file system in bytes
	reserved int64  // sectors before the first table
	perTable uint32 // sectors of one table
	clusters uint32
}

// plan makes room for the clusters below next, of which the first begins at a
// multiple of align.
func plan(size int64, next uint32, align int64) (geometry, error) {
	need := int64(next-rootCluster) + 1
	if size == 0 {
		// A table has 4 bytes for each cluster.
		size = max(MinSize, need*clusterSize+tables*need*4+(reserved+4)*sectorSize+align-sectorSize)
		size = (size + 1<<20 - 1) >> 20 << 20
	}
	if size%sectorSize != 0 || size < MinSize || size/clusterSize > maxClusters {
		return geometry{}, fmt.Errorf("a size of %d bytes is not a multiple of %d from %d to %d", size, sectorSize, MinSize, int64(maxClusters)*clusterSize)
	}
	// The most clusters for which tables and data fit: a cluster takes its own
	// sectors and 4 bytes in each table.
	room := size - reserved*sectorSize
	perTable := sectors((room/(clusterSize+tables*4) + rootCluster) * 4)
	head := (reserved + tables*perTable) * sectorSize
	more := (align - head%align) % align
	clusters := (size - head - more) / clusterSize
	if need > clusters {
		return geometry{}, fmt.Errorf("the files have %d bytes, the file system of %d has room for %d", need*clusterSize, size, clusters*clusterSize)
	}
	if clusters < minClusters {
		return geometry{}, fmt.Errorf("a file system of %d bytes is too small for a FAT32", size)
	}
	return geometry{size: size, reserved: reserved + more/sectorSize, perTable: uint32(perTable), clusters: uint32(clusters)}, nil
}

func sectors(n int64) int64 { return (n + sectorSize - 1) / sectorSize }

func (g geometry) tableSize() int64 { return int64(g.perTable) * sectorSize }

// offset is where a cluster begins.
func (g geometry) offset(cluster uint32) int64 {
	return g.reserved*sectorSize + tables*g.tableSize() + int64(cluster-rootCluster)*clusterSize
}
