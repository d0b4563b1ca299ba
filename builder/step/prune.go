package step

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder/fetch"
	"golang.org/x/sys/unix"
)

// ErrBusy is a cache that a bake is using.
var ErrBusy = errors.New("a bake is using the cache")

// Entry is what a cache holds for one step, or what was downloaded.
type Entry struct {
	Name string    `json:"name"` // of the step; "downloads" for packages and other files of locks
	Key  string    `json:"key,omitempty"`
	Size int64     `json:"bytes"`
	Used time.Time `json:"used"` // last
}

// Downloads is the name of the entry that is not of a step.
const Downloads = "downloads"

// List says what a cache holds, the most recently used first.
func List(cache *fetch.Cache) ([]Entry, error) {
	all, err := scan(cache)
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, r := range all.records {
		out = append(out, r.Entry)
	}
	downloads := Entry{Name: Downloads}
	for sum, f := range all.files {
		if all.owners[sum] > 0 {
			continue
		}
		downloads.Size += f.size
		if f.used.After(downloads.Used) {
			downloads.Used = f.used
		}
	}
	if downloads.Size > 0 {
		out = append(out, downloads)
	}
	sort.SliceStable(out, func(a, b int) bool { return out[a].Used.After(out[b].Used) })
	return out, nil
}

// Prune removes what was last used before a time, and returns how many bytes
// that were. While a bake uses the cache it gives ErrBusy.
func Prune(cache *fetch.Cache, before time.Time) (int64, error) {
	dir := filepath.Join(cache.Dir(), "steps")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fmt.Errorf("pruning the cache: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	lock, err := lockPath(ctx, dir, unix.LOCK_EX, cancel)
	cancel()
	if errors.Is(err, context.Canceled) {
		return 0, ErrBusy
	}
	if err != nil {
		return 0, fmt.Errorf("pruning the cache: %w", err)
	}
	defer func() { _ = lock.Close() }() // unlocks
	all, err := scan(cache)
	if err != nil {
		return 0, err
	}
	// Records go first: a record without its files would be told as damage.
	for _, r := range all.records {
		if !r.Used.Before(before) {
			continue
		}
		if err := os.Remove(r.path); err != nil {
			return 0, fmt.Errorf("pruning the cache: %w", err)
		}
		for _, f := range r.files {
			all.owners[f.SHA256]--
		}
	}
	var freed int64
	for sum, f := range all.files {
		if all.owners[sum] > 0 || !f.used.Before(before) {
			continue
		}
		if err := os.Remove(cache.Path(sum)); err != nil {
			return freed, fmt.Errorf("pruning the cache: %w", err)
		}
		freed += f.size
	}
	for _, path := range all.locks { // nobody holds one: the folder is ours
		if err := os.Remove(path); err != nil {
			return freed, fmt.Errorf("pruning the cache: %w", err)
		}
	}
	return freed, nil
}

type cached struct {
	size int64
	used time.Time
}

type found struct {
	Entry
	path  string
	files []File
}

// content is all that a cache holds.
type content struct {
	records []found
	files   map[string]cached // by SHA-256
	owners  map[string]int    // how many records have a file
	locks   []string
}

func scan(cache *fetch.Cache) (*content, error) {
	all := &content{files: map[string]cached{}, owners: map[string]int{}}
	err := each(filepath.Dir(cache.Path("x")), func(name, _ string, info fs.FileInfo) {
		all.files[name] = cached{size: info.Size(), used: info.ModTime()}
	})
	if err != nil {
		return nil, err
	}
	err = each(filepath.Join(cache.Dir(), "steps"), func(name, path string, info fs.FileInfo) {
		if strings.HasSuffix(name, ".lock") {
			all.locks = append(all.locks, path)
		}
		key, is := strings.CutSuffix(name, ".json")
		if !is {
			return
		}
		r := found{path: path, Entry: Entry{Key: key, Used: info.ModTime(), Name: "damaged"}}
		if rec, err := readRecord(path); err == nil {
			r.Name, r.files = rec.Step, rec.Files
		}
		for _, f := range r.files {
			r.Size += f.Size
			all.owners[f.SHA256]++
		}
		all.records = append(all.records, r)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// each visits the regular files of a folder, which need not be there.
func each(dir string, visit func(name, path string, info fs.FileInfo)) error {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the cache: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // gone meanwhile
		}
		if err != nil {
			return fmt.Errorf("reading the cache: %w", err)
		}
		if info.Mode().IsRegular() {
			visit(e.Name(), filepath.Join(dir, e.Name()), info)
		}
	}
	return nil
}
