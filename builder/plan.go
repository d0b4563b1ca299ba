package builder

import (
	"fmt"
	"strconv"

	"github.com/ingot-k8s/ingot/builder/component"
	"github.com/ingot-k8s/ingot/builder/step"
)

// plan has the steps that do not depend on the definition's small things. All
// keys are known before anything is made, so what is in the cache is taken
// without a look at what it was made of.
type plan struct {
	base       step.Step
	tree       step.Step // the base with what others changed, which all else is made of; the base itself where that is nothing
	start      step.Step
	bootInitrd step.Step // of boot ISOs
	root       step.Step
	programs   []program
	containers step.Step
	bill       step.Step
}

// program is a component that is made.
type program struct {
	name string
	step step.Step
	out  *component.Output
	make func() (*step.Result, error) // does the step when it is first needed
}

// plan works out what the image is made of.
func (b *bake) plan() (*plan, error) {
	p := &plan{}
	inputs := []string{strconv.Itoa(b.Lock.Debian.Release), date(b), source("base")}
	for _, d := range b.Lock.Debian.Packages {
		inputs = append(inputs, d.SHA256)
	}
	strap, err := b.tool(bootstrap)
	if err != nil {
		return nil, err
	}
	p.base = step.Step{Name: "base", Inputs: append(inputs, strap)}
	p.tree = b.changedBase(p.base)
	p.start = step.Step{Name: "kernel and initrd", Inputs: []string{p.tree.Key(), source("initrd", "boot"), fmt.Sprint(b.network())}}
	for _, d := range b.Lock.Debian.Boot {
		p.start.Inputs = append(p.start.Inputs, d.SHA256)
	}
	p.bootInitrd = step.Step{Name: "initrd of the boot ISO", Inputs: []string{
		p.tree.Key(), source("initrd", "boot"), fmt.Sprint(b.network()), fmt.Sprint(b.rescue()), sum(b.Program),
	}}

	for _, name := range component.Names(b.Cluster) {
		key, err := component.Key(b.Cluster, b.Lock, name)
		if err != nil {
			return nil, err
		}
		out, err := component.Describe(b.Cluster, name)
		if err != nil {
			return nil, err
		}
		p.programs = append(p.programs, program{name: name, step: step.Step{Name: name, Inputs: key}, out: out})
	}
	p.containers = step.Step{Name: "container images", Inputs: append(
		[]string{source("ociimage"), b.Lock.Toolchain}, b.Cluster.Def.Image.Preload...)}

	p.bill = step.Step{Name: "bill of materials", Inputs: []string{
		p.tree.Key(), sum(b.Lock.Encode()), sum(b.Program), b.Version, source("sbom"),
	}}

	pack, err := b.tool(packer)
	if err != nil {
		return nil, err
	}
	p.root = step.Step{Name: "root", Inputs: []string{
		p.tree.Key(), p.containers.Key(), sum(b.Program), source("tree", "boot"), pack, date(b),
	}}
	for _, program := range p.programs {
		p.root.Inputs = append(p.root.Inputs, program.step.Key())
	}
	return p, nil
}

// date is the one clock as it stands in keys.
func date(b *bake) string { return strconv.FormatInt(b.Lock.Date.Unix(), 10) }

// network is whether the initrd may have to ask a server of the platform for
// the identity.
func (b *bake) network() bool {
	for _, target := range b.Cluster.Def.Image.Targets {
		if target == "digitalocean" {
			return true
		}
	}
	return false
}
