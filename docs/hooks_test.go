package docs_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// hooks are the examples of docs/how-to/floating-address.md: for DigitalOcean,
// and for one's own wire.
func hooks(t *testing.T) (ocean, wire string) {
	t.Helper()
	var found []string
	for _, m := range regexp.MustCompile("(?ms)^```shell\n(#!/bin/sh\n.*?)^```").FindAllStringSubmatch(read(t, "docs/how-to/floating-address.md"), -1) {
		found = append(found, m[1])
	}
	if len(found) != 2 {
		t.Fatalf("%d hooks", len(found))
	}
	return found[0], found[1]
}

// hookFile writes a hook with some of its words replaced.
func hookFile(t *testing.T, text string, replace ...string) string {
	t.Helper()
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("the hook has no %q", replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHooksLint: the shell of images and shellcheck have nothing against them.
func TestHooksLint(t *testing.T) {
	dash, shellcheck := need.Tool(t, "dash"), need.Tool(t, "shellcheck")
	ocean, wire := hooks(t)
	for _, text := range []string{ocean, wire} {
		file := hookFile(t, text)
		for _, argv := range [][]string{{dash, "-n", file}, {shellcheck, file}} {
			if out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%q: %v: %s", argv, err, out)
			}
		}
	}
}

// droplet is what a Droplet sees of DigitalOcean: its metadata, and the API.
type droplet struct {
	mu      sync.Mutex
	has     bool // the reserved IP
	asked   int  // how often for its metadata, since it was assigned
	refused bool
	posts   []string
}

func (d *droplet) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /metadata/v1/id":
		_, _ = io.WriteString(w, "2756294")
	case "GET /metadata/v1/reserved_ip/ipv4/ip_address":
		if len(d.posts) > 0 && !d.refused {
			d.asked++
			d.has = d.has || d.asked > 1 // it takes a moment
		}
		if !d.has {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, "198.51.100.100")
	case "POST /v2/reserved_ips/198.51.100.100/actions":
		body, _ := io.ReadAll(r.Body) // one that breaks off is not what is wanted
		d.posts = append(d.posts, r.Header.Get("Authorization")+" "+r.Header.Get("Content-Type")+" "+string(body))
		if d.refused {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"action":{"status":"in-progress"}}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// TestHookDigitalOcean: the real curl, and a server in place of DigitalOcean.
func TestHookDigitalOcean(t *testing.T) {
	need.Tool(t, "curl")
	dash := need.Tool(t, "dash")
	d := &droplet{}
	server := httptest.NewServer(d)
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("dop_v1_abc\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ocean, _ := hooks(t)
	hook := hookFile(t, ocean, "https://api.digitalocean.com", server.URL, "http://169.254.169.254", server.URL, "/etc/edge/token", token)
	run := func(verb string) error {
		cmd := exec.CommandContext(t.Context(), dash, hook, verb)
		cmd.Env = append(os.Environ(), "INGOT_FLOATING_ADDRESS=198.51.100.100")
		out, err := cmd.CombinedOutput()
		if bytes.Contains(out, []byte("dop_v1")) {
			t.Errorf("it prints the token: %s", out)
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	}
	const want = `Bearer dop_v1_abc application/json {"type":"assign","droplet_id":2756294}`
	for range 2 { // the second time it is here
		if err := run("take"); err != nil || len(d.posts) != 1 || d.posts[0] != want {
			t.Errorf("take: %v; asked for %q", err, d.posts)
		}
	}
	if err := run("release"); err != nil || len(d.posts) != 1 {
		t.Errorf("release: %v; asked for %q", err, d.posts)
	}
	*d = droplet{refused: true}
	if err := run("take"); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("with a bad token: %v", err)
	}
}

// TestHookWire: in network namespaces, a client that knows the address at one
// edge reaches the other as soon as that has taken it.
func TestHookWire(t *testing.T) {
	need.Root(t)
	ip, dash, busybox := need.Tool(t, "ip"), need.Tool(t, "dash"), need.Tool(t, "busybox")
	need.Tool(t, "ping")
	_, wire := hooks(t)
	hook := hookFile(t, wire)
	// Debian's arping takes the same words; tests have busybox's.
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "arping"), []byte("#!/bin/sh\nexec "+busybox+" arping \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	const floating = "192.0.2.100"
	spaces := need.Netns(t, 3)
	in := func(i int, argv ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), ip, append([]string{"netns", "exec", spaces[i]}, argv...)...)
		cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "INGOT_FLOATING_ADDRESS="+floating)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	must := func(i int, argv ...string) string {
		t.Helper()
		out, err := in(i, argv...)
		if err != nil {
			t.Fatalf("%q: %v: %s", argv, err, out)
		}
		return out
	}
	if out, err := in(0, dash, hook, "take"); err == nil || !strings.Contains(out, "there is no way out") {
		t.Errorf("without a way out: %v: %s", err, out)
	}
	var links []string
	for i := range 2 {
		must(i, ip, "route", "add", "default", "via", "192.0.2.254")
		links = append(links, strings.TrimSpace(must(i, "cat", "/sys/class/net/eth0/address")))
	}
	// at is the link at which the client knows the address.
	at := func() string {
		must(2, "ping", "-c", "1", "-W", "5", floating)
		return must(2, ip, "neigh", "show", floating)
	}
	must(0, dash, hook, "take")
	if got := at(); !strings.Contains(got, links[0]) {
		t.Errorf("at the first: %s", got)
	}
	must(0, dash, hook, "take")
	must(0, dash, hook, "release")
	must(1, dash, hook, "take")
	if got := at(); !strings.Contains(got, links[1]) {
		t.Errorf("at the second: %s", got)
	}
	for i := range 2 {
		must(i, dash, hook, "release")
		if out := must(i, ip, "address", "show", "to", floating); out != "" {
			t.Errorf("left: %s", out)
		}
	}
	must(0, dash, hook, "release")
}
