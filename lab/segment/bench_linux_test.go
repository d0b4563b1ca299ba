package segment_test

import (
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/lab/segment"
)

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

// BenchmarkTCP sends through one connection: from "outside" to a machine, to
// "outside" from it, and from machine to machine. The machines are Linux' own
// stack behind a tap device; what carries their frames, in QEMU's place, is in
// this process, so its time counts too.
func BenchmarkTCP(b *testing.B) {
	s := start(b, segment.Config{})
	m, n := linux(b, s, "m"), linux(b, s, "n")
	m.address("192.0.2.10/24")
	n.address("192.0.2.11/24")
	var l net.Listener
	m.in(func() {
		var err error
		if l, err = net.Listen("tcp", "192.0.2.10:5001"); err != nil {
			b.Fatal(err)
		}
	})
	defer func() { _ = l.Close() }()
	pair := func(from *kernel) (client, server net.Conn) {
		var err error
		if from == nil {
			client, err = dial(b, s, "tcp", "192.0.2.10:5001")
		} else {
			from.in(func() { client, err = net.DialTimeout("tcp", "192.0.2.10:5001", soon) })
		}
		if err == nil {
			server, err = l.Accept()
		}
		if err != nil {
			b.Fatal(err)
		}
		return client, server
	}
	for _, c := range []struct {
		name    string
		from    *kernel
		reverse bool
	}{{"in", nil, false}, {"out", nil, true}, {"between", n, false}} {
		b.Run(c.name, func(b *testing.B) {
			from, to := pair(c.from)
			defer func() { _ = from.Close() }()
			defer func() { _ = to.Close() }()
			if c.reverse {
				from, to = to, from
			}
			chunk, buf := make([]byte, 64<<10), make([]byte, 64<<10)
			b.SetBytes(int64(len(chunk)))
			read := make(chan error)
			go func() {
				for i := 0; i < b.N; i++ {
					if _, err := io.ReadFull(to, buf); err != nil {
						read <- err
						return
					}
				}
				read <- nil
			}()
			before := cpu(b)
			for i := 0; i < b.N; i++ {
				if _, err := from.Write(chunk); err != nil {
					b.Fatal(err)
				}
			}
			if err := <-read; err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/float64(b.N)/float64(len(chunk)), "cpu-ns/byte")
		})
	}
	b.Log(s.Counters())
}
