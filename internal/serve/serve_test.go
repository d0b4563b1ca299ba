package serve_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
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

	"github.com/ingot-k8s/ingot/ignition/configiso"
	"github.com/ingot-k8s/ingot/internal/serve"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// files are what the boot ISO of the tests has. No size is a multiple of 4.
func files() map[string]string {
	return map[string]string{
		"ingot.json":  `{"cluster": "lab", "image": "0123456789ab", "disk": {"size": 1, "sha256": "00"}, "kernelLine": "ingot.root=00 console=ttyS0"}`,
		"vmlinuz":     strings.Repeat("kernel ", 1001),
		"initrd":      strings.Repeat("initrd ", 999),
		"boot.initrd": strings.Repeat("boot initrd", 501),
	}
}

// bootISO writes a boot ISO.
func bootISO(t *testing.T, label string, content map[string]string) string {
	t.Helper()
	var b bytes.Buffer
	v := configiso.Volume{Label: label, Time: time.Unix(1.7e9, 0)}
	for name, text := range content {
		v.Files = append(v.Files, configiso.File{Path: name, Data: []byte(text)})
	}
	must(t, configiso.Write(&b, v))
	path := filepath.Join(t.TempDir(), "boot.iso")
	must(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

// Machines of the tests.
const (
	mac0   = "52:54:00:00:00:01"
	mac1   = "52:54:00:00:00:02"
	macNew = "52:54:00:00:00:99"
	uuid1  = "8a6f0b9e-5a0c-4f0e-9a3b-111111111111"
)

// key is a part of every identity of the tests.
const key = "KEYKEYKEYKEYKEYKEYKEYKEY"

func identity(node string) []byte { return []byte("identity of " + node + " " + key) }

// quiet shows no progress.
type quiet struct{}

var _ serve.Progress = quiet{}

func (quiet) Begin(string)                                  {}
func (quiet) Advance(string, int64, int64)                  {}
func (quiet) End(string, time.Duration, bool, int64, error) {}

// world is a server that runs.
type world struct {
	t      *testing.T
	server *serve.Server
	at     string // host:port
	client *http.Client

	mu     sync.Mutex
	events []serve.Event
	stop   context.CancelFunc
	ended  chan error
}

func newWorld(t *testing.T, change func(*serve.Config)) *world {
	t.Helper()
	medium, err := serve.OpenMedium(t.Context(), bootISO(t, "INGOT_BOOT", files()), nil)
	must(t, err)
	t.Cleanup(func() { must(t, medium.Close()) })
	certificate, err := serve.NewCertificate(time.Now())
	must(t, err)
	w := &world{t: t, ended: make(chan error, 1)}
	cfg := serve.Config{
		Cluster: "lab", Medium: medium, Certificate: certificate, Now: time.Now, Log: w.log, Progress: quiet{},
		Nodes: []serve.Node{
			{Name: "lab0", MACs: []string{mac0}, Identity: identity("lab0")},
			{Name: "lab1", MACs: []string{mac1}, Serials: []string{"SN-1", uuid1}, Identity: identity("lab1")},
			{Name: "lab2", Identity: identity("lab2")},
		},
	}
	if change != nil {
		change(&cfg)
	}
	w.server, err = serve.New(cfg)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w.at = l.Addr().String()
	ctx, stop := context.WithCancel(t.Context())
	w.stop = stop
	go func() { w.ended <- w.server.Serve(ctx, l) }()
	t.Cleanup(w.end)
	w.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	return w
}

// end ends the server. It must end well.
func (w *world) end() {
	w.t.Helper()
	if w.stop == nil {
		return
	}
	w.stop()
	w.stop = nil
	w.client.CloseIdleConnections()
	if err := <-w.ended; err != nil {
		w.t.Errorf("the server ends with %v", err)
	}
}

func (w *world) log(e serve.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// said is all that the server has told so far.
func (w *world) said() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	data, err := json.Marshal(w.events)
	must(w.t, err)
	return string(data)
}

// last is the last event of a kind.
func (w *world) last(kind serve.Kind) serve.Event {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := len(w.events) - 1; i >= 0; i-- {
		if w.events[i].Kind == kind {
			return w.events[i]
		}
	}
	w.t.Fatalf("there is no event %q", kind)
	return serve.Event{}
}

// do makes a request, and gives status and body.
func (w *world) do(method, address string, header map[string]string, body string) (int, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), method, address, strings.NewReader(body))
	must(w.t, err)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	resp, err := w.client.Do(req)
	must(w.t, err)
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	must(w.t, err)
	return resp.StatusCode, string(data)
}

// get gets what has to be there.
func (w *world) get(path string) string {
	w.t.Helper()
	status, body := w.do(http.MethodGet, "http://"+w.at+path, nil, "")
	if status != http.StatusOK {
		w.t.Fatalf("%s: status %d: %s", path, status, body)
	}
	return body
}

// session is a session of a program; each n is another.
func session(n int) string { return fmt.Sprintf("%064x", n) }

// token starts a machine, and gives the token of its initrd; empty if there is
// none.
func (w *world) token(mac string) string {
	w.t.Helper()
	initrd := w.get("/machine.initrd?mac=" + mac)
	at := strings.LastIndex(initrd, "TRAILER!!!")
	end := strings.LastIndex(initrd[:max(at, 0)], "\n")
	if at < 0 || end < 64 {
		return ""
	}
	return initrd[end-64 : end]
}

// ask asks for an identity.
func (w *world) ask(token, session string) (int, string) {
	w.t.Helper()
	return w.do(http.MethodPost, "https://"+w.at+"/identity", map[string]string{"Authorization": "Bearer " + token, "Ingot-Session": session}, "")
}

// done tells that an identity is kept.
func (w *world) done(token, session, outcome string) int {
	w.t.Helper()
	status, _ := w.do(http.MethodPost, "https://"+w.at+"/identity/done",
		map[string]string{"Authorization": "Bearer " + token, "Ingot-Session": session}, `{"outcome": "`+outcome+`"}`)
	return status
}

func TestNewRefuses(t *testing.T) {
	medium, err := serve.OpenMedium(t.Context(), bootISO(t, "INGOT_BOOT", files()), nil)
	must(t, err)
	t.Cleanup(func() { must(t, medium.Close()) })
	certificate, err := serve.NewCertificate(time.Now())
	must(t, err)
	for name, c := range map[string]struct {
		change func(*serve.Config)
		want   string
	}{
		"cluster":     {func(c *serve.Config) { c.Cluster = "prod" }, `of the cluster "lab", not "prod"`},
		"certificate": {func(c *serve.Config) { c.Certificate = tls.Certificate{} }, "no certificate with a key"},
		"twice":       {func(c *serve.Config) { c.Nodes[1].MACs = []string{mac0} }, `node "b" has ` + mac0 + `, and so has node "a"`},
		"next":        {func(c *serve.Config) { c.Next = []string{"c"} }, `node "c", of which there is no identity`},
		"next twice":  {func(c *serve.Config) { c.Next = []string{"a", "a"} }, `node "a" twice`},
		"setting":     {func(c *serve.Config) { c.Medium.Line = "x=${uuid}" }, "something else to iPXE"},
		"long":        {func(c *serve.Config) { c.Medium.Line = strings.Repeat("x", 2000) }, "at most 2047"},
	} {
		t.Run(name, func(t *testing.T) {
			own := *medium
			cfg := serve.Config{
				Cluster: "lab", Medium: &own, Certificate: certificate, Now: time.Now, Log: func(serve.Event) {},
				Nodes: []serve.Node{{Name: "a", MACs: []string{mac0}}, {Name: "b", MACs: []string{mac1}}},
			}
			c.change(&cfg)
			if _, err := serve.New(cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestOpenMediumRefuses(t *testing.T) {
	without := func(name string) map[string]string {
		all := files()
		delete(all, name)
		return all
	}
	with := func(name, text string) map[string]string {
		all := files()
		all[name] = text
		return all
	}
	for name, c := range map[string]struct {
		label   string
		content map[string]string
		want    string
	}{
		"label":    {"config-2", files(), `the label "config-2" (INGOT_BOOT)`},
		"identity": {"INGOT_BOOT", with("config.iso", "x"), "identity of a node"},
		"head":     {"INGOT_BOOT", without("ingot.json"), "no ingot.json"},
		"text":     {"INGOT_BOOT", with("ingot.json", "{"), "ingot.json: "},
		"cluster":  {"INGOT_BOOT", with("ingot.json", `{"image": "x", "kernelLine": "ro"}`), "names no cluster"},
		"line":     {"INGOT_BOOT", with("ingot.json", `{"cluster": "lab", "image": "x"}`), "no kernel line"},
		"kernel":   {"INGOT_BOOT", without("vmlinuz"), "no file vmlinuz"},
	} {
		t.Run(name, func(t *testing.T) {
			path := bootISO(t, c.label, c.content)
			if _, err := serve.OpenMedium(t.Context(), path, nil); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want %q and %s", err, c.want, path)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := serve.OpenMedium(ctx, bootISO(t, "INGOT_BOOT", files()), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v after the end", err)
	}
}
