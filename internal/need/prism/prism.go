// Package prism has Prism check what goes to a server and what comes back by an
// OpenAPI description, on loopback.
package prism

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
)

// Variables of the environment: Prism's main file, which make sets, and the
// description of DigitalOcean's API.
const (
	prismVariable = "INGOT_TEST_PRISM"
	oceanVariable = "INGOT_TEST_DIGITALOCEAN"
)

// DigitalOcean gives the path of the description of DigitalOcean's API. It is
// not in the project: it is beside it, or where INGOT_TEST_DIGITALOCEAN says. A
// test goes without where it is in neither place.
func DigitalOcean(t testing.TB) string {
	t.Helper()
	path := os.Getenv(oceanVariable)
	if path == "" {
		path = filepath.Join(need.Source(t), "..", "shared", "digitalocean", "openapi.json")
	}
	need.Data(t, path, oceanVariable)
	return path
}

// Proxy stands before a server for as long as the test runs: whatever the
// description does not allow, asked or answered, is an error of the test.
func Proxy(t testing.TB, description string, server http.Handler) http.Handler {
	t.Helper()
	node := need.Tool(t, "node")
	main := need.Built(t, prismVariable)
	upstream := httptest.NewServer(server)
	t.Cleanup(upstream.Close)
	address := start(t, node, main, description, upstream.URL)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	proxy.ModifyResponse = func(response *http.Response) error {
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		response.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte("stoplight.io/prism/errors")) {
			t.Errorf("%s %s: the description does not allow it: %s", response.Request.Method, response.Request.URL, body)
		}
		return nil
	}
	return proxy
}

// startTime is how long Prism may take to read a description of megabytes.
const startTime = 3 * time.Minute

// start runs Prism, and waits until it listens.
func start(t testing.TB, node, main, description, upstream string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, main, "proxy", "--errors", "-h", host, "-p", port, description, upstream)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with what it started
	said := new(output)
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Cancel()
		_ = cmd.Wait()
	})
	for end := time.Now().Add(startTime); !strings.Contains(said.String(), "listening on"); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) || cmd.ProcessState != nil {
			t.Fatalf("Prism does not start:\n%s", said)
		}
	}
	return address
}

// output is what a program has said, for several goroutines.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
