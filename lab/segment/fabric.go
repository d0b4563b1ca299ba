package segment

import (
	"sync"
	"sync/atomic"
)

// sink is what is attached to a port. It takes a frame, or drops it and
// returns false; it does not keep the bytes.
type sink interface {
	send(frame []byte) bool
}

// port is where something is attached.
type port struct {
	name  string
	index int // in the view
	sink  sink

	sent, received traffic
	dropped        atomic.Uint64
}

type traffic struct{ frames, bytes atomic.Uint64 }

func (t *traffic) add(frame []byte) {
	t.frames.Add(1)
	t.bytes.Add(uint64(len(frame)))
}

// fabric is the switch. It forwards frames in the goroutine that received
// them, and takes no lock for that but the table's.
type fabric struct {
	table table
	view  atomic.Pointer[view]

	mu     sync.Mutex // of those who change the view
	faults faults
}

// view is all that forwarding looks at. It is never changed, only replaced.
type view struct {
	ports []*port
	open  [][]bool // by indexes: whether frames go from one port to another
}

func newFabric() *fabric {
	f := &fabric{table: table{ports: map[mac]*station{}}}
	f.faults.cut = map[string]bool{}
	f.view.Store(&view{})
	return f
}

// add attaches something new.
func (f *fabric) add(name string, to sink) *port {
	f.mu.Lock()
	defer f.mu.Unlock()
	old := f.view.Load().ports
	p := &port{name: name, index: len(old), sink: to}
	f.arrange(append(old[:len(old):len(old)], p))
	return p
}

// arrange makes a view of these ports and the faults. The caller has the lock.
func (f *fabric) arrange(ports []*port) {
	v := &view{ports: ports, open: make([][]bool, len(ports))}
	for i, from := range ports {
		v.open[i] = make([]bool, len(ports))
		for j, to := range ports {
			v.open[i][j] = i != j && f.faults.open(from.name, to.name)
		}
	}
	f.view.Store(v)
}

// The sizes of frames in bytes, without the frame check sequence, which no
// frame here has.
const (
	headerSize = 14   // two addresses and a type
	maxFrame   = 9018 // a jumbo frame of 9000 bytes, with a VLAN tag
)

// forward sends a frame on its way. It does not keep the bytes.
func (f *fabric) forward(from *port, frame []byte) {
	from.sent.add(frame)
	if len(frame) < headerSize || len(frame) > maxFrame {
		from.dropped.Add(1)
		return
	}
	to, by := mac(frame[:6]), mac(frame[6:12])
	if by.group() || by == (mac{}) { // nobody has such an address
		from.dropped.Add(1)
		return
	}
	v := f.view.Load()
	f.table.learn(by, from)
	if to.group() {
		if !linkLocal(to) {
			v.flood(from, frame)
		}
		return
	}
	if p := f.table.find(to); p != nil {
		v.deliver(from, p, frame)
		return
	}
	v.flood(from, frame)
}

// linkLocal reports whether an address is one of those that bridges do not
// forward (IEEE 802.1D, table 7-10): spanning tree, pause, LLDP and so on.
func linkLocal(m mac) bool {
	return [5]byte(m[:5]) == [5]byte{0x01, 0x80, 0xc2, 0, 0} && m[5] < 0x10
}

func (v *view) flood(from *port, frame []byte) {
	for _, to := range v.ports {
		v.deliver(from, to, frame)
	}
}

func (v *view) deliver(from, to *port, frame []byte) {
	switch {
	case from == to: // who is addressed has heard it already
	case !v.open[from.index][to.index]:
		to.dropped.Add(1)
	case to.sink.send(frame):
		to.received.add(frame)
	default:
		to.dropped.Add(1)
	}
}
