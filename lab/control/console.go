package control

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/ingot-k8s/ingot/lab/machine"
)

// streamName is the protocol that a connection changes to for a console.
const streamName = "ingot-console"

// lookEvery is how often a console's log is looked at for somebody who sits
// there.
const lookEvery = 50 * time.Millisecond

// console connects whoever asks with a machine's serial port. Several may be
// there at once: all see the log, and what they type goes to the machine.
func (s *server) console(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	m := s.lab.Machine(name)
	if m == nil || m.Ended() {
		reply(w, nil, fmt.Errorf("connecting to the console of %q: the machine is off", name))
		return
	}
	status := s.lab.Status()
	state, _ := status.Machine(name)
	log, err := os.Open(state.Log)
	if err != nil {
		reply(w, nil, err)
		return
	}
	defer func() { _ = log.Close() }() // it was only read
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		reply(w, nil, fmt.Errorf("connecting to the console of %q: not on this connection", name))
		return
	}
	conn, buffered, err := hijacker.Hijack()
	if err != nil {
		return // nobody is there
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", streamName); err != nil {
		return
	}
	attach(m, log, conn, buffered.Reader)
}

// recent is how much of what was said before is shown first, in bytes.
const recent = 2 << 10

// attach passes bytes on until the machine ends or the other side hangs up.
func attach(m *machine.Machine, log *os.File, conn net.Conn, typed *bufio.Reader) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		_, _ = io.Copy(m.Console(), typed) // ends with the connection or the machine
	}()
	if info, err := log.Stat(); err == nil && info.Size() > recent {
		_, _ = log.Seek(lineStart(log, info.Size()-recent), io.SeekStart) // a regular file
	}
	for {
		ended := m.Ended() // before reading: what was said last is read yet
		_, err := io.Copy(conn, log)
		if ended {
			return
		}
		if err != nil { // nobody sees it, but what was typed is still on its way
			_ = m.Wait(ctx)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
	}
}

// lineStart finds where the first whole line after an offset begins.
func lineStart(log io.ReaderAt, offset int64) int64 {
	buffer := make([]byte, recent)
	n, _ := log.ReadAt(buffer, offset) // what there is
	for i, b := range buffer[:n] {
		if b == '\n' {
			return offset + int64(i) + 1
		}
	}
	return offset
}
