package node_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/node"
)

// TestWait: it returns when the node's endpoint says that the API is ready, and
// says once what it waits for.
func TestWait(t *testing.T) {
	root := labMachine(t, t, "lab0")
	pki := filepath.Join(root, "etc/kubernetes/pki")
	cert, err := tls.LoadX509KeyPair(filepath.Join(pki, "apiserver.crt"), filepath.Join(pki, "apiserver.key"))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" || asked.Add(1) < 3 {
			http.Error(w, "not yet", http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte("ok")) // a client that left
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	defer server.Close()
	local := regexp.MustCompile(`"localURL": *"[^"]*"`)
	facts := readFile(t, root, "/etc/ingot/node.json")
	write(t, root, "/etc/ingot/node.json", 0o644, []byte(local.ReplaceAllString(facts, `"localURL": "`+server.URL+`"`)))

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	machine := node.Machine{Now: time.Now}
	if status := machine.Run(ctx, &stdout, &stderr, []string{"wait", "--root", root}); status != 0 || asked.Load() != 3 {
		t.Errorf("exit status %d after %d questions: %s", status, asked.Load(), &stderr)
	}
	if n := strings.Count(stderr.String(), "waiting for the API"); n != 1 || !strings.Contains(stderr.String(), "10.42.0.1:6443") {
		t.Errorf("it says %d times that it waits:\n%s", n, &stderr)
	}

	server.Close()
	ended, end := context.WithTimeout(t.Context(), time.Second)
	defer end()
	if status := machine.Run(ended, &stdout, &stderr, []string{"wait", "--root", root}); status == 0 {
		t.Error("it found an API where there is none")
	}
}
