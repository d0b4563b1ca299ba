package segment

// Counter is what went through a port since it was made.
type Counter struct {
	Port     string  `json:"port"`
	Sent     Traffic `json:"sent"`     // by what is attached to the port
	Received Traffic `json:"received"` // by it

	// Dropped are the frames from it that were no Ethernet frames, and those
	// for it that it did not get: it is not there, does not read, or a fault
	// was asked for.
	Dropped uint64 `json:"dropped"`
}

// Traffic is an amount of Ethernet frames, and their bytes with headers.
type Traffic struct {
	Frames uint64 `json:"frames"`
	Bytes  uint64 `json:"bytes"`
}

func (t *traffic) read() Traffic {
	return Traffic{Frames: t.frames.Load(), Bytes: t.bytes.Load()}
}

// Counters returns the ports in the order in which they were made, "outside"
// first.
func (s *Segment) Counters() []Counter {
	var out []Counter
	for _, p := range s.fabric.view.Load().ports {
		out = append(out, Counter{Port: p.name, Sent: p.sent.read(), Received: p.received.read(), Dropped: p.dropped.Load()})
	}
	return out
}
