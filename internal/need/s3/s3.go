// Package s3 runs a real S3 service on loopback for a test: versitygw, on a
// folder.
package s3

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
)

// variable names the service's program; make sets it.
const variable = "INGOT_TEST_VERSITYGW"

// Keys that the service takes.
const (
	AccessKey = "ingot-test"
	SecretKey = "ingot-test-secret"
)

// Service is one with an empty bucket.
type Service struct {
	URL    string // http://127.0.0.1:port
	Bucket string
	Dir    string // of the bucket's objects
}

// Start runs the service for as long as the test runs.
func Start(t testing.TB) *Service {
	t.Helper()
	program := need.Built(t, variable)
	dir := t.TempDir()
	s := &Service{Bucket: "images", Dir: filepath.Join(dir, "images")}
	if err := os.Mkdir(s.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	s.URL = "http://" + address
	// Extended attributes may be missing where temporary files are.
	side := t.TempDir()
	cmd := exec.CommandContext(t.Context(), program, "--port", address, "--quiet", "posix", "--sidecar", side, dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+AccessKey, "ROOT_SECRET_KEY="+SecretKey)
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		_ = log.Close()
	})
	await(t, s.URL, log.Name())
	return s
}

// startTime is how long the service may take to listen.
const startTime = time.Minute

func await(t testing.TB, address, log string) {
	t.Helper()
	for end := time.Now().Add(startTime); ; time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if response, err := http.DefaultClient.Do(req); err == nil {
			_ = response.Body.Close()
			return
		}
		if time.Now().After(end) {
			said, _ := os.ReadFile(log)
			t.Fatalf("versitygw does not start: %s", said)
		}
	}
}
