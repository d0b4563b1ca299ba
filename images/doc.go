// Package images writes disk images: raw, qcow2, streamOptimized VMDK, OVA and
// gzipped raw, from a raw disk that is a file or is composed of parts.
//
// Every writer reads only where the disk has data, compresses on all
// processors, holds a bounded number of blocks in memory, and writes bytes that
// depend on the content of the disk and on the options alone: not on where the
// disk's holes are, the clock, the machine or the number of processors. What is
// all zeros is not stored. docs/reference/disk-formats.md says what is written
// and by which specifications.
//
// Writers that only append take an io.Writer. Those that leave holes or go back
// to what they wrote take an io.WriterAt that was empty before, such as a new
// file. Both are only used by the goroutine that called the writer. An image is
// whole only when its writer returned without an error.
//
// Partition tables are in package gpt, hash trees in package verity.
package images
