package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/serve"
	"github.com/ingot-k8s/ingot/node/boot/fetch"
)

// wire is a wire to a server that can be cut, and that changes what goes over it.
type wire struct {
	at string

	mu   sync.Mutex
	left []int64        // bytes from the server of the next connections; then all
	flip map[int64]bool // bytes of a connection that are changed
	open int            // connections so far
}

// newWire leads to address to.
func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := &wire{at: l.Addr().String()}
	var group sync.WaitGroup
	t.Cleanup(func() {
		must(t, l.Close())
		group.Wait()
	})
	group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			group.Go(func() { w.carry(c, to) })
		}
	})
	return w
}

func (w *wire) carry(c net.Conn, to string) {
	defer func() { _ = c.Close() }()
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer func() { _ = s.Close() }()
	w.mu.Lock()
	left := int64(1 << 62)
	if len(w.left) > 0 {
		left, w.left = w.left[0], w.left[1:]
	}
	w.open++
	w.mu.Unlock()
	go func() {
		_, _ = io.Copy(s, c)
		_ = s.(*net.TCPConn).CloseWrite()
	}()
	buf := make([]byte, 4096)
	for at := int64(0); at < left; {
		n, err := s.Read(buf[:min(int64(len(buf)), left-at)])
		for i := range n {
			if w.flip[at+int64(i)] {
				buf[i] ^= 1
			}
		}
		if _, werr := c.Write(buf[:n]); werr != nil || err != nil {
			return
		}
		at += int64(n)
	}
}

// A connection that breaks is made again, and goes on where it broke.
func TestBrokenConnections(t *testing.T) {
	w := newWorld(t)
	wire := newWire(t, w.at)
	wire.left = []int64{0, 100, 3 << 20, 1 << 20, 10}
	w.check(w.fetcher(w.start(w.server, wire.at)).Medium(t.Context()))
	if wire.open != 6 {
		t.Errorf("%d connections", wire.open)
	}
	if !strings.Contains(w.said.String(), "the connection broke after 3 of 8 MB: unexpected EOF; trying again in 10ms") {
		t.Errorf("the machine says\n%s", w.said.String())
	}
	sent := int64(0)
	for _, e := range w.events {
		if e.Kind == serve.Fetched && strings.Contains(e.Text, `asked for as "bytes=`) {
			sent++
		}
	}
	if sent == 0 {
		t.Errorf("nothing was gone on with: %+v", w.events)
	}
}

// A program that was ended goes on with what it has left.
func TestGoesOn(t *testing.T) {
	w := newWorld(t)
	wire := newWire(t, w.at)
	wire.left = []int64{5 << 20}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	l := w.start(w.server, wire.at)
	f := fetch.New(fetch.Config{Line: l, Dir: w.dir, TokenFile: w.token, Runner: w, Pause: time.Hour, Say: func(string, ...any) {}})
	if _, err := f.Medium(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	left, err := os.Stat(filepath.Join(w.dir, "boot.iso"))
	must(t, err)
	w.check(w.fetcher(l).Medium(t.Context()))
	want := fmt.Sprintf(`asked for as "bytes=%d-"`, left.Size())
	w.mu.Lock()
	defer w.mu.Unlock()
	if all := fmt.Sprintf("%+v", w.events); left.Size() < 4<<20 || !strings.Contains(all, want) {
		t.Errorf("%d bytes were left, and nothing was %s: %s", left.Size(), want, all)
	}
}

// A medium that is not the one of the kernel line is fetched once more, and
// then not taken.
func TestWrongMedium(t *testing.T) {
	w := newWorld(t)
	wire := newWire(t, w.at)
	// In the first answer, and in the second on the same connection.
	wire.flip = map[int64]bool{4 << 20: true, 12 << 20: true}
	_, err := w.fetcher(w.start(w.server, wire.at)).Medium(t.Context())
	if err == nil || !strings.Contains(err.Error(), "should be "+w.medium.SHA256(serve.NameMedium)) || !strings.Contains(err.Error(), "twice") {
		t.Errorf("got %v", err)
	}
	if wire.open == 0 || !strings.Contains(w.said.String(), "its SHA-256 is ") {
		t.Errorf("%d connections, and the machine says\n%s", wire.open, w.said.String())
	}
	// Once wrong is no harm.
	must(t, os.Remove(filepath.Join(w.dir, "boot.iso")))
	wire.flip = map[int64]bool{4 << 20: true}
	w.check(w.fetcher(w.start(w.server, wire.at)).Medium(t.Context()))
	// What is in the way is no hindrance.
	w.check(w.fetcher(w.start(w.server, w.at)).Medium(t.Context()))
	// Nor is what is too much, or wrong.
	must(t, os.WriteFile(filepath.Join(w.dir, "boot.iso"), make([]byte, 9<<20), 0o600))
	w.check(w.fetcher(w.start(w.server, w.at)).Medium(t.Context()))
	must(t, os.WriteFile(filepath.Join(w.dir, "boot.iso"), make([]byte, 1<<20), 0o600))
	w.check(w.fetcher(w.start(w.server, w.at)).Medium(t.Context()))
}

// Servers that answer something else.
func TestOtherServers(t *testing.T) {
	w := newWorld(t)
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		"length": {func(rw http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(rw, "x") }, "it has 1 bytes, and should have"},
		"range":  {func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusPartialContent) }, "start the machine again"},
		"no": {func(rw http.ResponseWriter, _ *http.Request) {
			http.Error(rw, "go\x1b[31m\naway", http.StatusForbidden)
		}, "the server refuses (403): go [31m away"},
		"not yet":  {http.NotFound, "without success for 1s: the server refuses (404): 404 page not found"},
		"redirect": {func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, "/else", http.StatusFound) }, "the server refuses (302)"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			server := &http.Server{Handler: http.HandlerFunc(c.answer)}
			go func() { _ = server.Serve(l) }()
			t.Cleanup(func() { must(t, server.Close()) })
			line := *w.start(w.server, w.at)
			line.Medium = "http://" + l.Addr().String() + "/boot.iso"
			if _, err := w.fetcher(&line).Medium(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), line.Medium) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A server with another certificate gets no token, not even in a request that
// fails.
func TestWrongPin(t *testing.T) {
	w := newWorld(t)
	_, other := w.serve()
	line := *w.start(w.server, w.at)
	line.Identity = "https://" + other + "/identity"
	_, err := w.fetcher(&line).Identity(t.Context())
	if err == nil || !strings.Contains(err.Error(), "another certificate than the kernel line names") {
		t.Errorf("got %v", err)
	}
	line.Medium = "https://" + other + "/boot.iso"
	if _, err := w.fetcher(&line).Medium(t.Context()); err == nil || !strings.Contains(err.Error(), "another certificate") {
		t.Errorf("of the medium: %v", err)
	}
	for _, e := range w.events {
		if e.Kind == serve.Given || e.Kind == serve.Refused {
			t.Errorf("a request came through: %+v", e)
		}
	}
	w.silent()
}

// The medium comes by HTTPS, too, where the kernel line says so.
func TestMediumByHTTPS(t *testing.T) {
	w := newWorld(t)
	line := *w.start(w.server, w.at)
	line.Medium = strings.Replace(line.Medium, "http:", "https:", 1)
	w.check(w.fetcher(&line).Medium(t.Context()))
}

// The answer with the identity breaks off: the same program asks again.
func TestBrokenIdentity(t *testing.T) {
	w := newWorld(t)
	wire := newWire(t, w.at)
	line := w.start(w.server, wire.at)
	wire.left = []int64{900, 1100, 1250}
	f := w.fetcher(line)
	path, err := f.Identity(t.Context())
	must(t, err)
	if data, err := os.ReadFile(path); err != nil || string(data) != "identity "+key {
		t.Errorf("the identity is %q, %v", data, err)
	}
	must(t, f.Done(t.Context(), fetch.Installed))
	if got := w.server.States()[0]; got.Outcome != serve.Installed {
		t.Errorf("the server has %+v", got)
	}
}

// Who comes second, with the same token, gets nothing, and says so.
func TestSecondProgram(t *testing.T) {
	w := newWorld(t)
	line := w.start(w.server, w.at)
	if _, err := w.fetcher(line).Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.dir = filepath.Join(t.TempDir(), "other")
	_, err := w.fetcher(line).Identity(t.Context())
	var refused *fetch.RefusedError
	if !errors.As(err, &refused) || refused.Status != http.StatusForbidden || !strings.Contains(err.Error(), "used by another program") {
		t.Errorf("got %v", err)
	}
	w.silent()
}

// The power goes after the identity was fetched, and before anybody said so.
func TestPowerCut(t *testing.T) {
	w := newWorld(t)
	if _, err := w.fetcher(w.start(w.server, w.at)).Identity(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, os.RemoveAll(w.dir)) // it was in memory
	f := w.fetcher(w.start(w.server, w.at))
	path, err := f.Identity(t.Context())
	must(t, err)
	if data, err := os.ReadFile(path); err != nil || string(data) != "identity "+key {
		t.Errorf("the identity is %q, %v", data, err)
	}
	must(t, f.Done(t.Context(), fetch.Running))
}

// The server ends and starts again while the machine is on its way.
func TestRestartedServer(t *testing.T) {
	w := newWorld(t)
	line := w.start(w.server, w.at)
	server, at := w.serve()
	line.Identity, line.Pin = "https://"+at+"/identity", server.Pin()
	_, err := w.fetcher(line).Identity(t.Context())
	if err == nil || !strings.Contains(err.Error(), "start the machine again over the network") {
		t.Errorf("got %v", err)
	}
}

func TestNoToken(t *testing.T) {
	w := newWorld(t)
	line := w.start(w.server, w.at)
	must(t, os.WriteFile(w.token, []byte("secret that is no token\n"), 0o600))
	if _, err := w.fetcher(line).Identity(t.Context()); err == nil || !strings.Contains(err.Error(), "64 digits") || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v", err)
	}
	must(t, os.Remove(w.token))
	if _, err := w.fetcher(line).Identity(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	line.Identity = ""
	if path, err := w.fetcher(line).Identity(t.Context()); path != "" || err != nil {
		t.Errorf("a machine that has its identity gets %q, %v", path, err)
	}
}
