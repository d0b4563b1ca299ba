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
	reserved    = 32   // sectors before the first table, as everybody has it
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
}

// MinSize is the smallest FAT32 of this package, in bytes, rounded up to a
// MiB.
const MinSize = 65 << 20

// New composes the file system. The bytes follow from the config alone: all
// files have the time 1980-01-01, the first there is.
func New(c Config) (*images.Disk, error) {
	if c.Label == "" || len(c.Label) > 11 || strings.Trim(c.Label, allowed) != "" {
		return nil, fmt.Errorf("composing FAT: label %q: has to be 1 to 11 of %s", c.Label, allowed)
	}
	root, err := plant(c.Files)
	if err != nil {
		return nil, fmt.Errorf("composing FAT: %w", err)
	}
	b := &build{label: c.Label, next: rootCluster}
	if err := b.place(root, nil); err != nil {
		return nil, fmt.Errorf("composing FAT: %w", err)
	}
	g, err := plan(c.Size, b.next)
	if err != nil {
		return nil, fmt.Errorf("composing FAT: %w", err)
	}
	table := b.table(g)
	parts := []images.Part{
		{Offset: 0, Content: images.Bytes(g.head(c.ID, c.Label, b.next))},
		{Offset: reserved * sectorSize, Content: images.Bytes(table)},
		{Offset: reserved*sectorSize + g.tableSize(), Content: images.Bytes(table)},
	}
	for _, e := range b.extents {
		parts = append(parts, images.Part{Offset: g.offset(e.cluster), Content: e.content})
	}
	return images.NewDisk(g.size, parts...)
}

// geometry says where everything is.
type geometry struct {
	size     int64  // of the file system in bytes
	perTable uint32 // sectors of one table
	clusters uint32
}

// plan makes room for the clusters below next.
func plan(size int64, next uint32) (geometry, error) {
	need := int64(next-rootCluster) + 1
	if size == 0 {
		// A table has 4 bytes for each cluster.
		size = max(MinSize, need*clusterSize+tables*need*4+(reserved+4)*sectorSize)
		size = (size + 1<<20 - 1) >> 20 << 20
	}
	if size%sectorSize != 0 || size < MinSize || size/clusterSize > maxClusters {
		return geometry{}, fmt.Errorf("a size of %d bytes is not a multiple of %d from %d to %d", size, sectorSize, MinSize, int64(maxClusters)*clusterSize)
	}
	// The most clusters for which tables and data fit: a cluster takes its own
	// sectors and 4 bytes in each table.
	room := size - reserved*sectorSize
	clusters := room / (clusterSize + tables*4)
	perTable := sectors((clusters + rootCluster) * 4)
	for clusters*clusterSize+tables*perTable*sectorSize > room {
		clusters--
	}
	if need > clusters {
		return geometry{}, fmt.Errorf("the files have %d bytes, the file system of %d has room for %d", need*clusterSize, size, clusters*clusterSize)
	}
	if clusters < minClusters {
		return geometry{}, fmt.Errorf("a file system of %d bytes is too small for a FAT32", size)
	}
	return geometry{size: size, perTable: uint32(perTable), clusters: uint32(clusters)}, nil
}

func sectors(n int64) int64 { return (n + sectorSize - 1) / sectorSize }

func (g geometry) tableSize() int64 { return int64(g.perTable) * sectorSize }

// offset is where a cluster begins.
func (g geometry) offset(cluster uint32) int64 {
	return reserved*sectorSize + tables*g.tableSize() + int64(cluster-rootCluster)*clusterSize
}
