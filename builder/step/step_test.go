package step_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/step"
)

func open(t *testing.T, dir string) *step.Store {
	t.Helper()
	cache, err := fetch.OpenCache(dir)
	if err != nil {
		t.Fatal(err)
	}
	store, err := step.Open(cache)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// writer is work that writes files and counts how often it was done.
func writer(times *int, files map[string]string) func(context.Context, string) error {
	return func(_ context.Context, dir string) error {
		*times++
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				return err
			}
		}
		return nil
	}
}

func content(t *testing.T, r *step.Result, name string) string {
	t.Helper()
	data, err := os.ReadFile(r.Path(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestDoneOnce(t *testing.T) {
	dir := t.TempDir()
	times := 0
	st := step.Step{Name: "base", Inputs: []string{"a", "b"}}
	for i := range 3 {
		store := open(t, dir)
		r, err := store.Do(t.Context(), st, writer(&times, map[string]string{"one": "1", "two": "22"}))
		if err != nil {
			t.Fatal(err)
		}
		if content(t, r, "one") != "1" || content(t, r, "two") != "22" || r.Path("three") != "" {
			t.Fatalf("run %d: wrong files %+v", i, r.Files)
		}
		if r.Cached != (i > 0) {
			t.Errorf("run %d: cached is %v", i, r.Cached)
		}
	}
	if times != 1 {
		t.Errorf("the work was done %d times", times)
	}
}

// Fields do not run into each other, and every one counts.
func TestKeys(t *testing.T) {
	seen := map[string]step.Step{}
	for _, st := range []step.Step{
		{Name: "a"}, {Name: "b"}, {Name: "a", Inputs: []string{""}}, {Name: "a", Inputs: []string{"x", "y"}},
		{Name: "a", Inputs: []string{"y", "x"}}, {Name: "a", Inputs: []string{"xy"}}, {Name: "a", Inputs: []string{"1:x,1:y"}},
	} {
		if other, is := seen[st.Key()]; is {
			t.Errorf("%+v and %+v have one key", st, other)
		}
		seen[st.Key()] = st
	}
	if got, want := (step.Step{Name: "a"}).Key(), "3861365b"; !strings.HasPrefix(got, want) {
		t.Errorf("the key of a known step is %s, not %s...: caches of users would be lost", got, want)
	}
}

func TestDamage(t *testing.T) {
	spoil := map[string]func(t *testing.T, dir string, r *step.Result){
		"another byte": func(t *testing.T, _ string, r *step.Result) { overwrite(t, r.Path("f"), "CONTENT") },
		"cut":          func(t *testing.T, _ string, r *step.Result) { overwrite(t, r.Path("f"), "con") },
		"gone": func(t *testing.T, _ string, r *step.Result) {
			if err := os.Remove(r.Path("f")); err != nil {
				t.Fatal(err)
			}
		},
		"record": func(t *testing.T, dir string, _ *step.Result) {
			records, _ := filepath.Glob(filepath.Join(dir, "steps", "*.json"))
			if len(records) != 1 {
				t.Fatal(records)
			}
			overwrite(t, records[0], `{"format":1,"step":"s","files":[{"name":"f","sha256":"../../x"}]}`)
		},
	}
	for name, f := range spoil {
		t.Run(name, func(t *testing.T) {
			dir, times := t.TempDir(), 0
			store := open(t, dir)
			var warned []string
			store.Warn = func(m string) { warned = append(warned, m) }
			work := writer(&times, map[string]string{"f": "content"})
			r, err := store.Do(t.Context(), step.Step{Name: "s"}, work)
			if err != nil {
				t.Fatal(err)
			}
			f(t, dir, r)
			if r, err = store.Do(t.Context(), step.Step{Name: "s"}, work); err != nil {
				t.Fatal(err)
			}
			if content(t, r, "f") != "content" || times != 2 || len(warned) != 1 {
				t.Errorf("done %d times, warnings %q", times, warned)
			}
		})
	}
}

func overwrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFailure(t *testing.T) {
	dir, times := t.TempDir(), 0
	store := open(t, dir)
	st := step.Step{Name: "s"}
	sick := errors.New("sick")
	_, err := store.Do(t.Context(), st, func(_ context.Context, dir string) error {
		overwrite(t, filepath.Join(dir, "half"), "written")
		return sick
	})
	if !errors.Is(err, sick) {
		t.Fatal(err)
	}
	for _, sub := range []string{"tmp", "sha256"} {
		if left, _ := os.ReadDir(filepath.Join(dir, sub)); len(left) > 0 {
			t.Errorf("%s has %v", sub, left)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := store.Do(ctx, st, func(context.Context, string) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("work that ended after its context was kept: %v", err)
	}
	if r, err := store.Do(t.Context(), st, writer(&times, nil)); err != nil || r.Cached {
		t.Errorf("after failures: %+v, %v", r, err)
	}
}

func TestFoldersAreRefused(t *testing.T) {
	_, err := open(t, t.TempDir()).Do(t.Context(), step.Step{Name: "s"}, func(_ context.Context, dir string) error {
		return os.Mkdir(filepath.Join(dir, "folder"), 0o755)
	})
	if err == nil || !strings.Contains(err.Error(), `"folder"`) {
		t.Error(err)
	}
}

// Runs that need the same step at once do it once.
func TestAtOnce(t *testing.T) {
	dir := t.TempDir()
	times := 0
	var waited sync.Map
	var all sync.WaitGroup
	for i := range 4 {
		store := open(t, dir)
		store.Wait = func(string) { waited.Store(i, true) }
		all.Go(func() {
			r, err := store.Do(t.Context(), step.Step{Name: "slow"}, func(ctx context.Context, dir string) error {
				time.Sleep(300 * time.Millisecond)
				return writer(&times, map[string]string{"f": "content"})(ctx, dir)
			})
			if err != nil || r.Path("f") == "" {
				t.Error(r, err)
			}
		})
	}
	all.Wait()
	n := 0
	waited.Range(func(any, any) bool { n++; return true })
	if times != 1 || n != 3 {
		t.Errorf("done %d times, %d waited", times, n)
	}
}

// A fresh store does everything again and leaves what others have alone.
func TestFresh(t *testing.T) {
	dir, times := t.TempDir(), 0
	st := step.Step{Name: "s"}
	old := open(t, dir)
	if _, err := old.Do(t.Context(), st, writer(&times, map[string]string{"f": "old"})); err != nil {
		t.Fatal(err)
	}
	fresh, err := step.OpenFresh(old.Cache)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r, err := fresh.Do(t.Context(), st, writer(&times, map[string]string{"f": "new"}))
		if err != nil || content(t, r, "f") != "new" {
			t.Fatal(r, err)
		}
	}
	if err := fresh.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := old.Do(t.Context(), st, writer(&times, nil))
	if err != nil || content(t, r, "f") != "old" || times != 2 {
		t.Errorf("done %d times, %v", times, err)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "tmp")); len(left) > 0 {
		t.Errorf("left %v", left)
	}
}

func TestPrune(t *testing.T) {
	dir, times := t.TempDir(), 0
	store := open(t, dir)
	for name, data := range map[string]string{"old": "shared", "new": "shared"} {
		work := writer(&times, map[string]string{"same": data, "own": name + " only"})
		if _, err := store.Do(t.Context(), step.Step{Name: name}, work); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := step.Prune(store.Cache, time.Now()); !errors.Is(err, step.ErrBusy) {
		t.Fatalf("pruning under a bake: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	age(t, dir, (step.Step{Name: "old"}).Key()+".json")
	blobs, _ := os.ReadDir(filepath.Join(dir, "sha256"))
	for _, b := range blobs {
		age(t, dir, b.Name())
	}
	freed, err := step.Prune(store.Cache, time.Now().Add(-time.Hour))
	if err != nil || freed != int64(len("old only")) {
		t.Fatalf("freed %d, %v", freed, err)
	}
	left, err := step.List(store.Cache)
	if err != nil || len(left) != 1 || left[0].Name != "new" || left[0].Size != int64(len("shared")+len("new only")) {
		t.Errorf("left %+v, %v", left, err)
	}
	store = open(t, dir)
	if r, err := store.Do(t.Context(), step.Step{Name: "new"}, writer(&times, nil)); err != nil || !r.Cached {
		t.Errorf("what was kept is not whole: %v", err)
	}
}

// age makes a file of the cache an hour and a day old.
func age(t *testing.T, dir, name string) {
	t.Helper()
	then := time.Now().Add(-25 * time.Hour)
	for _, sub := range []string{"steps", "sha256"} {
		path := filepath.Join(dir, sub, name)
		if _, err := os.Stat(path); err == nil {
			if err := os.Chtimes(path, then, then); err != nil {
				t.Fatal(err)
			}
		}
	}
}
