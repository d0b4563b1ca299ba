package segment_test

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/lab/segment"
)

// frame is a full one from one machine to another.
func frame(to, from string, size int) []byte {
	b := make([]byte, size)
	for i, name := range []string{to, from} {
		hw, err := net.ParseMAC(segment.MAC("test", name))
		if err != nil {
			panic(err)
		}
		copy(b[6*i:], hw)
	}
	b[12], b[13] = 0x88, 0xb5 // for experiments (IEEE 802)
	return b
}

// cpu is the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFrames sends full frames from one port to another as fast as they
// are taken. Both ends are in this process, so their time counts too.
func BenchmarkFrames(b *testing.B) {
	s := start(b, segment.Config{})
	from, to := plug(b, s, "a"), plug(b, s, "b")
	to.write(frame("a", "b", 60)) // is known now
	if from.read(soon) == nil {
		b.Fatal("no way from b to a")
	}
	f := frame("b", "a", segment.MTU+14)
	got := make(chan int)
	go func() {
		buf := make([]byte, 1<<16)
		for n := 0; ; n++ {
			size, err := to.conn.Read(buf)
			if err != nil || size < 100 {
				got <- n
				return
			}
		}
	}()
	b.SetBytes(int64(len(f)))
	before := cpu(b)
	for b.Loop() {
		from.write(f)
	}
	used := cpu(b) - before
	time.Sleep(100 * time.Millisecond)
	from.write(frame("b", "a", 60))
	n := <-got
	b.ReportMetric(float64(used.Nanoseconds())/float64(b.N), "cpu-ns/op")
	b.ReportMetric(100*float64(b.N-n)/float64(b.N), "lost-%")
}
