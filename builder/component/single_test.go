package component

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/internal/gorepo"
	"github.com/ingot-k8s/ingot/internal/run"
)

// program compiles a static program, for which only Go is needed.
func program(t *testing.T, environ ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	source := []byte("package main\n\nfunc main() { println(\"runc\") }\n")
	if err := os.WriteFile(filepath.Join(dir, "main.go"), source, 0o644); err != nil {
		t.Fatal(err)
	}
	err := run.Exec{}.Run(t.Context(), run.Command{
		Argv: []string{"go", "build", "-ldflags=-s -w", "-o", "program", "main.go"}, Dir: dir,
		Env: append(append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off"), environ...),
	})
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "program"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func hexSum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// shop has a program by address and a folder that one by file lies in.
type shop struct {
	t      *testing.T
	served []byte
	asked  int
	server *httptest.Server
	cache  *fetch.Cache
	folder string
}

const (
	byAddress = `url, url: "ADDRESS/runc.amd64"`
	byFile    = "file, file: runc"
)

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{t: t, folder: t.TempDir()}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.asked++
		_, _ = w.Write(s.served)
	}))
	t.Cleanup(s.server.Close)
	var err error
	if s.cache, err = fetch.OpenCache(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	return s
}

// build makes runc of a source that is to have this content, and gives its path.
func (s *shop) build(source string, content []byte, offline bool) (string, error) {
	s.t.Helper()
	text := definition + "components: {runc: {source: " + source + ", sha256: " + hexSum(content) + "}}\n"
	c := parse(s.t, strings.ReplaceAll(text, "ADDRESS", s.server.URL))
	c.Dir = s.folder
	dir := s.t.TempDir()
	out, err := Build(s.t.Context(), c, &lock.Lock{}, Config{Cache: s.cache, Offline: offline, Environ: os.Environ()}, "runc", dir)
	if err != nil {
		return "", err
	}
	if p := out.Programs[0]; len(out.Programs) != 1 || p.Path != "/usr/sbin/runc" || p.Mode != 0o755 {
		s.t.Errorf("%+v", out)
	}
	return filepath.Join(dir, out.Programs[0].File), nil
}

func (s *shop) refused(name, source string, content []byte, want string) {
	s.t.Helper()
	if _, err := s.build(source, content, false); err == nil || !strings.Contains(err.Error(), want) {
		s.t.Errorf("%s: got %v\nwant %q", name, err, want)
	}
}

func TestByAddress(t *testing.T) {
	good, arm := program(t), program(t, "GOARCH=arm64")
	s := newShop(t)
	s.served = good
	if _, err := s.build(byAddress, good, true); err == nil || s.asked != 0 || !strings.Contains(err.Error(), "downloads are forbidden") {
		t.Errorf("offline, with nothing in the cache: %v, asked %d times", err, s.asked)
	}
	for _, offline := range []bool{false, true, false} {
		path, err := s.build(byAddress, good, offline)
		if err != nil {
			t.Fatal(err)
		}
		if got := says(t, path, "runc"); got != "runc\n" {
			t.Errorf("it says %q", got)
		}
	}
	if s.asked != 1 {
		t.Errorf("fetched %d times", s.asked)
	}
	s.served = arm
	s.refused("another program", byAddress, []byte("other"),
		`making component "runc": refused, because the SHA-256 of `+s.server.URL+"/runc.amd64 is "+hexSum(arm))
	s.refused("another machine", byAddress, arm, "no program for amd64")
	s.served = []byte("#!/bin/sh\n")
	s.refused("a script", byAddress, s.served, "want one static executable for amd64")
}

func TestByFile(t *testing.T) {
	good := program(t)
	s := newShop(t)
	file := filepath.Join(s.folder, "runc")
	s.refused("no file", byFile, good, "there is no file")
	if err := os.WriteFile(file, good, 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := s.build(byFile, good, true)
	if err != nil {
		t.Fatal(err)
	}
	same(t, path, file)
	var differs *DifferentError
	if _, err := s.build(byFile, []byte("other"), true); !errors.As(err, &differs) || differs.Got != hexSum(good) || differs.From != "runc" {
		t.Errorf("another file: %v", err)
	}
	if err := errors.Join(os.Remove(file), os.Symlink("/bin/true", file)); err != nil {
		t.Fatal(err)
	}
	s.refused("a link that leads out", byFile, good, "escapes")
}

// TestKey: each input of a program changes its key, and nothing else does.
func TestKey(t *testing.T) {
	w := newWorld(t)
	l := w.resolve(nil, never)
	key := func(text string, l *lock.Lock, name string) string {
		t.Helper()
		k, err := Key(parse(t, text), l, name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(k, "\x00")
	}
	want := key(withExporter, l, "node-exporter")
	if got := key(strings.Replace(withExporter, "name: a\n", "name: b\n", 1), l, "node-exporter"); got != want {
		t.Error("another cluster's node-exporter has another key")
	}
	changed := func(name string, change func(l *lock.Lock)) {
		t.Helper()
		other := *l
		other.Modules = append([]lock.Module(nil), l.Modules...)
		change(&other)
		if key(withExporter, &other, "node-exporter") == want {
			t.Errorf("%s changes nothing", name)
		}
	}
	last := len(l.Modules) - 1 // of node-exporter
	changed("a version", func(l *lock.Lock) { l.Modules[last].Version = "v1.12.9" })
	changed("a checksum", func(l *lock.Lock) { l.Modules[last].Sum = "h1:x" })
	changed("the toolchain", func(l *lock.Lock) { l.Toolchain = "go1.26.9" })
	later := *l
	later.Date = l.Date.AddDate(0, 0, 1)
	if key(withExporter, &later, "node-exporter") != want {
		t.Error("the clock is no input of what has no date in it")
	}
	if key(withExporter, &later, "kubernetes") == key(withExporter, l, "kubernetes") {
		t.Error("the clock is an input of kubernetes, which says when it was made")
	}
	url := definition + "components: {runc: {source: url, url: \"https://example.com/r\", sha256: SUM}}\n"
	first := key(strings.Replace(url, "SUM", hexSum(nil), 1), l, "runc")
	if first == key(strings.Replace(url, "SUM", hexSum([]byte("x")), 1), l, "runc") {
		t.Error("another program by address has the same key")
	}
	if _, err := Key(w.cluster, &lock.Lock{}, "node-exporter"); err == nil || !strings.Contains(err.Error(), "the lock has no modules of it") {
		t.Errorf("an empty lock: %v", err)
	}
}

// TestHashDir compares with the checksums that Go itself makes.
func TestHashDir(t *testing.T) {
	w := newWorld(t)
	w.publish(gorepo.Module{Path: "example.org/m", Version: "v1.0.0", Files: map[string]string{"a/b.go": "1", "a.go": "2", "a-b/c.go": "", "a/B/x y.txt": "3"}})
	g, err := newGo(t.Context(), w.cfg, t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	found, err := g.download(t.Context(), []string{"example.org/m@v1.0.0"})
	if err != nil || len(found) != 1 || found[0].Error != "" {
		t.Fatal(found, err)
	}
	if got, err := hashDir(found[0].Dir, "example.org/m@v1.0.0"); err != nil || got != found[0].Sum {
		t.Errorf("%s, %v; Go has %s", got, err, found[0].Sum)
	}
	if got, err := hashDir(found[0].Dir, "example.org/m@v1.0.1"); err != nil || got == found[0].Sum {
		t.Errorf("of another version: %s, %v", got, err)
	}
}
