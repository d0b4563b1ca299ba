package health

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ingot-k8s/ingot/node/facts"
	"github.com/ingot-k8s/ingot/node/kubeapi"
	"github.com/ingot-k8s/ingot/node/mtls"
)

// Config is what a prober works with.
type Config struct {
	Root   string // folder that stands for /
	Now    func() time.Time
	Uptime func() time.Duration // since the start of the machine
	// FailedUnits lists the units that have failed; nil where there is no systemd.
	FailedUnits func(ctx context.Context) ([]string, error)
	// Statfs tells how large a file system is and how much of it is free; nil
	// for the call to the kernel.
	Statfs func(path string, to *unix.Statfs_t) error
	// Ports of the machine's own services; zero for theirs.
	KubeletPort, MeshPort, DNSPort int
}

// Ports that the layers of the image give their programs.
const (
	kubeletPort = 10248 // the kubelet's health, on loopback
	dnsPort     = 53
	// meshPort is where peers are knocked at. Nothing listens there (RFC 863,
	// discard, which nobody runs), so what answers is the machine itself, and no
	// program logs a connection that says nothing.
	meshPort = 9
)

// idle is how long a connection is kept that nothing uses.
const idle = 2 * time.Minute

// Prober asks about one node, as often as it is told to.
type Prober struct {
	Config
	facts     *facts.Node
	factsErr  error
	balancer  *kubeapi.Client // as nobody, by the node's balancer
	kubelet   *kubeapi.Client // as the node, by the balancer
	apiserver *kubeapi.Client // as nobody, the node's own
	etcd      *http.Client    // to the member's own clients' port
	plain     *http.Client
	members   *http.Client // from the node's address in the mesh
	dates     dates
}

// New makes a prober. A machine without an identity has one, too: it says so.
func New(cfg Config) *Prober {
	cfg.KubeletPort = or(cfg.KubeletPort, kubeletPort)
	cfg.MeshPort = or(cfg.MeshPort, meshPort)
	cfg.DNSPort = or(cfg.DNSPort, dnsPort)
	if cfg.Statfs == nil {
		cfg.Statfs = unix.Statfs
	}
	p := &Prober{Config: cfg}
	p.facts, p.factsErr = facts.Read(cfg.Root)
	if p.factsErr != nil {
		return p
	}
	local := strings.TrimPrefix(p.facts.API.LocalURL, "https://")
	p.balancer = kubeapi.New(kubeapi.Config{Root: cfg.Root, Address: local})
	p.kubelet = kubeapi.New(kubeapi.Config{Root: cfg.Root, Address: local, Credential: "kubelet-client"})
	p.apiserver = kubeapi.New(kubeapi.Config{Root: cfg.Root, Address: p.facts.Own()})
	at := func(path string) string { return filepath.Join(cfg.Root, path) }
	p.etcd = mtls.Client(mtls.Config{
		Authority: at("/etc/etcd/pki/ca.crt"), ServerName: "localhost",
		Certificate: at(kubeapi.PKI + "/apiserver-etcd-client.crt"), Key: at(kubeapi.PKI + "/apiserver-etcd-client.key"),
	})
	p.plain = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: idle}}
	p.members = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: idle, DialContext: p.inMesh().DialContext}}
	return p
}

// inMesh dials from the node's address in the mesh. Without it, as where the
// mesh is down, nothing is sent: some other network might answer.
func (p *Prober) inMesh() *net.Dialer {
	return &net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(p.facts.Address(), 0))}
}

func or(value, otherwise int) int {
	if value == 0 {
		return otherwise
	}
	return value
}

// Report asks all parts. before is the last report of this boot, or nil: by it,
// the new one knows for how long something is so.
func (p *Prober) Report(ctx context.Context, before *Report) *Report {
	probes := []probe{{"identity", p.identity}, {"clock", p.clock}}
	if p.factsErr == nil {
		probes = append(probes, probe{"mesh", p.mesh})
		if p.facts.Controller() {
			probes = append(probes, probe{"etcd", p.etcdMember}, probe{"apiserver", p.ownAPI})
		}
		probes = append(probes, probe{"api", p.api}, probe{"kubelet", p.kubeletHealth}, probe{"node", p.node}, probe{"dns", p.dns})
		if p.facts.Controller() {
			probes = append(probes, probe{"vip", p.vip}, probe{"addons", p.addons})
		}
		if p.facts.Has("edge") && p.floating() {
			probes = append(probes, probe{"edge", p.edge})
		}
		probes = append(probes, probe{"certificates", p.certificates})
	}
	probes = append(probes, probe{"state", p.state})
	if p.FailedUnits != nil {
		probes = append(probes, probe{"units", p.units})
	}
	r := ask(ctx, probes, p.Uptime(), before)
	r.Time = p.Now().UTC().Truncate(time.Second)
	if p.facts != nil {
		r.Cluster, r.Node, r.Roles = p.facts.Cluster, p.facts.Name, p.facts.Roles
	}
	return r
}

// why is an error in a few words.
func why(err error) string { return mtls.Reason(err).Error() }
