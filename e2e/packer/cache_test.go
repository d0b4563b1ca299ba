package packer_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// cloneCache makes a cache of links to the user's, without the steps that are
// named.
func (w *world) cloneCache(t *testing.T, without ...string) string {
	t.Helper()
	cache := filepath.Join(t.TempDir(), "ingot")
	for _, sub := range []string{"sha256", "steps"} {
		check(t, os.MkdirAll(filepath.Join(cache, sub), 0o755))
		entries, err := os.ReadDir(filepath.Join(w.cache, sub))
		check(t, err)
		for _, e := range entries {
			from, to := filepath.Join(w.cache, sub, e.Name()), filepath.Join(cache, sub, e.Name())
			if sub == "steps" {
				copyStep(t, from, to, without)
				continue
			}
			if err := os.Link(from, to); err != nil && !errors.Is(err, fs.ErrNotExist) { // it may be gone meanwhile
				t.Skipf("the cache cannot be linked to from %s: %v", cache, err)
			}
		}
	}
	return cache
}

// copyStep copies the record of a step.
func copyStep(t *testing.T, from, to string, without []string) {
	t.Helper()
	if filepath.Ext(from) != ".json" {
		return
	}
	data, err := os.ReadFile(from)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	check(t, err)
	var record struct{ Step string }
	check(t, json.Unmarshal(data, &record))
	if !slices.Contains(without, record.Step) {
		check(t, os.WriteFile(to, data, 0o644))
	}
}
