package pki

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
)

// holderFiles are the files of the store of the small cluster.
var holderFiles = []string{
	"authorities/kubernetes", "authorities/etcd", "authorities/front-proxy",
	"service-account", "encryption", "nodes/m0", "nodes/w0",
}

// refused makes sure that a damaged store is refused by a run that has
// something to do, by an error that names the file, and is left as it is.
func refused(t *testing.T, f *fixture, file, want string) {
	t.Helper()
	before := snapshot(t, f.c.Dir)
	_, err := f.Ensure(context.Background(), EnsureOptions{})
	if err == nil {
		_, err = f.Material("m0")
	}
	if err == nil {
		_, err = f.Material("w0")
	}
	switch {
	case err == nil:
		t.Errorf("%s: no error", file)
	case !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), want):
		t.Errorf("the error does not name %s and %q: %v", file, want, err)
	case strings.Contains(err.Error(), "PRIVATE KEY-----") || len(err.Error()) > 600:
		t.Errorf("the error is too talkative: %v", err)
	}
	if !maps.Equal(before, snapshot(t, f.c.Dir)) {
		t.Errorf("%s: a refused store was changed", file)
	}
}

func TestDamagedFiles(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	for _, holder := range holderFiles {
		path := f.path(holder)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damage := map[string][]byte{
			"empty":     {},
			"garbage":   []byte("garbage\n"),
			"longer":    append(whole[:len(whole):len(whole)], '\n'),
			"zeros":     make([]byte, len(whole)),
			"too large": make([]byte, maxHolder+1),
		}
		for i := 1; i < 12; i++ {
			at := len(whole) * i / 12
			damage[fmt.Sprintf("cut at %d", at)] = whole[:at]
			flipped := []byte(string(whole))
			flipped[at] ^= 1
			damage[fmt.Sprintf("flipped at %d", at)] = flipped
		}
		for what, data := range damage {
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			t.Run(holder+" "+what, func(t *testing.T) { refused(t, f, path, "") })
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.ensure(); len(got) > 0 {
		t.Errorf("the whole store again: %q", got)
	}
}

// Damage that a right sum hides is found too: each part is held against the others.
func TestInconsistentFiles(t *testing.T) {
	f, other := newFixture(t, small), newFixture(t, strings.ReplaceAll(small, "small", "other"))
	other.config = f.config
	f.ensure()
	other.reopen(other.c.Dir, other.text, now)
	other.ensure()
	read := func(s *fixture, holder string) (*holderFile, secrets) {
		h, err := s.read(holder)
		if err != nil {
			t.Fatal(err)
		}
		sec, err := s.open(h)
		if err != nil {
			t.Fatal(err)
		}
		return h, sec
	}
	tests := []struct {
		name, holder, want string
		change             func(h, foreign *holderFile, sec, foreignSec secrets)
	}{
		{"authority of another cluster", "authorities/etcd", `it is of the authority "other etcd authority"`,
			func(h, foreign *holderFile, _, _ secrets) { h.clear = foreign.clear }},
		{"certificate of another cluster", "nodes/m0", `foreign certificate etcd-server: issued by "CN=other etcd authority"`,
			func(h, foreign *holderFile, _, _ secrets) { h.clear[0] = foreign.clear[0] }},
		{"key of another certificate", "nodes/m0", "the private key of etcd-server is not that of its certificate",
			func(_, _ *holderFile, sec, _ secrets) { sec[0].block = sec[1].block }},
		{"mesh key of another", "nodes/w0", "the mesh key is missing, damaged or not one pair",
			func(_, _ *holderFile, sec, foreign secrets) { sec[5] = foreign[5] }},
		{"no mesh key", "nodes/w0", "no mesh key in it",
			func(h, _ *holderFile, _, _ secrets) { h.clear = h.clear[:5] }},
		{"key missing", "nodes/w0", "no private key of kubelet-client in it",
			func(_, _ *holderFile, sec, _ secrets) { sec[0].name = "other" }},
		{"certificate stands twice", "nodes/w0", `"proxy" stands twice`,
			func(h, _ *holderFile, _, _ secrets) { h.clear[1] = h.clear[2] }},
		{"not a certificate", "nodes/w0", "certificate proxy: damaged",
			func(h, _ *holderFile, _, _ secrets) { h.clear[2].block.Bytes = []byte("not one") }},
		{"service account keys of two pairs", "service-account", "the keys are not one pair",
			func(h, foreign *holderFile, _, _ secrets) { h.clear = foreign.clear }},
		{"encryption key too short", "encryption", "no key of 32 bytes in it",
			func(_, _ *holderFile, sec, _ secrets) { sec[0].block.Bytes = sec[0].block.Bytes[:16] }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := f.path(test.holder)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			h, sec := read(f, test.holder)
			foreign, foreignSec := read(other, test.holder)
			test.change(h, foreign, sec, foreignSec)
			readers, err := f.storeReaders()
			if err != nil {
				t.Fatal(err)
			}
			if err := (&run{s: f.Store, readers: readers}).save(test.holder, h.clear, sec); err != nil {
				t.Fatal(err)
			}
			refused(t, f, path, test.want)
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("file of another cluster", func(t *testing.T) {
		data, err := os.ReadFile(other.path("nodes/m0"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.path("nodes/m0"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, f, f.path("nodes/m0"), `it belongs to "other nodes/m0", not to "small nodes/m0"`)
	})
}

func (s *Store) storeReaders() (*readers, error) {
	data, err := os.ReadFile(filepath.Join(s.dir, recipientsFile))
	if err != nil {
		return nil, err
	}
	return newReaders(recipientLines(string(data)))
}

// A lost ledger is made anew only where it comes out as it was.
func TestLostLedger(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	ledger := filepath.Join(f.c.Dir, cluster.IndexesFile)
	if err := os.Remove(ledger); err != nil {
		t.Fatal(err)
	}
	f.reopen(f.c.Dir, f.text, now)
	if got := f.ensure(); len(got) > 0 {
		t.Errorf("changes: %q", got)
	}
	if err := os.Remove(ledger); err != nil {
		t.Fatal(err)
	}
	f.edit("nodes:\n", "nodes:\n  - {name: first, roles: [worker]}\n")
	refused(t, f, ledger, "restore it from a copy")
}

// What nodes depend on is not made anew when it is lost.
func TestLostFiles(t *testing.T) {
	f := newFixture(t, small)
	f.ensure()
	for _, holder := range holderFiles[:5] {
		path := f.path(holder)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		refused(t, f, path, "restore it from a copy")
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
}
