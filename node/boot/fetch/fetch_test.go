package fetch_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
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

	"github.com/ingot-k8s/ingot/ignition/configiso"
	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/internal/serve"
	"github.com/ingot-k8s/ingot/node/boot/fetch"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const mac = "52:54:00:00:00:01"

// key is a part of the identity.
const key = "KEYKEYKEYKEYKEYKEYKEYKEY"

// quiet shows no progress.
type quiet struct{}

var _ serve.Progress = quiet{}

func (quiet) Begin(string)                                  {}
func (quiet) Advance(string, int64, int64)                  {}
func (quiet) End(string, time.Duration, bool, int64, error) {}

// world is a server, and a machine that has started from it.
type world struct {
	t      *testing.T
	medium *serve.Medium
	server *serve.Server
	at     string // host:port
	events []serve.Event

	dir   string // of the machine
	token string // file
	mu    sync.Mutex
	said  strings.Builder
	ran   []string
}

// newWorld has a medium of some MB, so that a connection can break in it.
func newWorld(t *testing.T) *world {
	t.Helper()
	filling := make([]byte, 8<<20)
	_, _ = rand.Read(filling)
	v := configiso.Volume{Label: "INGOT_BOOT", Time: time.Unix(1.7e9, 0)}
	for name, data := range map[string][]byte{
		"ingot.json": []byte(`{"cluster": "lab", "image": "0123456789ab", "kernelLine": "quiet"}`), "disk.img": filling,
		"vmlinuz": []byte("kernel"), "initrd": []byte("initrd"), "boot.initrd": []byte("boot"),
	} {
		v.Files = append(v.Files, configiso.File{Path: name, Data: data})
	}
	var b bytes.Buffer
	must(t, configiso.Write(&b, v))
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "boot.iso"), b.Bytes(), 0o600))
	w := &world{t: t, dir: filepath.Join(dir, "run", "fetch"), token: filepath.Join(dir, "token")}
	var err error
	w.medium, err = serve.OpenMedium(t.Context(), filepath.Join(dir, "boot.iso"), nil)
	must(t, err)
	t.Cleanup(func() { must(t, w.medium.Close()) })
	w.server, w.at = w.serve()
	return w
}

// serve starts a server. Each has another certificate.
func (w *world) serve() (*serve.Server, string) {
	w.t.Helper()
	certificate, err := serve.NewCertificate(time.Now())
	must(w.t, err)
	s, err := serve.New(serve.Config{
		Cluster: "lab", Medium: w.medium, Certificate: certificate, Now: time.Now, Progress: quiet{},
		Nodes: []serve.Node{{Name: "lab0", MACs: []string{mac}, Identity: []byte("identity " + key)}},
		Log: func(e serve.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.events = append(w.events, e)
		},
	})
	must(w.t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(w.t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	w.t.Cleanup(func() {
		stop()
		must(w.t, <-ended)
	})
	return s, l.Addr().String()
}

// start starts the machine by its server, as firmware does: it gets the token,
// and the kernel line of a server that is reached at an address.
func (w *world) start(s *serve.Server, at string) *fetch.Line {
	w.t.Helper()
	resp, err := http.Get("http://" + w.at + "/machine.initrd?mac=" + mac)
	must(w.t, err)
	initrd, err := io.ReadAll(resp.Body)
	must(w.t, err)
	must(w.t, resp.Body.Close())
	end := bytes.LastIndexByte(initrd, '\n')
	must(w.t, os.RemoveAll(w.token))
	must(w.t, os.WriteFile(w.token, initrd[end-64:end+1], 0o600))
	l, err := fetch.ParseLine(s.Line(at))
	must(w.t, err)
	return l
}

// fetcher is the machine's program.
func (w *world) fetcher(l *fetch.Line) *fetch.Fetcher {
	return fetch.New(fetch.Config{
		Line: l, Dir: w.dir, TokenFile: w.token, Runner: w, Patience: time.Second, Pause: 10 * time.Millisecond,
		Say: func(format string, args ...any) {
			w.mu.Lock()
			defer w.mu.Unlock()
			fmt.Fprintf(&w.said, format+"\n", args...)
		},
	})
}

// Run implements run.Runner: there is no systemd.
func (w *world) Run(_ context.Context, c run.Command) error {
	w.ran = append(w.ran, strings.Join(c.Argv, " "))
	return nil
}

// check looks at a medium that was fetched.
func (w *world) check(path string, err error) {
	w.t.Helper()
	must(w.t, err)
	data, err := os.ReadFile(path)
	must(w.t, err)
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != w.medium.SHA256(serve.NameMedium) {
		w.t.Errorf("the medium has the SHA-256 %s", got)
	}
}

// silent checks that nothing secret was told at either end.
func (w *world) silent() {
	w.t.Helper()
	token, err := os.ReadFile(w.token)
	must(w.t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.said.String() + fmt.Sprintf("%+v", w.events)
	for _, secret := range []string{strings.TrimSpace(string(token)), key} {
		if strings.Contains(all, secret) {
			w.t.Errorf("%.12s... was told:\n%s", secret, all)
		}
	}
}

// A machine's whole way.
func TestFetch(t *testing.T) {
	w := newWorld(t)
	f := w.fetcher(w.start(w.server, w.at))
	w.check(f.Medium(t.Context()))
	path, err := f.Identity(t.Context())
	must(t, err)
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "identity "+key {
		t.Errorf("the identity is %q, %v", data, err)
	}
	w.silent()
	for _, name := range []string{w.dir, path, filepath.Join(w.dir, "boot.iso"), filepath.Join(w.dir, "session")} {
		info, err := os.Stat(name)
		must(t, err)
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	must(t, f.Done(t.Context(), fetch.Running))
	for _, name := range []string{path, w.token, filepath.Join(w.dir, "session")} {
		if _, err := os.Stat(name); err == nil {
			t.Errorf("%s is there after the end", name)
		}
	}
	must(t, f.Done(t.Context(), fetch.Running)) // nothing left to tell
	if got := w.server.States()[0]; got.Outcome != serve.Running || got.Given != 1 {
		t.Errorf("the server has %+v", got)
	}
	if len(w.ran) != 1 || w.ran[0] != "systemctl start systemd-networkd.service" {
		t.Errorf("the machine ran %q", w.ran)
	}
	for _, want := range []string{"fetching the medium from http://" + w.at + "/boot.iso (8 MB)\n", "fetched 4 of 8 MB", "the identity is here"} {
		if !strings.Contains(w.said.String(), want) {
			t.Errorf("the machine does not say %q:\n%s", want, w.said.String())
		}
	}
}
