package cluster

import "slices"

// Where the programs of a component come from.
const (
	SourceDebian = "debian" // packages of the archive
	SourceGo     = "go"     // compiled from the source of a Go module
	SourceURL    = "url"    // one program, fetched by its address
	SourceFile   = "file"   // one program, a file beside the definition
)

// Components says where the programs of the image come from.
type Components struct {
	Etcd         Component `yaml:"etcd,omitempty" jsonschema_description:"etcd, etcdctl and etcdutl, from debian or go."`
	CoreDNS      Component `yaml:"coredns,omitempty" jsonschema_description:"CoreDNS, from go, url or file."`
	Containerd   Component `yaml:"containerd,omitempty" jsonschema_description:"containerd, its shim and ctr, from debian or go."`
	Runc         Component `yaml:"runc,omitempty" jsonschema_description:"runc, from debian, url or file."`
	CNI          Component `yaml:"cni,omitempty" jsonschema_description:"The CNI plugins, from debian or go."`
	Tinc         Component `yaml:"tinc,omitempty" jsonschema_description:"tinc, from debian."`
	HAProxy      Component `yaml:"haproxy,omitempty" jsonschema_description:"haproxy, from debian."`
	NodeExporter Component `yaml:"nodeExporter,omitempty" jsonschema_description:"Prometheus node-exporter, from debian, go, url or file."`
}

// Component is where the programs of one component come from.
type Component struct {
	Source  string `yaml:"source,omitempty" jsonschema:"enum=debian,enum=go,enum=url,enum=file" jsonschema_description:"Kind of source; each component has some of them."`
	Version string `yaml:"version,omitempty" jsonschema_description:"Version of the Go module, with a leading v; of source go alone."`
	URL     string `yaml:"url,omitempty" jsonschema_description:"Address of the program, a static executable for amd64; of source url alone."`
	File    string `yaml:"file,omitempty" jsonschema_description:"The program, relative to the definition; of source file alone."`
	SHA256  string `yaml:"sha256,omitempty" jsonschema:"pattern=^[0-9a-f]{64}$" jsonschema_description:"SHA-256 of the program, 64 hexadecimal digits; of the sources url and file."`
}

// NamedComponent is a component of the image with its name.
type NamedComponent struct {
	Name string // kubernetes, etcd, coredns, containerd, runc, cni, tinc, haproxy, node-exporter
	Component
}

// componentRule is what a component can be.
type componentRule struct {
	name    string
	key     string   // in the definition
	sources []string // the first is the default
	version string   // default of source go
	of      func(*Components) *Component
}

// componentRules are the components in the order of messages. Versions are the
// newest that were tried together.
var componentRules = []componentRule{
	{"etcd", "etcd", []string{SourceGo, SourceDebian}, "v3.6.16", func(c *Components) *Component { return &c.Etcd }},
	{"coredns", "coredns", []string{SourceGo, SourceURL, SourceFile}, "v1.14.7", func(c *Components) *Component { return &c.CoreDNS }},
	{"containerd", "containerd", []string{SourceDebian, SourceGo}, "v2.4.2", func(c *Components) *Component { return &c.Containerd }},
	// runc needs cgo, and so it is not compiled from its module.
	{"runc", "runc", []string{SourceDebian, SourceURL, SourceFile}, "", func(c *Components) *Component { return &c.Runc }},
	{"cni", "cni", []string{SourceDebian, SourceGo}, "v1.9.1", func(c *Components) *Component { return &c.CNI }},
	{"tinc", "tinc", []string{SourceDebian}, "", func(c *Components) *Component { return &c.Tinc }},
	{"haproxy", "haproxy", []string{SourceDebian}, "", func(c *Components) *Component { return &c.HAProxy }},
	{"node-exporter", "nodeExporter", []string{SourceDebian, SourceGo, SourceURL, SourceFile}, "v1.12.1", func(c *Components) *Component { return &c.NodeExporter }},
}

// applyDefaults gives each component its source, and those from Go a version.
func (c *Components) applyDefaults() {
	for _, rule := range componentRules {
		component := rule.of(c)
		orStr(&component.Source, rule.sources[0])
		if component.Source == SourceGo && slices.Contains(rule.sources, SourceGo) {
			orStr(&component.Version, rule.version)
		}
	}
}

// ImageComponents lists the components that the image has, kubernetes first,
// then in the order of [Components].
func (d *Definition) ImageComponents() []NamedComponent {
	out := []NamedComponent{{"kubernetes", Component{Source: SourceGo, Version: d.Kubernetes.Version}}}
	for _, rule := range componentRules {
		if rule.name == "node-exporter" && d.Features.NodeExporter != nil && !*d.Features.NodeExporter {
			continue
		}
		out = append(out, NamedComponent{rule.name, *rule.of(&d.Components)})
	}
	return out
}

// ImageComponent finds a component of the image by name.
func (d *Definition) ImageComponent(name string) (c Component, ok bool) {
	for _, named := range d.ImageComponents() {
		if named.Name == name {
			return named.Component, true
		}
	}
	return Component{}, false
}
