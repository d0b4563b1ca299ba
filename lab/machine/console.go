package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// poll is how often the console's log is looked at.
const poll = 50 * time.Millisecond

// tailLines is how much of the console an error tells.
const tailLines = 25

// ErrEnded is why something is not going to be said any more.
var ErrEnded = errors.New("the machine has ended")

// Console is a machine's first serial port. Escape sequences are left out of
// what it says, and lines end with a line feed. Functions may be called
// concurrently, but two that wait for lines take them from each other.
type Console struct {
	machine *Machine

	mu    sync.Mutex
	log   *os.File
	plain plain
	said  []byte // all of this start
	next  int    // where the next Expect begins to look
	conn  net.Conn
}

// Line is what Expect found.
type Line struct {
	Text  string   // the whole line
	Match []string // the match and its groups
}

// UnwantedError is a line that Expect was told not to wait beyond.
type UnwantedError struct {
	Line Line
	Tail string // the last lines before it, and it
}

// Error names the line.
func (e *UnwantedError) Error() string { return fmt.Sprintf("the machine says %q", e.Line.Text) }

// Expect waits for a whole line that matches, and goes on behind it next time.
// A line that matches one of never ends the wait with an *UnwantedError. Other
// errors are ErrEnded and the context's, with the last lines of the console.
func (c *Console) Expect(ctx context.Context, want *regexp.Regexp, never ...*regexp.Regexp) (Line, error) {
	return c.expect(ctx, want, never, false)
}

// Prompt is Expect for a line that may not have ended, such as "login: ".
func (c *Console) Prompt(ctx context.Context, want *regexp.Regexp, never ...*regexp.Regexp) (Line, error) {
	return c.expect(ctx, want, never, true)
}

func (c *Console) expect(ctx context.Context, want *regexp.Regexp, never []*regexp.Regexp, partial bool) (Line, error) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		ended := c.machine.Ended() // before reading: what was said last is read yet
		line, err := c.find(want, never, partial)
		if err != nil || line.Match != nil {
			return line, err
		}
		if ended {
			return Line{}, c.missed(want, ErrEnded)
		}
		select {
		case <-ctx.Done():
			return Line{}, c.missed(want, ctx.Err())
		case <-c.machine.done:
		case <-tick.C:
		}
	}
}

func (c *Console) missed(want *regexp.Regexp, err error) error {
	return fmt.Errorf("waiting for machine %q to say %q: %w; it said last:\n%s", c.machine.cfg.Name, want, err, c.Tail())
}

// find looks through what was said since the last line that was found.
func (c *Console) find(want *regexp.Regexp, never []*regexp.Regexp, partial bool) (Line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.read(); err != nil {
		return Line{}, err
	}
	for c.next < len(c.said) {
		length := bytes.IndexByte(c.said[c.next:], '\n')
		whole := length >= 0
		if !whole {
			length = len(c.said) - c.next
		}
		if !whole && !partial {
			return Line{}, nil
		}
		text := string(c.said[c.next : c.next+length])
		match := want.FindStringSubmatch(text)
		if !whole && match == nil {
			return Line{}, nil
		}
		c.next = min(c.next+length+1, len(c.said))
		if match != nil {
			return Line{Text: text, Match: match}, nil
		}
		for _, unwanted := range never {
			if match := unwanted.FindStringSubmatch(text); match != nil {
				return Line{}, &UnwantedError{Line: Line{Text: text, Match: match}, Tail: tail(c.said[:c.next])}
			}
		}
	}
	return Line{}, nil
}

// read takes what was added to the log.
func (c *Console) read() error {
	if c.log == nil { // the machine has ended, and all was read
		return nil
	}
	added, err := io.ReadAll(c.log)
	c.said = c.plain.feed(c.said, added)
	if err != nil {
		return fmt.Errorf("reading the console of machine %q: %w", c.machine.cfg.Name, err)
	}
	return nil
}

// Text returns all that was said since the machine was started.
func (c *Console) Text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.read() // what there is
	return string(c.said)
}

// Tail returns the last lines of it.
func (c *Console) Tail() string { return tail([]byte(c.Text())) }

func tail(said []byte) string {
	lines := strings.Split(strings.TrimRight(string(said), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-tailLines):], "\n")
}

// Write types on the console.
func (c *Console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		conn, err := c.machine.dial(serialSocket)
		if err != nil {
			return 0, fmt.Errorf("writing to the console of machine %q: %w", c.machine.cfg.Name, err)
		}
		c.conn = conn
		// The machine waits for whoever is connected to read; the log has it all.
		go func() { _, _ = io.Copy(io.Discard, conn) }()
	}
	return c.conn.Write(p)
}

// openConsole opens the log before QEMU does, behind what earlier starts said.
func openConsole(m *Machine) (*Console, error) {
	log, err := os.OpenFile(filepath.Join(m.cfg.Dir, ConsoleLog), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		_ = log.Close() // the seek's error is the one to report
		return nil, err
	}
	return &Console{machine: m, log: log}, nil
}

// close is called when the machine has ended: the rest is read, and stays.
func (c *Console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.read()      // what there is
	_ = c.log.Close() // it was only read
	c.log = nil
	if c.conn != nil {
		_ = c.conn.Close()
	}
}
