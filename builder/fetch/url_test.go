package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestURL(t *testing.T) {
	content := strings.Repeat("program", 100)
	raw := sha256.Sum256([]byte(content))
	sum := hex.EncodeToString(raw[:])
	served, asked := content, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path == "/gone" {
			http.NotFound(w, r)
			return
		}
		if r.URL.Path == "/cut" {
			w.Header().Set("Content-Length", "1000000")
		}
		_, _ = w.Write([]byte(served))
	}))
	defer server.Close()
	c, err := OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	get := func(address, sum string, limit int64, offline bool) (string, error) {
		path := filepath.Join(t.TempDir(), "out")
		err := c.URL(t.Context(), address, sum, limit, offline, path)
		if err != nil {
			if _, serr := os.Stat(path); serr == nil {
				t.Errorf("%v, and yet there is a file", err)
			}
			return "", err
		}
		data, err := os.ReadFile(path)
		return string(data), err
	}
	refused := func(name, want, address, sum string, limit int64, offline bool) {
		t.Helper()
		_, err := get(address, sum, limit, offline)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v\nwant %q", name, err, want)
		}
	}
	query := server.URL + "/a?token=hunter2"
	refused("offline", "not in the cache, and downloads are forbidden", query, sum, 1000, true)
	refused("not there", "404", server.URL+"/gone?token=hunter2", sum, 1000, false)
	refused("too large", "more than the 699 bytes", query, sum, 699, false)
	refused("cut off", "unexpected EOF", server.URL+"/cut", sum, 1<<20, false)
	refused("nobody there", "connection refused", "http://127.0.0.1:1/?token=hunter2", sum, 1000, false)
	served = "other"
	refused("another file", "refused, because its SHA-256 is d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa", query, sum, 1000, false)
	served, asked = content, 0
	for _, offline := range []bool{false, true, false} {
		if got, err := get(query, sum, 700, offline); got != content || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	if err := os.WriteFile(c.Path(sum), []byte(strings.Repeat("PROGRAM", 100)), 0o644); err != nil {
		t.Fatal(err)
	}
	refused("corrupt cache offline", "not in the cache", query, sum, 1000, true)
	if got, err := get(query, sum, 700, false); got != content || err != nil || asked != 2 {
		t.Errorf("with a corrupt cache: %q, %v, asked %d times", got, err, asked)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.URL(ctx, server.URL+"/b", strings.Repeat("0", 64), 1000, false, filepath.Join(t.TempDir(), "x")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
