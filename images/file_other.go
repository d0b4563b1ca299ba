//go:build !linux

package images

// Refused as invalid, so that a file has no holes.
const (
	seekData = -1
	seekHole = -1
)
