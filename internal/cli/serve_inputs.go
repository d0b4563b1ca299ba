package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/serve"
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

// bootable is what machines start from.
type bootable struct {
	medium *serve.Medium
	path   string
	line   []string // of the kernel
}

// openBoot finds the newest image's boot ISO, and holds it against the
// definition: machines of one cluster are of one definition.
func (a *app) openBoot(ctx context.Context, c *cluster.Cluster, shown *steps) (*bootable, error) {
	dir := filepath.Join(a.out, c.Def.Name, "images")
	bake := "make images CLUSTER=" + c.Def.Name + ", or: ingot images " + c.Def.Name
	m, err := builder.ReadManifest(filepath.Join(dir, builder.ManifestFile))
	if err != nil {
		return nil, withHint(err, "%s", bake)
	}
	now, err := builder.DefinitionSum(c)
	if err != nil {
		return nil, err
	}
	if m.Cluster != c.Def.Name {
		return nil, fmt.Errorf("the image in %s is of the cluster %q", dir, m.Cluster)
	}
	if m.Inputs.Definition != now {
		return nil, withHint(fmt.Errorf("the image %s was baked from another definition than %s is now", m.ID, c.File), "%s", bake)
	}
	b := &bootable{path: filepath.Join(dir, c.Def.Name+"-"+m.ID+".iso"), line: strings.Fields(m.Kernel)}
	const step = "check boot ISO"
	began := time.Now()
	shown.Begin(step)
	b.medium, err = serve.OpenMedium(ctx, b.path, func(done, total int64) { shown.Advance(step, done, total) })
	if err == nil && b.medium.Image != m.ID {
		err = errors.Join(fmt.Errorf("reading boot ISO %s: it is of the image %q, not %q", b.path, b.medium.Image, m.ID), b.medium.Close())
	}
	if err != nil {
		shown.End(step, time.Since(began), false, 0, err)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, withHint(err, "ingot boot-iso %s makes it", c.Def.Name)
		}
		return nil, withHint(err, "remove it, and then: ingot boot-iso %s", c.Def.Name)
	}
	shown.End(step, time.Since(began), false, b.medium.Size(serve.NameMedium), nil)
	return b, nil
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
