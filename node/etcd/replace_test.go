package etcd

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// lost makes a world with data of which machines have lost their disks, and
// are off.
func lost(t *testing.T, n int, which ...int) *world {
	t.Helper()
	w := start(t, n)
	w.put(w.machines[0], "greeting", "hello")
	for _, i := range which {
		w.machines[i].off()
		w.machines[i].loseDisk()
		w.machines[i].forget()
	}
	return w
}

// TestLostDisk: a node whose data is gone replaces its dead member, and the
// data is there.
func TestLostDisk(t *testing.T) {
	w := lost(t, 3, 1)
	b := w.machines[1]
	w.put(w.machines[0], "meanwhile", "more")
	b.on()
	w.hears(b, "removed the dead member")
	w.hears(b, "added to the cluster as learner")
	w.hears(b, "promoted to a voting member")
	w.well(w.machines...)
	w.holds("greeting", "hello", w.machines...)
	w.holds("meanwhile", "more", w.machines...)
	for _, m := range w.machines { // and all come back
		m.off()
	}
	for _, m := range w.machines {
		m.on()
	}
	w.well(w.machines...)
	w.holds("greeting", "hello", w.machines...)
}

// TestCrashAtReplacement: it loses power after each step of that.
func TestCrashAtReplacement(t *testing.T) {
	for _, step := range []string{"nonce", "this node's data is gone", "removed the dead member", "added to the cluster", "settings", "started", "in sync"} {
		t.Run(step, func(t *testing.T) {
			w := lost(t, 3, 2)
			c := w.machines[2]
			reached := c.crashAt(step)
			c.on()
			reach(t, step, reached)
			c.off()
			c.edit = nil
			c.on()
			w.well(w.machines...)
			w.holds("greeting", "hello", w.machines...)
		})
	}
}

// TestLostDiskWithoutQuorum: it waits while another one is down, and goes on
// when that is back.
func TestLostDiskWithoutQuorum(t *testing.T) {
	w := lost(t, 3, 1)
	a, b, c := w.machines[0], w.machines[1], w.machines[2]
	c.off()
	b.on()
	w.hears(b, "lab0 runs etcd without a quorum, which takes lab2")
	w.stays("without a quorum", 2*time.Second, func() error { return untouched(b) })
	c.on()
	w.well(a, b, c)
	w.holds("greeting", "hello", a, b, c)
}

// TestLostDisksOfTwo: what one of three has left is never thrown away for a
// new cluster, also where it is off for a time.
func TestLostDisksOfTwo(t *testing.T) {
	w := lost(t, 3, 1, 2)
	a, b, c := w.machines[0], w.machines[1], w.machines[2]
	b.on()
	c.on()
	nothing := func() error { return errors.Join(untouched(b), untouched(c)) }
	w.hears(b, "lab0 runs etcd without a quorum")
	w.stays("with the last data on", 2*time.Second, nothing)
	a.off()
	w.hears(b, "lab0 does not answer; lab2 has no data either")
	w.stays("with the last data off", 2*time.Second, nothing)
	a.on()
	b.forget()
	w.hears(b, "lab0 runs etcd without a quorum")
	w.stays("with the last data back", time.Second, nothing)
	if d, err := readData(a.root); err != nil || !d.There {
		t.Errorf("the last data: %v, %v", d, err)
	}
}

// TestLostDisksOfAll: that is a first start. The new cluster is another one:
// what is of the old one has no part in it.
func TestLostDisksOfAll(t *testing.T) {
	w := start(t, 3)
	a, c := w.machines[0], w.machines[2]
	w.put(a, "greeting", "hello")
	for _, m := range w.machines {
		m.off()
	}
	old, err := readData(c.root)
	must(t, err)
	kept := filepath.Join(t.TempDir(), "var")
	must(t, os.CopyFS(kept, os.DirFS(filepath.Join(c.root, "var"))))
	for _, m := range w.machines {
		m.loseDisk()
	}
	for _, m := range w.machines {
		m.on()
	}
	w.well(w.machines...)
	w.holds("greeting", "", w.machines...)
	w.put(a, "greeting", "again")

	c.off()
	c.loseDisk()
	must(t, os.CopyFS(filepath.Join(c.root, "var"), os.DirFS(kept)))
	c.on()
	w.hears(c, "refused: the data here is of cluster "+old.Cluster.String())
	w.holds("greeting", "again", a, w.machines[1])
	did, err := c.keeper().Join(t.Context())
	if !did || err != nil {
		t.Fatalf("joining: %v, %v", did, err)
	}
	w.well(w.machines...)
	w.holds("greeting", "again", w.machines...)
}

// TestDataGone: data that is removed under a running etcd is never taken for a
// first start.
func TestDataGone(t *testing.T) {
	for name, path := range map[string]string{"folder": dataDir, "member": memberDir, "log": memberDir + "/wal"} {
		t.Run(name, func(t *testing.T) {
			w := start(t, 3)
			b := w.machines[1]
			w.put(b, "greeting", "hello")
			w.hears(b, "voting member") // it had its look at the data
			must(t, os.RemoveAll(filepath.Join(b.root, path)))
			w.hears(b, "its data is gone")
			w.hears(b, "added to the cluster as learner")
			w.well(w.machines...)
			w.holds("greeting", "hello", w.machines...)
		})
	}
}

// TestRemovedMember: one that was removed by hand keeps its data aside, and
// joins again as another.
func TestRemovedMember(t *testing.T) {
	for _, off := range []bool{false, true} {
		t.Run(map[bool]string{false: "while it ran", true: "while it was off"}[off], func(t *testing.T) {
			w := start(t, 3)
			a, b := w.machines[0], w.machines[1]
			w.put(a, "greeting", "hello")
			d, err := readData(b.root)
			must(t, err)
			if off {
				b.off()
			}
			w.eventually("removing", func() error { return a.client().remove(t.Context(), d.Member) })
			if off {
				b.on()
			}
			w.hears(b, "was removed from the cluster, says lab")
			w.hears(b, "moved the data of the removed member to /var/lib/etcd/aside-")
			w.well(w.machines...)
			w.holds("greeting", "hello", w.machines...)
			kept, err := filepath.Glob(filepath.Join(b.root, dataDir, "aside-*", "wal", "*.wal"))
			if err != nil || len(kept) == 0 {
				t.Errorf("kept: %v, %v", kept, err)
			}
		})
	}
}

// TestClone: a second machine with the same identity stays out while the first
// one lives, and takes its place when that is gone.
func TestClone(t *testing.T) {
	w := start(t, 3)
	b := w.machines[1]
	w.put(b, "greeting", "hello")
	clone := &machine{world: w, t: t, name: b.name, ip: b.ip, root: t.TempDir()}
	clone.identity(w.machines)
	clone.edit = func(c *Config) {
		c.TwinAfter, c.TwinQuiet = time.Second, 8*time.Second
		c.Listen = func(ctx context.Context, _ string) (net.Listener, error) { // the address is taken
			return (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		}
	}
	t.Cleanup(func() {
		clone.off()
		if t.Failed() {
			t.Logf("the clone said:\n%s", clone.heard())
		}
	})
	d, err := readData(b.root)
	must(t, err)
	clone.on()
	w.hears(clone, "refused: another machine with the identity of lab1")
	w.stays("beside the first one", 12*time.Second, func() error { return untouched(clone) })
	w.well(w.machines...)
	if again, err := readData(b.root); err != nil || again != d {
		t.Errorf("the first one was %v and is %v, %v", d, again, err)
	}
	b.off()
	w.hears(clone, "added to the cluster as learner")
	w.well(w.machines[0], clone, w.machines[2])

	// Back, the first one finds that its place is taken.
	b.edit = clone.edit
	b.forget()
	clone.forget()
	b.on()
	w.hears(b, "was removed from the cluster")
	w.hears(b, "refused: another machine with the identity of lab1")
	w.holds("greeting", "hello", w.machines[0], w.machines[2])
}

// TestMoreControllers: controllers that the definition gets later join.
func TestMoreControllers(t *testing.T) {
	w := start(t, 3)
	w.put(w.machines[0], "greeting", "hello")
	w.add(1)
	fourth := w.machines[3]
	for _, m := range w.machines[:3] {
		m.off()
	}
	fourth.on()
	w.hears(fourth, "lab0 does not answer, lab1 does not answer, lab2 does not answer")
	w.stays("alone", time.Second, func() error { return untouched(fourth) })
	for _, m := range w.machines[:3] {
		m.on()
	}
	w.well(w.machines...)
	if strings.Contains(fourth.heard(), "dead member") {
		t.Error("it took itself for one that had died")
	}
	w.add(1)
	for _, m := range w.machines[:2] { // these get to know of it
		m.off()
		m.identity(w.machines)
		m.on()
	}
	w.machines[4].on()
	w.well(w.machines...)
	w.holds("greeting", "hello", w.machines...)
}
