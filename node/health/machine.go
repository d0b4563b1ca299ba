package health

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/node/identity"
	"golang.org/x/sys/unix"
)

// identity is what "ingot-node identity" decided in this boot.
func (p *Prober) identity(context.Context) finding {
	data, err := atomicfile.ReadFile(filepath.Join(p.Root, identity.DecisionPath), 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return finding{state: Failed, text: "nothing was decided yet", do: "journalctl -b -u ingot-node.service"}
	}
	var d identity.Decision
	if err == nil {
		err = json.Unmarshal(data, &d)
	}
	switch {
	case err != nil:
		return finding{state: Failed, text: "the decision cannot be read: " + why(err), do: "ingot-node identity"}
	case !d.Accepted:
		return finding{state: Failed, text: "refused: " + strings.Join(d.Problems, "; "), do: "mend it, then: ingot-node identity"}
	case p.factsErr != nil:
		return finding{state: Failed, text: why(p.factsErr), do: "ingot-node identity"}
	case d.Image.ID == "":
		return finding{state: OK, text: "accepted"}
	}
	return finding{state: OK, text: "accepted by image " + d.Image.ID}
}

// synchronized is there once systemd-timesyncd has set the clock
// (systemd-timesyncd.service(8)).
const synchronized = "run/systemd/timesync/synchronized"

// clock holds the time against the identity's certificates. A clock that no
// time server has set is no fault of its own: a cluster without a way out has
// none.
func (p *Prober) clock(context.Context) finding {
	set := "set by a time server"
	if _, err := os.Stat(filepath.Join(p.Root, synchronized)); err != nil {
		set = "not set by a time server"
	}
	now := p.Now()
	stamp := now.UTC().Format("2006-01-02 15:04 UTC") + ", "
	certs, err := p.dates.read(p.Root)
	if err != nil || len(certs) == 0 {
		return finding{state: OK, text: stamp + set}
	}
	for _, c := range certs {
		// Certificates begin a few minutes before they are made.
		if now.Before(c.NotBefore) {
			return finding{
				state: Failed, text: stamp + set + ", and before the identity's certificates begin, " + day(c.NotBefore),
				do: "set the machine's clock, or let it reach a time server (system.ntpServers)",
			}
		}
	}
	return finding{state: OK, text: stamp + set}
}

// certificates looks how long the identity's certificates last.
func (p *Prober) certificates(context.Context) finding {
	certs, err := p.dates.read(p.Root)
	if err != nil {
		return finding{state: Failed, text: why(err), do: "ingot-node identity"}
	}
	if len(certs) == 0 {
		return finding{state: Failed, text: "there are none", do: "ingot-node identity"}
	}
	next := certs[0]
	for _, c := range certs {
		if c.NotAfter.Before(next.NotAfter) {
			next = c
		}
	}
	const renew = "ingot pki issue, then give the node its new identity"
	left := next.NotAfter.Sub(p.Now())
	if left <= 0 {
		return finding{state: Failed, text: next.name + " has ended, " + day(next.NotAfter), do: renew}
	}
	text := fmt.Sprintf("the first to end is %s in %d days, %s", next.name, int(left.Hours()/24), day(next.NotAfter))
	if left < 30*24*time.Hour {
		text += ": " + renew
	}
	return finding{state: OK, text: text}
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

// lifetime is a certificate's.
type lifetime struct {
	name                string // its file
	NotBefore, NotAfter time.Time
}

// dates keeps the lifetimes of certificates until their files change.
type dates struct {
	mu    sync.Mutex
	stamp string
	certs []lifetime
}

func (d *dates) read(root string) ([]lifetime, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var paths []string
	stamp := ""
	for _, dir := range []string{"etc/kubernetes/pki", "etc/etcd/pki"} {
		found, err := filepath.Glob(filepath.Join(root, dir, "*.crt"))
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			info, err := os.Stat(path)
			if err != nil {
				return nil, err
			}
			paths = append(paths, path)
			stamp += fmt.Sprintln(path, info.ModTime().UnixNano(), info.Size())
		}
	}
	if stamp == d.stamp {
		return d.certs, nil
	}
	var certs []lifetime
	for _, path := range paths {
		data, err := atomicfile.ReadFile(path, 1<<20)
		if err != nil {
			return nil, err
		}
		block, _ := pem.Decode(data)
		if block == nil {
			return nil, fmt.Errorf("%s is no certificate", path)
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s is no certificate", path)
		}
		certs = append(certs, lifetime{strings.TrimPrefix(path, root), c.NotBefore, c.NotAfter})
	}
	d.stamp, d.certs = stamp, certs
	return certs, nil
}

// least is the share of the state partition that must be free, in percent. The
// kubelet begins to evict pods at its own limits, 10 percent of the bytes and 5
// of the inodes unless the definition has others.
const least = 5

// state looks at the room in /var.
func (p *Prober) state(context.Context) finding {
	var s unix.Statfs_t
	if err := p.Statfs(filepath.Join(p.Root, "var"), &s); err != nil {
		return finding{state: Failed, text: "/var: " + err.Error(), do: "journalctl -b -t ingot"}
	}
	if s.Blocks == 0 {
		return finding{state: Failed, text: "/var has no size", do: "findmnt /var"}
	}
	free := 100 * s.Bavail / s.Blocks
	inodes := uint64(100)
	if s.Files > 0 {
		inodes = 100 * s.Ffree / s.Files
	}
	text := fmt.Sprintf("%d %% of %.1f GB and %d %% of the inodes are free", free, float64(s.Blocks)*float64(s.Bsize)/1e9, inodes)
	if free < least || inodes < least {
		return finding{state: Failed, text: "only " + text, do: "du -xsh /var/lib/* /var/log, or give the machine a larger disk"}
	}
	return finding{state: OK, text: text}
}

// units looks for what systemd has given up.
func (p *Prober) units(ctx context.Context) finding {
	failed, err := p.FailedUnits(ctx)
	if err != nil {
		return finding{state: Failed, text: "systemd does not say: " + why(err), do: "systemctl --failed"}
	}
	if len(failed) > 0 {
		return finding{state: Failed, text: "failed: " + strings.Join(failed, ", "), do: "journalctl -b -u " + failed[0]}
	}
	return finding{state: OK, text: "none has failed"}
}
