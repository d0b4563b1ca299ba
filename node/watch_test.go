package node_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/node"
)

// lines is a writer that others read meanwhile.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// TestWatch: the line comes on the consoles, once while nothing changes, and
// the report lies where others find it; a start anew goes on from it.
func TestWatch(t *testing.T) {
	root := labMachine(t, t, "edge-0")
	// Nothing is sent from here: the machine has none of the addresses.
	must(t, os.MkdirAll(filepath.Join(root, "var"), 0o755))
	uptime := time.Minute
	m := node.Machine{Now: time.Now, Runner: refuseToRun{t}, Uptime: func() time.Duration { return uptime }}
	want := "ingot-node: health: mesh=0/3 api=down node=unknown dns=down\n"
	for range 2 {
		ctx, cancel := context.WithCancel(context.Background())
		var stderr lines
		done := make(chan int, 1)
		go func() { done <- m.Run(ctx, io.Discard, &stderr, []string{"health", "--watch", "--root", root}) }()
		for range 200 {
			if strings.Contains(stderr.String(), "health: ") && exists(filepath.Join(root, "run/ingot/health.json")) {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		cancel()
		if status := <-done; status != 0 {
			t.Errorf("ended, it gives %d", status)
		}
		if got := stderr.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		uptime += 30 * time.Second
	}
	if got := readFile(t, root, "/dev/ttyS0"); got != want+want {
		t.Errorf("on the console: %q", got)
	}
	if text := readFile(t, root, "/run/ingot/health.json"); !strings.Contains(text, `"seconds": 30`) || !strings.Contains(text, `"api": "down"`) {
		t.Errorf("the report: %s", text)
	}
}

// Commands of controllers are for controllers.
func TestNoController(t *testing.T) {
	root := labMachine(t, t, "edge-0")
	for _, command := range []string{"labels", "addons", "vip"} {
		var stderr lines
		m := node.Machine{Now: time.Now, Runner: refuseToRun{t}}
		if status := m.Run(context.Background(), io.Discard, &stderr, []string{command, "--root", root}); status != 1 || stderr.String() != "ingot-node: edge-0 is no controller\n" {
			t.Errorf("%s: %d, %q", command, status, stderr.String())
		}
	}
}
