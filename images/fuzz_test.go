package images

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// FuzzFormats writes disks of all shapes and has QEMU turn the images into raw
// disks again. Two bytes are the size, the others, by fives, the pieces.
func FuzzFormats(f *testing.F) {
	need.Tool(f, "qemu-img")
	f.Add([]byte{1, 0})
	f.Add([]byte{0, 8, 0, 0, 255, 255, 1})
	f.Add([]byte{3, 1, 0, 127, 2, 0, 0, 0, 129, 0, 3, 2, 2, 0, 9, 40, 0})
	f.Add([]byte{255, 31, 1, 0, 200, 40, 2, 255, 30, 255, 255, 1, 0, 20, 1, 0, 3, 0, 24, 80, 0, 1})
	f.Fuzz(func(t *testing.T, shape []byte) {
		if len(shape) < 2 || len(shape) > 100 {
			return
		}
		number := func(i int) int64 { return int64(shape[i]) | int64(shape[i+1])<<8 }
		s := sample{size: (number(0)%(8*mib/512) + 1) * 512}
		for i := 2; i+5 <= len(shape); i += 5 {
			offset := number(i) * 512 % s.size
			fill := []func(uint64, int64) []byte{words, noise, nothing}[shape[i+4]%3]
			s.pieces = append(s.pieces, piece{offset, min(1+number(i+2)*7, s.size-offset), fill})
		}
		src, path := s.source(t)
		for _, c := range []struct {
			name    string
			format  format
			rounded bool // sizes are multiples of the grain
		}{
			{"raw", formats()["raw"], false},
			{"qcow2", qcow2Format(QCOW2Options{}, ""), false},
			{"qcow2", qcow2Format(QCOW2Options{Compression: Zlib, ClusterSize: 4 * kib}, ""), false},
			{"vmdk", vmdkFormat(""), true},
		} {
			image := write(t, c.format, src).path
			back := filepath.Join(t.TempDir(), "back.raw")
			tool(t, "qemu-img", "convert", "-f", c.name, "-O", "raw", image, back)
			if c.rounded {
				if info, err := os.Stat(back); err != nil || info.Size() != ceilDiv(s.size, grain)*grain {
					t.Errorf("%s: got %d bytes (%v) from a disk of %d", c.name, info.Size(), err, s.size)
				}
				if err := os.Truncate(back, s.size); err != nil {
					t.Fatal(err)
				}
			}
			mustEqual(t, back, path)
		}
		image := write(t, gzipFormat(""), src).path
		mustGunzip(t, image, path)
	})
}
