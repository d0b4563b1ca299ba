package images

import (
	"archive/tar"
	"bytes"
	"fmt"
	"hash"
)

// The archive has its files in the order that DSP0243, 5.3 gives: descriptor,
// disk, manifest. Headers and contents take whole sectors of 512 bytes.

// diskOffset is where the disk begins in the archive.
func (a *ova) diskOffset() int64 {
	return SectorSize + ceilDiv(int64(a.reserved), SectorSize)*SectorSize + SectorSize
}

// head returns all before the disk.
func (a *ova) head(disk Stats) ([]byte, error) {
	if disk.FileSize > maxUSTAR {
		return nil, fmt.Errorf("compressed disk of %d bytes: USTAR archives hold files of at most %d", disk.FileSize, maxUSTAR)
	}
	descriptor, err := a.describe(disk)
	if err != nil {
		return nil, err
	}
	// Always as long as the longest, so that the disk's place is known before
	// its size: white space before the last newline says nothing in XML.
	descriptor = append(bytes.TrimSuffix(descriptor, []byte{'\n'}), bytes.Repeat([]byte{' '}, a.reserved-len(descriptor))...)
	descriptor = append(descriptor, '\n')
	a.descriptor.Write(descriptor) // never fails
	var b bytes.Buffer
	if err := a.add(&b, a.name(".ovf"), descriptor); err != nil {
		return nil, err
	}
	err = a.begin(&b, a.name("-disk1.vmdk"), disk.FileSize)
	return b.Bytes(), err
}

// tail returns all after the disk.
func (a *ova) tail(disk hash.Hash) ([]byte, error) {
	manifest := fmt.Sprintf("SHA256(%s)= %x\nSHA256(%s)= %x\n", a.name(".ovf"), a.descriptor.Sum(nil), a.name("-disk1.vmdk"), disk.Sum(nil))
	var b bytes.Buffer
	if err := a.add(&b, a.name(".mf"), []byte(manifest)); err != nil {
		return nil, err
	}
	b.Write(zeros[:2*SectorSize]) // the end of the archive
	return b.Bytes(), nil
}

// add appends a file.
func (a *ova) add(b *bytes.Buffer, name string, content []byte) error {
	if err := a.begin(b, name, int64(len(content))); err != nil {
		return err
	}
	b.Write(content)
	b.Write(zeros[:-len(content)&(SectorSize-1)])
	return nil
}

// begin appends the header of a file.
func (a *ova) begin(b *bytes.Buffer, name string, size int64) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: a.time, Format: tar.FormatUSTAR}
	if err := tar.NewWriter(b).WriteHeader(header); err != nil {
		return fmt.Errorf("adding %q to the archive: %w", name, err)
	}
	return nil
}
