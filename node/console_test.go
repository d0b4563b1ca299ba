package node_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/node"
	"golang.org/x/sys/unix"
)

// terminal makes a terminal, and gives the end of who reads it and its path.
func terminal(t *testing.T) (*os.File, string) {
	t.Helper()
	reader, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	must(t, err)
	t.Cleanup(func() { _ = reader.Close() })
	must(t, unix.IoctlSetPointerInt(int(reader.Fd()), unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(int(reader.Fd()), unix.TIOCGPTN)
	must(t, err)
	return reader, fmt.Sprintf("/dev/pts/%d", number)
}

// onTerminals decides about a machine whose consoles are terminals, by the
// real clock, which deadlines need.
func onTerminals(t *testing.T, root string) {
	t.Helper()
	m := node.Machine{Now: time.Now, Runner: refuseToRun{t}}
	if status := m.Run(context.Background(), io.Discard, io.Discard, []string{"identity", "--root", root}); status != 0 {
		t.Errorf("got status %d", status)
	}
}

func TestTerminal(t *testing.T) {
	root := labMachine(t, t, "edge-0")
	reader, path := terminal(t)
	must(t, os.Remove(filepath.Join(root, "dev/ttyS0")))
	must(t, os.Symlink(path, filepath.Join(root, "dev/ttyS0")))
	held, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY, 0) // as the kernel holds a console open
	must(t, err)
	t.Cleanup(func() { _ = held.Close() })
	onTerminals(t, root)
	line, err := bufio.NewReader(reader).ReadString('\n')
	for err == nil && !strings.Contains(line, "this is ") {
		line, err = bufio.NewReader(reader).ReadString('\n')
	}
	if want := "ingot-node: this is edge-0 of cluster lab (edge), index 4, 10.42.0.4\r\n"; err != nil || line != want {
		t.Errorf("got %q, %v; want %q", line, err, want)
	}
}

// A console that takes nothing more holds the boot up once, for two seconds.
func TestStuckConsole(t *testing.T) {
	root := labMachine(t, t, "edge-0")
	_, path := terminal(t)
	must(t, os.Remove(filepath.Join(root, "dev/ttyS0")))
	must(t, os.Symlink(path, filepath.Join(root, "dev/ttyS0")))
	held, err := os.OpenFile(path, os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { _ = held.Close() })
	// What was taken goes on to the reader's buffer, and makes room once more.
	for n := 1; n > 0; {
		must(t, held.SetWriteDeadline(time.Now().Add(300*time.Millisecond)))
		n, err = held.WriteString(strings.Repeat("x", 4000))
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("filling the terminal: %v", err)
		}
	}
	start := time.Now()
	onTerminals(t, root)
	if took := time.Since(start); took < time.Second || took > 3500*time.Millisecond {
		t.Errorf("it took %v", took)
	}
	if got := readFile(t, root, "/dev/tty0"); !strings.Contains(got, "this is edge-0") {
		t.Errorf("the other console got %q", got)
	}
}
