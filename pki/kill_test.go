package pki

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// killDir tells the test binary to be a run that is killed: see [TestKilled].
const killDir = "INGOT_TEST_PKI_KILL"

// several is a cluster of some nodes; %d is a part of an address.
const several = small + "  - {name: m1, roles: [controller], address: 192.0.2.%d}\nspares: 4\n"

// TestKilledChild is not a test by itself: it issues again and again until
// [TestKilled] kills it.
func TestKilledChild(t *testing.T) {
	dir := os.Getenv(killDir)
	if dir == "" {
		return // not a child
	}
	for i := 20; ; i = 20 + (i+1)%200 {
		s, err := Open(define(t, dir, fmt.Sprintf(several, i)), Options{ConfigDir: filepath.Join(dir, "config"), Now: now})
		if err == nil {
			_, err = s.Ensure(context.Background(), EnsureOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestKilled kills runs at random moments. Whatever they leave is a good
// store: the next run needs no help, keys match certificates, and nothing
// that was issued before is lost.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	f := newFixture(t, small)
	f.config = filepath.Join(dir, "config")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	lasting := map[string]string{}
	const rounds = 30
	for round := range rounds {
		var out bytes.Buffer
		child := exec.Command(os.Args[0], "-test.run=^TestKilledChild$")
		child.Env = append(os.Environ(), killDir+"="+dir)
		child.Stdout, child.Stderr = &out, &out
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// Long enough for the start of the process, short enough to hit the first run.
		time.Sleep(time.Duration(random.IntN(120)) * time.Millisecond)
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		var exit *exec.ExitError
		if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
			t.Fatalf("the run ended by itself: %v\n%s", err, out.String())
		}
		if round%3 != 2 {
			continue // several kills in a row
		}
		f.reopen(dir, fmt.Sprintf(several, 10+round), now)
		checkLasting(t, f, lasting)
		f.ensure()
		checkLasting(t, f, lasting)
		for i := range f.c.Nodes {
			if _, err := f.Material(f.c.Nodes[i].Name); err != nil {
				t.Fatal(err)
			}
		}
		left, err := filepath.Glob(filepath.Join(dir, "pki", "*", ".*.tmp"))
		if err != nil || len(left) > 0 {
			t.Errorf("left behind: %q (%v)", left, err)
		}
	}
}

// checkLasting holds what lives as long as the cluster against what was seen before.
func checkLasting(t *testing.T, f *fixture, seen map[string]string) {
	t.Helper()
	holders, err := f.holders()
	if err != nil {
		t.Fatal(err)
	}
	for _, holder := range holders {
		h, err := f.read(holder)
		if err != nil {
			t.Fatal(err)
		}
		sec, err := f.open(h)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{keyEntry, meshEntry} {
			block, ok := sec.find(name)
			if !ok {
				continue
			}
			if old, ok := seen[holder]; ok && old != string(block.Bytes) {
				t.Errorf("%s: the %s has changed", holder, name)
			}
			seen[holder] = string(block.Bytes)
		}
	}
	for holder := range seen {
		if _, err := os.Stat(f.path(holder)); err != nil {
			t.Errorf("lost: %v", err)
		}
	}
}

// Runs at the same time take turns: all end well, and what one has made the
// others use.
func TestTwoRunsAtOnce(t *testing.T) {
	dir, config := t.TempDir(), filepath.Join(t.TempDir(), "config")
	var wg sync.WaitGroup
	issued := make(chan int, 4)
	for range cap(issued) {
		wg.Go(func() {
			s, err := Open(define(t, dir, small), Options{ConfigDir: config, Now: now})
			if err != nil {
				t.Error(err)
				return
			}
			changes, err := s.Ensure(context.Background(), EnsureOptions{})
			if err != nil {
				t.Error(err)
			}
			issued <- len(changes)
		})
	}
	wg.Wait()
	close(issued)
	busy := 0
	for n := range issued {
		if n > 0 {
			busy++
		}
	}
	if busy != 1 {
		t.Errorf("%d of the runs changed something, want 1", busy)
	}
}

func TestEnsureCancelled(t *testing.T) {
	f := newFixture(t, small)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := f.Ensure(ctx, EnsureOptions{Progress: func(c Change) {
		if strings.HasPrefix(c.Holder, "encryption") {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if got := f.ensure(); len(got) != 2 {
		t.Errorf("the next run: %q", got)
	}
}
