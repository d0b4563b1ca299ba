package fetch

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder/apt"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/internal/debrepo"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
)

// TestAptTransport fetches through the real apt, from a server on loopback.
func TestAptTransport(t *testing.T) {
	for _, program := range append([]string{"apt-get"}, debrepo.Programs...) {
		need.Tool(t, program)
	}
	repo, err := debrepo.New(t.Context(), t.TempDir(), run.Exec{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := repo.Close(); err != nil {
			t.Error(err)
		}
	}()
	names := []string{"essential", "libx++", "gone", "tampered", "longer"}
	for suite, list := range map[string][]string{"trixie": names, "trixie-updates": nil, "trixie-security": {"secure"}} {
		var packages []debrepo.Package
		for _, name := range list {
			packages = append(packages, debrepo.Package{Name: name, Version: "1:2.0~b+x", Essential: name == "essential", Padding: 5000})
		}
		if err := repo.Publish(t.Context(), suite, time.Unix(1, 0), packages); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(repo.Dir)))
	defer server.Close()
	config, err := repo.Configure("trixie", server.URL)
	if err != nil {
		t.Fatal(err)
	}
	host, err := apt.ReadHost(t.Context(), run.Exec{}, append(os.Environ(), "APT_CONFIG="+config))
	if err != nil {
		t.Fatal(err)
	}
	open := func(_ context.Context, dir string) (Downloader, error) {
		return apt.NewState(dir, host, 13, host.Mirrors)
	}
	state, err := apt.NewState(t.TempDir(), host, 13, host.Mirrors)
	if err != nil {
		t.Fatal(err)
	}
	if err := state.Update(t.Context()); err != nil {
		t.Fatal(err)
	}
	found, err := state.Solve(t.Context(), append(names, "secure"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var packages, good []lock.Package
	for _, p := range found {
		l := lock.Package{Name: p.Name, Version: p.Version, Architecture: p.Architecture, SHA256: p.SHA256, Size: p.Size, Archive: string(p.Archive), File: p.File}
		packages = append(packages, l)
		path := filepath.Join(repo.Dir, "debian", p.File)
		switch p.Name {
		case "gone":
			err = os.Remove(path)
		case "tampered", "longer":
			var data []byte
			if data, err = os.ReadFile(path); err == nil {
				data = bytes.ReplaceAll(data, []byte("made for a test"), []byte("made for a thief"))
				if p.Name == "tampered" {
					data = data[:p.Size]
				}
				err = os.WriteFile(path, data, 0o644)
			}
		default:
			good = append(good, l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(packages) != 6 {
		t.Fatalf("%d packages", len(packages))
	}
	c := openCache(t, t.TempDir())
	err = Packages(t.Context(), packages, Options{Cache: c, Open: open})
	if want := "refused, because the mirror gives another file than the lock names: longer 1:2.0~b+x, tampered 1:2.0~b+x\n" +
		"fetching packages: locked, but neither in the cache nor on the mirror any more: gone 1:2.0~b+x"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	content(t, c, good)

	server.Close()
	err = Packages(t.Context(), packages, Options{Cache: c, Open: open})
	var gone *GoneError
	if err == nil || errors.As(err, &gone) {
		t.Errorf("a mirror that does not answer: %v", err)
	}
}
