package configiso

import (
	"bytes"
	"io"
	"testing"
)

// nodeVolume is a config drive of about 30 KiB.
func nodeVolume() Volume {
	v := configDrive()
	v.Files = []File{
		{"openstack/latest/user_data", bytes.Repeat([]byte("0123456789abcdef"), 30<<10/16)},
		{"openstack/latest/meta_data.json", bytes.Repeat([]byte("m"), 300)},
		{"openstack/latest/network_data.json", bytes.Repeat([]byte("n"), 500)},
	}
	return v
}

func BenchmarkWrite(b *testing.B) {
	v := nodeVolume()
	b.ReportAllocs()
	for b.Loop() {
		if err := Write(io.Discard, v); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWriteParallel is how a whole cluster's volumes are written.
func BenchmarkWriteParallel(b *testing.B) {
	v := nodeVolume()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := Write(io.Discard, v); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	image := mustWrite(b, nodeVolume())
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(bytes.NewReader(image), int64(len(image))); err != nil {
			b.Fatal(err)
		}
	}
}
