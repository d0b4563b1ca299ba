package node

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node/kubeapi"
	"github.com/ingot-k8s/ingot/node/vip"
)

const (
	// vipEvery is how often kube-apiserver is asked, and vipPatience how long it
	// may take: on a connection that is open it takes milliseconds, but slow
	// machines take seconds to make one.
	vipEvery    = 2 * time.Second
	vipPatience = 8 * time.Second
	// vipDir has the settings of the announcing tincd.
	vipDir = "/run/ingot/vip"
	// maxHost bounds a host file of tinc, in bytes.
	maxHost = 64 << 10
)

func (m Machine) vipCommand(*flag.FlagSet, *options) func(context.Context, call) int { return m.vip }

// vip announces and withdraws until it is ended, and then has withdrawn.
func (m Machine) vip(ctx context.Context, c call) int {
	j := &journal{stderr: c.stderr}
	own, err := newController(c.root)
	if err == nil {
		err = own.prepareVIP()
	}
	if err != nil {
		j.say("%v", err)
		return statusRefused
	}
	a := &announcer{runner: m.Runner, journal: j, dir: filepath.Join(c.root, vipDir), stderr: c.stderr}
	defer a.withdraw()
	api := kubeapi.New(kubeapi.Config{Root: c.root, Address: own.facts.Own()}) // as nobody
	var judge vip.Judge
	for {
		asked, cancel := context.WithTimeout(ctx, vipPatience)
		err := api.Ready(asked)
		cancel()
		if ctx.Err() != nil {
			return statusOK
		}
		switch here := judge.Next(err == nil); {
		case here && !a.running():
			j.say("virtual address %s: announced here", own.facts.API.VIP)
			a.announce(ctx)
		case !here && a.running():
			j.say("virtual address %s: leaves, the kube-apiserver of this node is not ready: %v", own.facts.API.VIP, err)
			a.withdraw()
		case !here && err != nil:
			j.is("virtual address %s: away, the kube-apiserver of this node is not ready: %v", own.facts.API.VIP, err)
		}
		if !pause(ctx, vipEvery) {
			return statusOK
		}
	}
}

// prepareVIP writes the settings of the announcing tincd.
func (c *controller) prepareVIP() error {
	conf := filepath.Join("/etc/tinc", c.facts.Mesh.Interface)
	host, err := atomicfile.ReadFile(filepath.Join(c.root, conf, "hosts", c.facts.Mesh.Name), maxHost)
	if err != nil {
		return fmt.Errorf("reading the node's host file of tinc: %w", err)
	}
	settings := vip.Settings{
		Name: c.facts.Mesh.Name, Rank: c.facts.Rank(), Address: c.facts.API.VIP, Port: c.facts.Mesh.Port, MTU: c.facts.Mesh.MTU,
		Key: filepath.Join(c.root, conf, "rsa_key.priv"), Host: host,
	}
	files, scripts, err := settings.Files()
	if err != nil {
		return fmt.Errorf("preparing the virtual address: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		at := filepath.Join(c.root, vipDir, name)
		mode := os.FileMode(0o644)
		if slices.Contains(scripts, name) {
			mode = 0o755
		}
		if err = os.MkdirAll(filepath.Dir(at), 0o755); err == nil {
			err = atomicfile.WriteNoSync(at, []byte(files[name]), mode)
		}
		if err != nil {
			return fmt.Errorf("preparing the virtual address: %w", err)
		}
	}
	return nil
}

// announcer runs the tincd that announces, as a child: when this program ends
// in any way, systemd ends the child, too.
type announcer struct {
	runner  run.Runner
	journal *journal
	dir     string
	stderr  io.Writer
	cancel  context.CancelFunc
	done    chan struct{}
}

// running reports whether it has been started and has not ended by itself.
func (a *announcer) running() bool {
	if a.done == nil {
		return false
	}
	select {
	case <-a.done:
		a.withdraw()
		return false
	default:
		return true
	}
}

func (a *announcer) announce(ctx context.Context) {
	ctx, a.cancel = context.WithCancel(ctx)
	done := make(chan struct{})
	a.done = done
	go func() {
		defer close(done)
		err := a.runner.Run(ctx, run.Command{
			Argv:   []string{"tincd", "--config=" + a.dir, "--no-detach", "--debug=0", "--pidfile=" + filepath.Join(a.dir, "pid")},
			Stderr: a.stderr,
		})
		if ctx.Err() == nil {
			a.journal.say("the announcing tincd has ended: %v", err)
		}
	}()
}

// withdraw ends it, and waits until it has ended.
func (a *announcer) withdraw() {
	if a.done == nil {
		return
	}
	a.cancel()
	<-a.done
	a.done = nil
}
