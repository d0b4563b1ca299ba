package health_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/node/health"
)

// still is a screen without what is another on each machine.
func still(text string) string {
	return regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(text, "127.0.0.1:PORT")
}

func report(w *world) *health.Report { return health.New(w.conf).Report(context.Background(), nil) }

// TestScreens: what people see, for a node that is well, one that starts, and
// in each of the ways in which one can be unwell.
func TestScreens(t *testing.T) {
	for name, c := range map[string]struct {
		line   string
		change func(t *testing.T, w *world)
	}{
		"healthy": {"mesh=1/1 etcd=1/1 api=ok node=Ready dns=ok vip=here", func(*testing.T, *world) {}},
		"starting": {"mesh=1/1 etcd=0/1 api=down node=unknown dns=down vip=here", func(t *testing.T, w *world) {
			w.etcd.Store("")
			w.others.Store(`{"health":"false","reason":"NO LEADER"}`)
			w.api.Store(http.StatusInternalServerError)
			w.node.Store("not an object")
			w.kubelet.Store(false)
			w.names.Store(false)
			must(t, os.Remove(filepath.Join(w.root, "run/ingot/addons.json")))
			w.conf.Uptime = func() time.Duration { return 40 * time.Second }
		}},
		"learner": {"mesh=1/1 etcd=learner api=ok node=NotReady dns=ok vip=here", func(_ *testing.T, w *world) {
			w.etcd.Store(`{"header":{"member_id":"77"},"leader":"78","isLearner":true}`)
			w.node.Store(`{"status":{"conditions":[{"type":"Ready","status":"False","reason":"KubeletNotReady","message":"container runtime is down"}]}}`)
		}},
		"foreign": {"mesh=1/1 etcd=1/1 api=down node=unknown dns=ok vip=here", func(t *testing.T, w *world) {
			w.strange.Store(true)
			w.put(t, "run/ingot/addons.json", `{"attempts":3,"problems":["02-broken.yaml: no good"]}`)
			w.conf.FailedUnits = func(context.Context) ([]string, error) { return []string{"a.service", "b.service"}, nil }
		}},
		"old": {"mesh=1/1 etcd=1/1 api=down node=unknown dns=ok vip=here", func(t *testing.T, w *world) {
			w.conf.Now = func() time.Time { return now.AddDate(0, 3, 1) }
			must(t, os.Remove(filepath.Join(w.root, "run/systemd/timesync/synchronized")))
			w.api.Store(http.StatusServiceUnavailable)
			w.node.Store("{")
			w.conf.FailedUnits = func(context.Context) ([]string, error) { return nil, errors.New("it is away") }
		}},
		"early clock": {"mesh=1/1 etcd=1/1 api=ok node=Ready dns=ok vip=here", func(_ *testing.T, w *world) {
			w.conf.Now = func() time.Time { return now.AddDate(-2, 0, 0) }
		}},
		"full": {"mesh=1/1 etcd=1/1 api=ok node=Ready dns=ok vip=here", func(_ *testing.T, w *world) {
			w.conf.Statfs = room(4, 91)
		}},
		"many files": {"mesh=1/1 etcd=1/1 api=ok node=Ready dns=ok vip=here", func(_ *testing.T, w *world) {
			w.conf.Statfs = room(60, 4)
		}},
		"refused": {"", func(t *testing.T, w *world) {
			w.put(t, "run/ingot/decision.json", `{"accepted":false,"problems":["it is of another cluster"],"image":{}}`)
			must(t, os.Remove(filepath.Join(w.root, "etc/ingot/node.json")))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.change(t, w)
			r := report(w)
			if r.Line != c.line {
				t.Errorf("got %q, want %q", r.Line, c.line)
			}
			if r.Healthy != (name == "healthy") {
				t.Errorf("healthy: %v", r.Healthy)
			}
			golden.Check(t, filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt"), []byte(still(r.Screen())))
		})
	}
}

// TestEdge: an edge of a cluster with a floating address says where this is,
// and no other node does.
func TestEdge(t *testing.T) {
	w := newWorld(t)
	const note, hook = "run/ingot/edge.json", "usr/lib/ingot/edge/hook"
	w.put(t, hook, "#!/bin/sh\n")
	if _, has := report(w).Words["edge"]; has {
		t.Error("of a node that is no edge")
	}
	path := filepath.Join(w.root, "etc/ingot/node.json")
	data, err := os.ReadFile(path)
	must(t, err)
	w.put(t, "etc/ingot/node.json", strings.Replace(string(data), `"worker"`, `"worker","edge"`, 1))
	for content, want := range map[string]struct {
		word, text string
		state      health.State
	}{
		"":                                 {"away", "not begun", health.Waiting},
		"{":                                {"away", "reading /run/ingot/edge.json", health.Failed},
		`{"here":true,"holder":"lab0"}`:    {"here", "the floating address is here", health.OK},
		`{"here":false,"holder":"lab1"}`:   {"away", "the floating address is at lab1", health.OK},
		`{"here":false}`:                   {"away", "the floating address is not here", health.OK},
		`{"here":false,"problem":"take:"}`: {"away", "the hook: take:", health.Failed},
	} {
		if content == "" {
			must(t, os.RemoveAll(filepath.Join(w.root, note)))
		} else {
			w.put(t, note, content)
		}
		r := report(w)
		i := slices.IndexFunc(r.Checks, func(c health.Check) bool { return c.Name == "edge" })
		if i < 0 || r.Checks[i].State != want.state || !strings.Contains(r.Checks[i].Text, want.text) || r.Words["edge"] != want.word {
			t.Errorf("%s: got %+v, %q", content, r.Checks, r.Line)
		}
	}
	must(t, os.Remove(filepath.Join(w.root, hook)))
	if line := report(w).Line; strings.Contains(line, "edge=") {
		t.Errorf("without a hook: %s", line)
	}
}

// TestPeers: a peer that does not answer is named, and none at all is a fault.
func TestPeers(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(w.root, "etc/ingot/node.json")
	data, err := os.ReadFile(path)
	must(t, err)
	// To connect to an address of broadcast is refused by the machine itself.
	const there, gone = `{"addresses":["127.0.0.2"],"name":"lab1"}`, `{"addresses":["127.255.255.255"],"name":"lab2"}`
	for peers, want := range map[string]struct {
		word, text string
		state      health.State
	}{
		there + "," + gone: {"1/2", "reaches 1 of 2 controllers and hubs, not lab2", health.OK},
		gone:               {"0/1", "none of lab2 answers", health.Failed},
		"":                 {"0/0", "there are no peers", health.OK},
	} {
		w.put(t, "etc/ingot/node.json", strings.Replace(string(data), there, peers, 1))
		r := report(w)
		c := r.Checks[2]
		if c.Name != "mesh" || r.Words["mesh"] != want.word || c.State != want.state || !strings.Contains(c.Text, want.text) {
			t.Errorf("got %+v, %s; want %+v", c, r.Words["mesh"], want)
		}
	}
}

// TestConnections: asked again, it dials nobody again, and it notices at once
// when an answer is another.
func TestConnections(t *testing.T) {
	w := newWorld(t)
	p := health.New(w.conf)
	first := p.Report(context.Background(), nil)
	if !first.Healthy {
		t.Fatal(first.Screen())
	}
	w.strange.Store(true) // new connections would fail
	for range 3 {
		if r := p.Report(context.Background(), first); !r.Healthy {
			t.Fatal(r.Screen())
		}
	}
	w.api.Store(http.StatusInternalServerError)
	if r := p.Report(context.Background(), first); r.Words["api"] != "down" {
		t.Error(r.Screen())
	}
}
