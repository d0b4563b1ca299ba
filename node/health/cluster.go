package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/ingot-k8s/ingot/node/mtls"
)

// mesh looks whether the interface has the node's address, and knocks at the
// controllers and hubs.
func (p *Prober) mesh(ctx context.Context) finding {
	name := p.facts.Mesh.Interface
	reached, missing := p.knock(ctx)
	word := fmt.Sprintf("%d/%d", reached, len(p.facts.Peers))
	on, up, err := addresses(name)
	switch {
	case err != nil:
		return finding{Failed, "there is no interface " + name, "journalctl -b -u tinc@" + name + ".service", word}
	case !up:
		return finding{Failed, "the interface " + name + " is down", "journalctl -b -u tinc@" + name + ".service", word}
	case !slices.Contains(on, p.facts.Address()):
		return finding{Failed, fmt.Sprintf("%s has not the node's address %s", name, p.facts.Address()), "journalctl -b -u tinc@" + name + ".service", word}
	case len(p.facts.Peers) == 0:
		return finding{OK, fmt.Sprintf("%s on %s; there are no peers", p.facts.Address(), name), "", word}
	case reached == 0:
		return finding{Failed, "none of " + strings.Join(missing, ", ") + " answers", "start them, or look at the network between: port 655, tcp and udp", word}
	}
	text := fmt.Sprintf("%s on %s, reaches %d of %d controllers and hubs", p.facts.Address(), name, reached, len(p.facts.Peers))
	if len(missing) > 0 {
		text += ", not " + strings.Join(missing, ", ")
	}
	return finding{OK, text, "", word}
}

// knock tries all peers at once. A machine that refuses a connection is there.
func (p *Prober) knock(ctx context.Context) (reached int, missing []string) {
	there := make([]bool, len(p.facts.Peers))
	var wait sync.WaitGroup
	for i, peer := range p.facts.Peers {
		if len(peer.Addresses) == 0 {
			continue
		}
		wait.Go(func() {
			conn, err := p.inMesh().DialContext(ctx, "tcp", netip.AddrPortFrom(peer.Addresses[0], uint16(p.MeshPort)).String())
			if err == nil {
				_ = conn.Close() // nothing was sent
			}
			there[i] = err == nil || errors.Is(err, syscall.ECONNREFUSED)
		})
	}
	wait.Wait()
	for i, peer := range p.facts.Peers {
		if there[i] {
			reached++
		} else {
			missing = append(missing, peer.Name)
		}
	}
	return reached, missing
}

// addresses are those of an interface, and whether it is up.
func addresses(name string) (on []netip.Addr, up bool, err error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, false, err
	}
	list, err := i.Addrs()
	if err != nil {
		return nil, false, err
	}
	for _, a := range list {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			on = append(on, prefix.Addr().Unmap())
		}
	}
	return on, i.Flags&net.FlagUp != 0, nil
}

// vip looks whether the virtual address is announced here: then it is on an
// interface.
func (p *Prober) vip(context.Context) finding {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return finding{Failed, why(err), "ip address", "away"}
	}
	for _, a := range all {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Unmap() == p.facts.API.VIP {
			return finding{OK, fmt.Sprintf("%s is announced here", p.facts.API.VIP), "", "here"}
		}
	}
	return finding{OK, fmt.Sprintf("%s is not announced here", p.facts.API.VIP), "", "away"}
}

// api asks the balancer, and by it any controller.
func (p *Prober) api(ctx context.Context) finding {
	if err := p.balancer.Ready(ctx); err != nil {
		return finding{Failed, p.facts.API.LocalURL + ": " + why(err), "journalctl -b -u ingot-apiendpoint.service; look at the controllers' apiserver", "down"}
	}
	return finding{OK, p.facts.API.LocalURL + " is ready", "", "ok"}
}

// ownAPI asks the node's own kube-apiserver.
func (p *Prober) ownAPI(ctx context.Context) finding {
	if err := p.apiserver.Ready(ctx); err != nil {
		return finding{state: Failed, text: p.facts.Own() + ": " + why(err), do: "journalctl -b -u kube-apiserver.service"}
	}
	return finding{state: OK, text: p.facts.Own() + " is ready"}
}

func (p *Prober) kubeletHealth(ctx context.Context) finding {
	url := "http://127.0.0.1:" + strconv.Itoa(p.KubeletPort) + "/healthz"
	if _, err := get(ctx, p.plain, url); err != nil {
		return finding{state: Failed, text: "127.0.0.1:" + strconv.Itoa(p.KubeletPort) + ": " + why(err), do: "journalctl -b -u kubelet.service"}
	}
	return finding{state: OK, text: "healthy"}
}

// node asks the API how it sees the node.
func (p *Prober) node(ctx context.Context) finding {
	n, err := p.kubelet.Node(ctx, p.facts.Name)
	if err != nil {
		return finding{Failed, "the API does not say: " + why(err), "see api and kubelet", "unknown"}
	}
	ready := n.Condition("Ready")
	if ready.Status != "True" {
		text := "not Ready"
		if said := strings.TrimSpace(ready.Reason + ": " + ready.Message); said != ":" {
			text += ": " + strings.TrimSuffix(said, ":")
		}
		return finding{Failed, text, "journalctl -b -u kubelet.service", "NotReady"}
	}
	text := "Ready"
	if n.Spec.Unschedulable {
		text += ", and takes no new pods (cordoned)"
	}
	return finding{OK, text, "", "Ready"}
}

// dns asks the cluster's DNS on this node for the address of the API.
func (p *Prober) dns(ctx context.Context) finding {
	if len(p.facts.Services.DNSIPs) == 0 {
		return finding{state: OK, text: "the cluster has none"}
	}
	address := p.facts.Services.DNSIPs[0]
	server := netip.AddrPortFrom(address, uint16(p.DNSPort)).String()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		// From the address itself: where the node has it not, nothing is sent.
		from := netip.AddrPortFrom(address, 0)
		d := &net.Dialer{LocalAddr: net.UDPAddrFromAddrPort(from)}
		if strings.HasPrefix(network, "tcp") {
			d.LocalAddr = net.TCPAddrFromAddrPort(from)
		}
		return d.DialContext(ctx, network, server)
	}}
	name := "kubernetes.default.svc." + p.facts.Services.ClusterDomain
	const look = "journalctl -b -u coredns.service"
	got, err := resolver.LookupNetIP(ctx, "ip", name+".")
	if err != nil {
		return finding{Failed, fmt.Sprintf("%s does not answer for %s: %s", server, name, dnsReason(err)), look, "down"}
	}
	for i := range got {
		got[i] = got[i].Unmap()
	}
	for _, want := range p.facts.Services.KubernetesIPs {
		if !slices.Contains(got, want) {
			return finding{Failed, fmt.Sprintf("%s gives %s other addresses than %s", server, name, want), look, "down"}
		}
	}
	return finding{OK, server + " answers", "", "ok"}
}

func dnsReason(err error) string {
	var d *net.DNSError
	if errors.As(err, &d) {
		return d.Err
	}
	return why(err)
}

// get reads a short answer, which must be a success.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	return fetch(client, req)
}

func fetch(client *http.Client, req *http.Request) ([]byte, error) {
	resp, err := client.Do(req) //nolint:gosec // addresses are the identity's, which was held against the image
	if err != nil {
		return nil, mtls.Reason(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, mtls.Reason(err)
	}
	if resp.StatusCode != http.StatusOK {
		var said struct{ Reason, Message string }
		_ = json.Unmarshal(data, &said) // or it says nothing
		if text := said.Reason + said.Message; text != "" {
			return nil, fmt.Errorf("it answers %d: %.200s", resp.StatusCode, text)
		}
		return nil, fmt.Errorf("it answers %d", resp.StatusCode)
	}
	return data, nil
}
