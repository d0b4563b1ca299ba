package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/bakery"
	"github.com/ingot-k8s/ingot/internal/nodeprogram"
	"github.com/ingot-k8s/ingot/internal/serve"
	"github.com/ingot-k8s/ingot/pki"
)

// knownMachines are the nodes that are served, and what their machines are
// known by. Their identities are not there yet.
func knownMachines(c *cluster.Cluster, names []string, f serveFlags) ([]serve.Node, error) {
	macs, err := assignments("--mac", f.macs, serve.ParseMAC)
	if err != nil {
		return nil, err
	}
	serials, err := assignments("--serial", f.serials, serve.ParseSerial)
	if err != nil {
		return nil, err
	}
	named := slices.Concat(names, f.next)
	for node := range macs {
		named = append(named, node)
	}
	for node := range serials {
		named = append(named, node)
	}
	slices.Sort(named)
	if err := knownNodes(c, named); err != nil {
		return nil, err
	}
	var out []serve.Node
	for i := range c.Nodes {
		n := &c.Nodes[i]
		s := serve.Node{Name: n.Name, MACs: slices.Concat(macsOf(n), macs[n.Name]), Serials: serials[n.Name]}
		slices.Sort(s.MACs)
		s.MACs = slices.Compact(s.MACs)
		is := len(s.MACs)+len(s.Serials) > 0 || slices.Contains(f.next, n.Name)
		switch wanted := len(names) == 0 || slices.Contains(names, n.Name); {
		case wanted && is:
			out = append(out, s)
		case wanted && len(names) > 0:
			return nil, withHint(fmt.Errorf("nothing says which machine is node %q", n.Name),
				"give the node a MAC address in the definition (network.interfaces[].mac), or: --mac %s=MAC, --serial %s=SERIAL, --node %s", n.Name, n.Name, n.Name)
		case !wanted && slices.Contains(named, n.Name):
			return nil, &usageError{command: "ingot serve", err: fmt.Errorf("a machine is named for %q, which is not among the nodes to serve (%s)", n.Name, strings.Join(names, ", "))}
		}
	}
	if len(out) == 0 {
		return nil, withHint(fmt.Errorf("nothing says which machine is which node of %s", c.File),
			"give nodes MAC addresses in the definition (network.interfaces[].mac), or: --mac NODE=MAC, --serial NODE=SERIAL, --node NODE")
	}
	return out, nil
}

// macsOf are the MAC addresses of a node in the definition.
func macsOf(n *cluster.Node) []string {
	if n.Spec.Network == nil {
		return nil
	}
	var out []string
	for _, i := range n.Spec.Network.Interfaces {
		if mac, err := serve.ParseMAC(i.MAC); err == nil {
			out = append(out, mac)
		}
	}
	return out
}

// assignments reads flags of the form NODE=VALUE.
func assignments(flag string, given []string, parse func(string) (string, error)) (map[string][]string, error) {
	out := map[string][]string{}
	for _, text := range given {
		node, value, found := strings.Cut(text, "=")
		if !found || node == "" {
			return nil, &usageError{command: "ingot serve", err: fmt.Errorf("reading %s: %q is not NODE=VALUE", flag, text)}
		}
		parsed, err := parse(value)
		if err != nil {
			return nil, &usageError{command: "ingot serve", err: fmt.Errorf("reading %s of %s: %w", flag, node, err)}
		}
		out[node] = append(out[node], parsed)
	}
	return out, nil
}

// openBoot opens the boot ISO that is named, or that of the image which the
// definition asks for now.
func (a *app) openBoot(ctx context.Context, c *cluster.Cluster, path string, shown *steps) (*serve.Medium, error) {
	id := ""
	if path == "" {
		var err error
		if id, err = a.imageID(c); err != nil {
			return nil, err
		}
		path = a.bootISOPath(c, id, "")
	}
	const step = "check boot ISO"
	began := time.Now()
	shown.Begin(step)
	m, err := serve.OpenMedium(ctx, path, func(done, total int64) { shown.Advance(step, done, total) })
	if err == nil && id != "" && m.Image != id {
		err = errors.Join(fmt.Errorf("reading boot ISO %s: it is of the image %q, not %q", path, m.Image, id), m.Close())
	}
	if err != nil {
		shown.End(step, time.Since(began), false, 0, err)
		if id == "" || ctx.Err() != nil {
			return nil, err
		}
		return nil, withHint(err, "ingot boot-iso %s makes the boot ISO of what definition, lock and keys are now", c.Def.Name)
	}
	shown.End(step, time.Since(began), false, m.Size(serve.NameMedium), nil)
	return m, nil
}

// imageID is the id of the image that the definition asks for now.
func (a *app) imageID(c *cluster.Cluster) (string, error) {
	hint := fmt.Sprintf("ingot boot-iso %s makes what is missing, and the boot ISO; --iso names another", c.Def.Name)
	locked, err := a.oldLock(c)
	if err != nil {
		return "", err
	}
	store, err := pki.Open(c, pki.Options{IdentityFile: a.identity, Log: a.log()})
	if err != nil {
		return "", err
	}
	cfg := builder.Config{Cluster: c, Lock: locked, Environ: os.Environ()}
	if err := bakery.Public(&cfg, store); err != nil || locked == nil {
		return "", withHint(errors.New("there is no image of the definition: its lock or its certificates are missing"), "%s", hint)
	}
	if cfg.Program, err = nodeprogram.Program(); err != nil {
		return "", advised(err)
	}
	return builder.Identify(cfg)
}

// serveIdentities makes sure that nodes have their identities, and reads them.
func (a *app) serveIdentities(ctx context.Context, c *cluster.Cluster, nodes []serve.Node) error {
	var names []string
	for _, n := range nodes {
		names = append(names, n.Name)
	}
	if _, err := a.identities(ctx, c, names); err != nil {
		return err
	}
	for i := range nodes {
		path := filepath.Join(a.out, c.Def.Name, "nodes", nodes[i].Name, ignition.NameConfigISO)
		data, err := atomicfile.ReadFile(path, maxBundle)
		if err != nil {
			return fmt.Errorf("reading the identity of %s: %w", nodes[i].Name, err)
		}
		nodes[i].Identity = data
	}
	return nil
}

// serveCertificate is the server's: of files, or made for the run.
func serveCertificate(f serveFlags) (tls.Certificate, error) {
	if f.certFile == "" {
		return serve.NewCertificate(time.Now())
	}
	c, err := tls.LoadX509KeyPair(f.certFile, f.keyFile)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("reading --tls-cert and --tls-key: %w", err)
	}
	return c, nil
}
