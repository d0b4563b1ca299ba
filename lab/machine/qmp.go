package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
)

// monitor speaks QMP, QEMU's protocol for machines: JSON values, of which
// those with "id" answer a command and those with "event" come by themselves.
// See docs/interop/qmp-spec.txt of QEMU.
type monitor struct {
	conn net.Conn
	send *json.Encoder

	mu      sync.Mutex
	last    int
	pending map[int]chan reply
	closed  error // why no more answers come

	gone chan struct{} // closed when all has been received

	// event is called with what comes by itself, one at a time.
	event func(name string, data json.RawMessage)
}

type reply struct {
	result json.RawMessage
	err    error
}

type message struct {
	ID     *int            `json:"id"`
	Return json.RawMessage `json:"return"`
	Error  *struct {
		Class string `json:"class"`
		Desc  string `json:"desc"`
	} `json:"error"`
	Event    string          `json:"event"`
	Data     json.RawMessage `json:"data"`
	Greeting json.RawMessage `json:"QMP"`
}

// newMonitor takes the greeting from a connection and reads from then on.
func newMonitor(conn net.Conn, event func(string, json.RawMessage)) (*monitor, error) {
	received := json.NewDecoder(conn)
	var greeting message
	if err := received.Decode(&greeting); err != nil {
		return nil, fmt.Errorf("reading QMP's greeting: %w", err)
	}
	if greeting.Greeting == nil {
		return nil, errors.New("reading QMP's greeting: there is something else")
	}
	m := &monitor{conn: conn, send: json.NewEncoder(conn), pending: map[int]chan reply{}, gone: make(chan struct{}), event: event}
	go m.receive(received)
	return m, nil
}

func (m *monitor) receive(received *json.Decoder) {
	defer close(m.gone)
	for {
		var got message
		if err := received.Decode(&got); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
				err = ErrEnded
			}
			m.close(err)
			return
		}
		switch {
		case got.Event != "":
			m.event(got.Event, got.Data)
		case got.ID != nil:
			m.mu.Lock()
			waiting := m.pending[*got.ID]
			delete(m.pending, *got.ID)
			m.mu.Unlock()
			if waiting == nil {
				continue // who asked did not wait for it
			}
			r := reply{result: got.Return}
			if got.Error != nil {
				r.err = fmt.Errorf("%s (%s)", got.Error.Desc, got.Error.Class)
			}
			waiting <- r
		}
	}
}

// close lets nobody wait any longer.
func (m *monitor) close(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed == nil {
		m.closed = err
	}
	for id, waiting := range m.pending {
		waiting <- reply{err: err}
		delete(m.pending, id)
	}
	_ = m.conn.Close() // nothing is written any more
}

// start sends a command and returns where its reply comes.
func (m *monitor) start(command string, arguments any) (<-chan reply, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed != nil {
		return nil, m.closed
	}
	m.last++
	waiting := make(chan reply, 1)
	m.pending[m.last] = waiting
	err := m.send.Encode(struct {
		Execute   string `json:"execute"`
		Arguments any    `json:"arguments,omitempty"`
		ID        int    `json:"id"`
	}{command, arguments, m.last})
	if err != nil {
		delete(m.pending, m.last)
		return nil, err
	}
	return waiting, nil
}
