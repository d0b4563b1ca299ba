// Package step keeps what the steps of a bake have made. A step is known by
// its inputs: the same inputs give the same files, so they are made once.
//
// The files are in the content cache of package fetch, and beside it a record
// for each step says which they are. Everything is checked when it is read.
// Several bakes may share a cache; of those that need the same step, one makes
// it and the others wait.
package step

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// recordFormat is the version of the records. Those of another are not read.
const recordFormat = 1

// maxRecord is more than any record has, in bytes.
const maxRecord = 1 << 20

// Step is a piece of work whose files depend on its inputs alone.
type Step struct {
	Name   string   // such as base
	Inputs []string // all that decides about its files, in an order that never varies
}

// Key is the SHA-256 of the step's name and inputs, in hexadecimal.
func (s Step) Key() string {
	h := sha256.New()
	for _, field := range append([]string{fmt.Sprint(recordFormat), s.Name}, s.Inputs...) {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(field), field) // hashes take everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// File is one file of a step.
type File struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"` // bytes
}

// Result is what a step has made.
type Result struct {
	Files  []File // ordered by name
	Cached bool   // whether it was there
	cache  *fetch.Cache
}

// Path is where a file of the step is. It stays there at least as long as the
// store is open. A name that the step did not make gives the empty string.
func (r *Result) Path(name string) string {
	if f, ok := r.File(name); ok {
		return r.cache.Path(f.SHA256)
	}
	return ""
}

// File finds a file of the step by its name.
func (r *Result) File(name string) (File, bool) {
	i := slices.IndexFunc(r.Files, func(f File) bool { return f.Name == name })
	if i < 0 {
		return File{}, false
	}
	return r.Files[i], true
}

// record is how a step stands in the cache.
type record struct {
	Format int    `json:"format"`
	Step   string `json:"step"`
	Files  []File `json:"files"`
}

// Store keeps steps. It is safe for concurrent use.
type Store struct {
	Cache *fetch.Cache
	// Warn is told of what was mended; may be nil. Steps call it concurrently.
	Warn func(message string)
	// Wait is told once when another run is at a step, which is waited for; may
	// be nil.
	Wait func(step string)

	dir     string
	held    *os.File
	release func() // of a folder of records that is not kept; may be nil
}

// Open opens the steps of a cache. As long as the store is open, nothing that
// it gives out is pruned.
func Open(cache *fetch.Cache) (*Store, error) {
	s := &Store{Cache: cache, dir: filepath.Join(cache.Dir(), "steps")}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, fmt.Errorf("opening cache: %w", err)
	}
	var err error
	if s.held, err = lockPath(context.Background(), s.dir, unix.LOCK_SH, nil); err != nil {
		return nil, fmt.Errorf("opening cache: %w", err)
	}
	return s, nil
}

// OpenFresh opens a cache without its steps: every step is done again, and
// none of it is remembered after Close. Downloads are taken as ever.
func OpenFresh(cache *fetch.Cache) (*Store, error) {
	s, err := Open(cache)
	if err != nil {
		return nil, err
	}
	dir, release, err := cache.Workspace()
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.dir, s.release = dir, release
	return s, nil
}

// Close lets others prune.
func (s *Store) Close() error {
	if s.release != nil {
		s.release()
	}
	return s.held.Close()
}

// Do gives the files of a step, which work writes into an empty folder if they
// are not there: regular files, without folders. A file that is damaged or
// missing in the cache is told to Warn, and the step is done again.
func (s *Store) Do(ctx context.Context, st Step, work func(ctx context.Context, dir string) error) (*Result, error) {
	if r, _ := s.find(ctx, st); r != nil {
		return r, nil
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	waiting := func() {
		if s.Wait != nil {
			s.Wait(st.Name)
		}
	}
	lock, err := lockPath(ctx, filepath.Join(s.dir, st.Key()+".lock"), unix.LOCK_EX, waiting)
	if err != nil {
		return nil, fmt.Errorf("locking step %q: %w", st.Name, err)
	}
	defer func() { _ = lock.Close() }() // unlocks
	r, damage := s.find(ctx, st)
	if r != nil { // made by the run that was waited for
		return r, nil
	}
	if damage != nil && ctx.Err() == nil && s.Warn != nil {
		s.Warn(fmt.Sprintf("the cache is damaged and step %s is done again: %v", st.Name, damage))
	}
	return s.make(ctx, st, work)
}

func (s *Store) make(ctx context.Context, st Step, work func(ctx context.Context, dir string) error) (*Result, error) {
	dir, release, err := s.Cache.Workspace()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := work(ctx, dir); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("keeping step %q: %w", st.Name, err)
	}
	rec := record{Format: recordFormat, Step: st.Name}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			return nil, fmt.Errorf("keeping step %q: %q is not a regular file", st.Name, e.Name())
		}
		sum, size, err := s.Cache.Add(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		rec.Files = append(rec.Files, File{Name: e.Name(), SHA256: sum, Size: size})
	}
	data, err := json.MarshalIndent(rec, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("keeping step %q: %w", st.Name, err)
	}
	// A record that a power cut spoils only costs doing the step again.
	if err := atomicfile.WriteNoSync(s.record(st), append(data, '\n'), 0o644); err != nil {
		return nil, fmt.Errorf("keeping step %q: %w", st.Name, err)
	}
	return &Result{Files: rec.Files, cache: s.Cache}, nil
}

func (s *Store) record(st Step) string { return filepath.Join(s.dir, st.Key()+".json") }

// find gives the files of a step if all are there and as they were. Damage says
// what is wrong with a step that is there.
func (s *Store) find(ctx context.Context, st Step) (r *Result, damage error) {
	path := s.record(st)
	rec, err := readRecord(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading its record: %w", err)
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, f := range rec.Files {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.Cache.Verify(f.SHA256, f.Size); err != nil {
				return fmt.Errorf("reading %s: %w", f.Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	// The record counts as used now.
	_ = unix.UtimesNanoAt(unix.AT_FDCWD, path, nil, unix.AT_SYMLINK_NOFOLLOW)
	return &Result{Files: rec.Files, Cached: true, cache: s.Cache}, nil
}

// readRecord reads a record, and checks all that is used as a path.
func readRecord(path string) (*record, error) {
	data, err := atomicfile.ReadFile(path, maxRecord)
	if err != nil {
		return nil, err
	}
	var rec record
	if err := json.Unmarshal(data, &rec); err != nil {
		return nil, err
	}
	if rec.Format != recordFormat || rec.Step == "" {
		return nil, errors.New("not a record of this version")
	}
	for _, f := range rec.Files {
		if raw, err := hex.DecodeString(f.SHA256); err != nil || len(raw) != sha256.Size || strings.ToLower(f.SHA256) != f.SHA256 ||
			f.Name == "" || f.Size < 0 {
			return nil, fmt.Errorf("bad file %q", f.Name)
		}
	}
	return &rec, nil
}

// poll is how often a lock that another run has is tried again.
const poll = 100 * time.Millisecond

// lockPath locks a file, which is made, or a folder. Closing it unlocks, and so
// does the end of the process. Waiting is called once if it must be waited for.
func lockPath(ctx context.Context, path string, how int, waiting func()) (*os.File, error) {
	flags := os.O_RDONLY | unix.O_NOFOLLOW
	if strings.HasSuffix(path, ".lock") {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
		if !told && waiting != nil {
			waiting()
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(poll):
		}
	}
}
