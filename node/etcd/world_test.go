package etcd

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
)

// patience bounds what a test waits for.
const patience = 3 * time.Minute

// world is a few controllers on loopback addresses of their own, with real
// etcds.
type world struct {
	t        *testing.T
	net      int32
	program  string
	machines []*machine
	ca       *authority

	mu  sync.Mutex
	cut map[string]bool // "from>to": connections of keepers that do not get through
}

// nets gives every world addresses of its own: 127.77.net.x.
var nets atomic.Int32

// newWorld has n controllers, none of which is on.
func newWorld(t *testing.T, n int) *world {
	t.Helper()
	w := &world{t: t, net: nets.Add(1), program: need.Tool(t, "etcd"), ca: newAuthority(t), cut: map[string]bool{}}
	w.add(n)
	return w
}

// add defines so many more controllers. The identities of the others stay as
// they are.
func (w *world) add(n int) {
	for range n {
		i := len(w.machines)
		w.machines = append(w.machines, &machine{
			world: w, t: w.t, name: fmt.Sprintf("lab%d", i), ip: fmt.Sprintf("127.77.%d.%d", w.net, i+1), root: w.t.TempDir(),
		})
	}
	for _, m := range w.machines[len(w.machines)-n:] {
		m.identity(w.machines)
	}
}

// tearDown ends everything; after a failure it shows what was said.
func (w *world) tearDown() {
	for _, m := range w.machines {
		m.off()
	}
	if !w.t.Failed() {
		return
	}
	for _, m := range w.machines {
		log, _ := os.ReadFile(filepath.Join(m.root, "etcd.log"))
		w.t.Logf("%s said:\n%s\nits etcd (end):\n%s", m.name, m.heard(), log[max(0, len(log)-1500):])
	}
}

// start makes a world whose machines are all on and well.
func start(t *testing.T, n int) *world {
	t.Helper()
	t.Parallel()
	w := newWorld(t, n)
	t.Cleanup(w.tearDown)
	for _, m := range w.machines {
		m.on()
	}
	w.well(w.machines...)
	return w
}

// eventually waits for something to become true.
func (w *world) eventually(what string, f func() error) {
	w.t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = f(); err == nil {
			return
		}
	}
	w.t.Fatalf("%s: not within %s: %v", what, patience, err)
}

// hears waits until a machine has said something.
func (w *world) hears(m *machine, text string) {
	w.t.Helper()
	w.eventually(m.name+" says "+text, func() error {
		if !strings.Contains(m.heard(), text) {
			return errors.New("it has not")
		}
		return nil
	})
}

// for seconds, it stays as it is.
func (w *world) stays(what string, d time.Duration, f func() error) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err := f(); err != nil {
			w.t.Fatalf("%s: %v", what, err)
		}
	}
}

// untouched reports that no etcd has been started in a data folder.
func untouched(m *machine) error {
	d, err := readData(m.root)
	if err == nil && d.There {
		err = fmt.Errorf("etcd was started on %s", m.name)
	}
	if _, e := os.Stat(filepath.Join(m.root, settingsPath)); e == nil {
		err = errors.Join(err, fmt.Errorf("%s has settings for etcd", m.name))
	}
	return err
}

func (m *machine) client() member {
	t, err := readTrust(m.root)
	must(m.t, err)
	return member{web: web{dial: m.dial, timeout: 3 * time.Second}, config: t.client, url: m.url(2379)}
}

// well waits until these machines, and no others, are voting members of one
// cluster.
func (w *world) well(machines ...*machine) {
	w.t.Helper()
	w.eventually("well", func() error {
		var clusters []ID
		for _, m := range machines {
			l, err := m.client().list(w.t.Context())
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			var names []string
			for _, member := range voters(l.Members) {
				names = append(names, member.Name)
			}
			slices.Sort(names)
			var want []string
			for _, m := range machines {
				want = append(want, m.name)
			}
			slices.Sort(want)
			if !slices.Equal(names, want) || len(l.Members) != len(want) {
				return fmt.Errorf("%s says members are %v", m.name, l.Members)
			}
			clusters = append(clusters, l.Header.ClusterID)
		}
		if len(slices.Compact(clusters)) != 1 {
			return fmt.Errorf("clusters %v", clusters)
		}
		return nil
	})
}

func (w *world) put(m *machine, key, value string) {
	w.t.Helper()
	b := base64.StdEncoding.EncodeToString
	w.eventually("writing at "+m.name, func() error {
		var out struct{}
		return m.client().call(w.t.Context(), "/v3/kv/put", map[string]string{"key": b([]byte(key)), "value": b([]byte(value))}, &out)
	})
}

func (w *world) get(m *machine, key string) string {
	w.t.Helper()
	var out struct {
		Kvs []struct{ Value []byte }
	}
	w.eventually("reading at "+m.name, func() error {
		return m.client().call(w.t.Context(), "/v3/kv/range", map[string]string{"key": base64.StdEncoding.EncodeToString([]byte(key))}, &out)
	})
	if len(out.Kvs) == 0 {
		return ""
	}
	return string(out.Kvs[0].Value)
}

// holds checks that a value is there at machines.
func (w *world) holds(key, value string, machines ...*machine) {
	w.t.Helper()
	for _, m := range machines {
		if got := w.get(m, key); got != value {
			w.t.Errorf("%s has %s=%q, want %q", m.name, key, got, value)
		}
	}
}

// crashAt has a keeper end where a step begins with a text, as by a power cut.
func (m *machine) crashAt(step string) <-chan struct{} {
	reached := make(chan struct{})
	var once atomic.Bool
	m.edit = func(c *Config) {
		c.Crash = func(s string) {
			if strings.HasPrefix(s, step) && once.CompareAndSwap(false, true) {
				close(reached)
				runtime.Goexit()
			}
		}
	}
	return reached
}

func reach(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatalf("%s was not reached", what)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
