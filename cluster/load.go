package cluster

import (
	"bytes"
	"fmt"
	"path/filepath"
	"reflect"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// maxDefinition bounds the size of a definition. 5,500 nodes of 200 bytes fit.
const maxDefinition = 4 << 20

// Load reads and validates the definition in file, with the index ledger
// beside it, and derives everything from it. The report has every problem and
// warning that was found, and is never nil; the cluster is nil exactly where
// err is not. The error is the report's (see [diag.Report.Err]) for a bad
// definition, or says why a file could not be read.
func Load(file string) (*Cluster, *diag.Report, error) {
	report := &diag.Report{}
	data, err := atomicfile.ReadFile(file, maxDefinition)
	if err != nil {
		return nil, report, fmt.Errorf("reading cluster definition: %w", err)
	}
	ledger, err := LoadIndexes(filepath.Dir(file))
	if err != nil {
		return nil, report, err
	}
	c, err := Parse(file, data, ledger, report)
	return c, report, err
}

// Parse is [Load] of a definition that is already in memory. file is the name
// that problems carry, and the place that relative paths start from.
func Parse(file string, data []byte, ledger Indexes, report *diag.Report) (*Cluster, error) {
	data = bytes.TrimPrefix(data, byteOrderMark) // columns count from the text
	report.AddSource(file, masked(data, nil))
	d := newDecoder(file, report)
	c := &Cluster{File: file, Dir: filepath.Dir(file)}
	if root := d.document(data); root != nil {
		d.decode(root, reflect.ValueOf(&c.Def).Elem(), "", 0)
		ApplyDefaults(&c.Def)
		v := &validator{decoder: d, def: &c.Def, dir: c.Dir, ledger: ledger}
		if !d.overflow {
			v.run()
		}
		if len(v.secrets) > 0 {
			report.AddSource(file, masked(data, v.secrets))
		}
		if !report.HasErrors() {
			v.derive(c)
			c.source = data
		}
	}
	report.Sort()
	if err := report.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// derive fills in all that follows from a valid definition.
func (v *validator) derive(c *Cluster) {
	c.MeshCIDRs, c.PodCIDRs, c.ServiceCIDRs = v.mesh, v.pods, v.services
	c.VIP = v.vip
	for _, p := range c.ServiceCIDRs {
		first, _ := nth(p, 1)
		dns, _ := nth(p, dnsOffset)
		c.ServiceIPs, c.DNSIPs = append(c.ServiceIPs, first), append(c.DNSIPs, dns)
	}
	var names, spares []string
	for _, n := range c.Def.Nodes {
		names = append(names, n.Name)
		c.Nodes = append(c.Nodes, Node{Spec: n, Name: n.Name})
	}
	for k := range c.Def.Spares {
		name := SpareName(k)
		spares = append(spares, name)
		c.Nodes = append(c.Nodes, Node{Spec: NodeSpec{Name: name, Roles: []Role{Worker}}, Name: name, Spare: true})
	}
	r := ranges{mesh: c.MeshCIDRs, pods: c.PodCIDRs, vip: c.VIP}
	var err error
	// Neither of these can fail after checkRoom; a cluster with a hole would be worse than a double check.
	if c.Indexes, err = v.ledger.assign(names, spares, r, v.room.highest); err != nil {
		v.errorf("nodes", "%s", err)
		return
	}
	c.byName = make(map[string]int, len(c.Nodes))
	for i := range c.Nodes {
		n := &c.Nodes[i]
		c.byName[n.Name] = i
		if err := r.place(n, c.Indexes[n.Name]); err != nil {
			v.errorf("nodes", "%s", err)
		}
	}
}
