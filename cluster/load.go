package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/diag"
	"go.yaml.in/yaml/v3"
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
	report.AddSource(file, data)
	d := newDecoder(file, report)
	c := &Cluster{File: file, Dir: filepath.Dir(file)}
	if root := d.document(data); root != nil {
		d.decode(root, reflect.ValueOf(&c.Def).Elem(), "", 0)
		ApplyDefaults(&c.Def)
		v := &validator{decoder: d, def: &c.Def, dir: c.Dir}
		v.run()
		if !report.HasErrors() {
			v.derive(c, ledger)
		}
	}
	report.Sort()
	if err := report.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// yamlLine finds the line in the messages of the YAML package, which gives its syntax errors no other way.
var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// document reads the one YAML document of a definition.
func (d *decoder) document(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if err == nil {
		if err = dec.Decode(&more); errors.Is(err, io.EOF) {
			return doc.Content[0]
		} else if err == nil {
			d.fail(&more, "", "a second YAML document; a definition is one")
			return nil
		}
	}
	if errors.Is(err, io.EOF) {
		d.report.Errorf(diag.Pos{File: d.file, Line: 1, Col: 1}, "", "the file is empty; ingot init writes a definition to start from")
		return nil
	}
	pos := diag.Pos{File: d.file, Line: 1, Col: 1}
	m := yamlLine.FindStringSubmatch(err.Error())
	if m != nil && m[1] != "" {
		pos.Line, _ = strconv.Atoi(m[1])
	}
	d.report.Errorf(pos, "", "not valid YAML: %s", yamlLine.ReplaceAllString(err.Error(), ""))
	return nil
}

// derive fills in all that follows from a valid definition.
func (v *validator) derive(c *Cluster, ledger Indexes) {
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
	if c.Indexes, err = ledger.assign(names, spares, r); err != nil {
		v.errorf("kubernetes.podCIDR", "%s: too small for all nodes and spares, counting the removed nodes that %s still lists", err, IndexesFile)
		return
	}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if err := r.place(n, c.Indexes[n.Name]); err != nil {
			v.errorf("kubernetes.podCIDR", "%s; has a range been changed after nodes got their indexes?", err)
		}
	}
}

// ParsePrefixes reads one CIDR, or one of each family with a comma between
// them, the form that Kubernetes' own flags take.
func ParsePrefixes(s string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, part := range splitComma(s) {
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, fmt.Errorf("%q is not a CIDR (such as 10.42.0.0/16 or fd42::/48)", part)
		}
		if p != p.Masked() {
			return nil, fmt.Errorf("%q has bits set after its prefix; the network is %s", part, p.Masked())
		}
		out = append(out, p)
	}
	if len(out) > 2 || len(out) == 2 && out[0].Addr().Is4() == out[1].Addr().Is4() {
		return nil, fmt.Errorf("%q: want one CIDR, or one IPv4 and one IPv6 CIDR", s)
	}
	return out, nil
}
