package builder

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/ingot-k8s/ingot/images"
)

// A disk that was enlarged has its bytes, and zeros behind them.
func TestEnlarged(t *testing.T) {
	small := bytes.Repeat([]byte("disk"), 1<<10)
	want := append(bytes.Clone(small), make([]byte, 1<<12)...)
	for name, source := range map[string]images.Source{
		"exact": images.Bytes(small),
		"short": images.Plain(bytes.NewReader(small[:1000]), 1000),
	} {
		t.Run(name, func(t *testing.T) {
			want := append(bytes.Clone(want[:source.Size()]), make([]byte, int64(len(want))-source.Size())...)
			e := enlarged{source, int64(len(want))}
			if e.Size() != int64(len(want)) {
				t.Errorf("%d bytes", e.Size())
			}
			if err := iotest.TestReader(io.NewSectionReader(e, 0, e.Size()), want); err != nil {
				t.Error(err)
			}
		})
	}
	e := enlarged{images.Bytes(small), int64(len(want))}
	used := bytes.Repeat([]byte{1}, 8)
	if n, err := e.ReadAt(used, e.size-4); n != 4 || !errors.Is(err, io.EOF) || !bytes.Equal(used, []byte{0, 0, 0, 0, 1, 1, 1, 1}) {
		t.Errorf("at the end: %d, %v, %v", n, err, used)
	}
	if n, err := e.ReadAt(used, e.size+1); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("behind the end: %d, %v", n, err)
	}
}

// Machines see the same size of every image but those that are the disk itself.
func TestVirtualSize(t *testing.T) {
	small := images.Bytes([]byte("disk"))
	if got := virtualSize(small); got != 16<<30 {
		t.Errorf("%d", got)
	}
	large := enlarged{small, 17 << 30}
	if got := virtualSize(large); got != 17<<30 {
		t.Errorf("a large disk: %d", got)
	}
}
