package etcd

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Paths of what was decided, below the root, until the machine goes down.
const (
	settingsPath = "run/ingot/etcd.env"
	decisionPath = "run/ingot/etcd.json"
	lockPath     = "run/ingot/etcd.lock"
)

// settings are the variables of etcd that a decision sets.
type settings struct {
	State   string // new, existing
	Cluster string // name=URL of members, with commas
	Token   string
}

// fresh are those of a member of a new cluster.
func (k *Keeper) fresh(vector []string) *settings {
	var parts []string
	for _, c := range k.facts.Controllers {
		parts = append(parts, c.Name+"="+c.PeerURL)
	}
	return &settings{State: "new", Cluster: strings.Join(parts, ","), Token: token(k.facts, vector)}
}

// resting are those of a member that has data, which does not heed them. With
// these alone etcd does not start without data: it finds nobody to ask for the
// cluster that it would join. So data that is lost under a running system is
// never taken for a first start.
func (k *Keeper) resting() *settings {
	me := k.facts.Me()
	return &settings{State: "existing", Cluster: me.Name + "=" + me.PeerURL, Token: k.facts.Cluster}
}

// write puts the settings where the unit of etcd reads them. Names and URLs
// have no character that an environment file would have to quote.
func (s *settings) write(root string) error {
	path := filepath.Join(root, settingsPath)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, []byte("ETCD_INITIAL_CLUSTER_STATE="+s.State+
		"\nETCD_INITIAL_CLUSTER="+s.Cluster+
		"\nETCD_INITIAL_CLUSTER_TOKEN="+s.Token+"\n"), 0o644)
}

// lock has only one keeper look after a node.
func lock(root string) (unlock func(), err error) {
	path := filepath.Join(root, lockPath)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close() // nothing was written
		return nil, errors.New("another ingot-node etcd looks after this node: ingot-etcd.service")
	}
	return func() { _ = f.Close() }, nil
}

func removeSettings(root string) error {
	err := os.Remove(filepath.Join(root, settingsPath))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Decision is what was decided last, for people.
type Decision struct {
	// What is wait, come back, new cluster or join.
	What  string    `json:"what"`
	Why   string    `json:"why"`
	Time  time.Time `json:"time"`
	Steps []string  `json:"steps,omitempty"`
}

func (v verb) String() string {
	switch v {
	case comeBack:
		return "come back"
	case agree, startNew:
		return "new cluster"
	case join:
		return "join"
	}
	return "wait"
}

// decide notes a decision, when it is another than before.
func (k *Keeper) decide(a action) {
	if k.decision.What == a.verb.String() && k.decision.Why == a.why {
		return
	}
	k.decision = Decision{What: a.verb.String(), Why: a.why, Time: k.Now().UTC(), Steps: k.decision.Steps}
	k.keep()
	if a.verb != wait {
		k.news(Notice, "etcd: "+a.why)
	}
}

// keep leaves the decision for "ingot-node etcd status". It is for people
// only, so that it cannot be written is no reason to stop.
func (k *Keeper) keep() {
	path := filepath.Join(k.Root, decisionPath)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return
	}
	_ = writeJSON(k.Root, decisionPath, k.decision)
}
