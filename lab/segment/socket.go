package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// socket is the segment's end of a port. What the machine sends comes in by
// rx, which has a name. What it gets goes out by another socket, tx, that is
// connected to the machine's: only then does the kernel say when there is room
// again, and were rx connected, it would refuse what a machine sends that was
// started anew.
type socket struct {
	rx *net.UnixConn
	to unix.SockaddrUnix // the machine's end

	mu     sync.Mutex
	tx     *os.File
	fd     int // of tx
	closed bool
	queue  queue         // what waits for room
	wake   chan struct{} // says that something does
}

func newSocket(local, remote string) (*socket, error) {
	if err := free(remote); err != nil {
		return nil, err
	}
	rx, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: remote, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	// No program that is started meanwhile inherits it.
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		_ = rx.Close() // the first error is the one to report
		return nil, fmt.Errorf("making a socket: %w", err)
	}
	s := &socket{rx: rx, to: unix.SockaddrUnix{Name: local}, fd: fd, wake: make(chan struct{}, 1)}
	s.tx = os.NewFile(uintptr(fd), local)
	return s, nil
}

// free removes what a segment left that was killed. It fails if somebody
// receives there.
func free(path string) error {
	conn, err := net.Dial("unixgram", path)
	if err == nil {
		_ = conn.Close()
		return fmt.Errorf("socket %q is in use by another segment", path)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// receive hands on frames until the socket is closed.
func (s *socket) receive(to func(frame []byte)) {
	frame := make([]byte, maxFrame+1) // what is longer is too long
	for {
		n, err := s.rx.Read(frame)
		if err != nil {
			return
		}
		to(frame[:n])
	}
}

// send sends at once if it can. What finds the machine's socket full waits in
// the queue, and what follows behind it.
func (s *socket) send(frame []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	if s.queue.length() == 0 {
		err := s.write(frame)
		if !errors.Is(err, unix.EAGAIN) {
			return err == nil
		}
	}
	if !s.queue.push(frame) {
		return false
	}
	select {
	case s.wake <- struct{}{}:
	default: // it has been told already
	}
	return true
}

// write tries to send a frame. If nobody has the socket that this one is
// connected to, the machine may have come back with a new one.
func (s *socket) write(frame []byte) error {
	err := s.writeOnce(frame)
	if err == nil || errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.ENOBUFS) {
		return err
	}
	if err := unix.Connect(s.fd, &s.to); err != nil {
		return err
	}
	return s.writeOnce(frame)
}

func (s *socket) writeOnce(frame []byte) error {
	for {
		if _, err := unix.Write(s.fd, frame); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// drain sends what waits in the queue as soon as there is room, until the
// socket is closed.
func (s *socket) drain(p *port) {
	room, err := s.tx.SyscallConn()
	if err != nil { // it is closed
		return
	}
	for range s.wake {
		// This returns when the function does with true, which is tried again
		// whenever the kernel says that there is room.
		err := room.Write(func(uintptr) bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			for s.queue.length() > 0 {
				err := s.write(s.queue.first())
				if errors.Is(err, unix.EAGAIN) {
					return s.closed
				}
				if err != nil {
					p.dropped.Add(1)
				}
				s.queue.pop()
			}
			return true
		})
		if err != nil {
			return
		}
	}
}

func (s *socket) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	close(s.wake)
	_ = s.rx.Close() // nothing is kept
	_ = s.tx.Close()
}

// maxQueue is how many frames wait for a machine: 1.5 MB of full ones, as the
// transmit queue of a Linux interface holds (txqueuelen 1000).
const maxQueue = 1024

// queue is a ring of frames, whose buffers are used again.
type queue struct {
	frames [maxQueue][]byte
	head   int
	count  int
}

func (q *queue) length() int   { return q.count }
func (q *queue) first() []byte { return q.frames[q.head] }

// push copies a frame to the end, unless the queue is full.
func (q *queue) push(frame []byte) bool {
	if q.count == maxQueue {
		return false
	}
	at := (q.head + q.count) % maxQueue
	q.frames[at] = append(q.frames[at][:0], frame...)
	q.count++
	return true
}

func (q *queue) pop() {
	q.head = (q.head + 1) % maxQueue
	q.count--
}
