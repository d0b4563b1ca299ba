package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/internal/serve"
)

// printLine prints a value as one line of JSON.
func (a *app) printLine(v any) {
	data, err := json.Marshal(v)
	if err != nil {
		a.say("error: encoding results: %v", err)
		return
	}
	a.print("%s", data)
}

// servePlan is what a dry run prints.
type servePlan struct {
	Cluster    string            `json:"cluster"`
	Image      string            `json:"image"` // its id
	Listen     string            `json:"listen"`
	Script     string            `json:"script"`
	Files      []serveFile       `json:"files"`
	KernelLine string            `json:"kernelLine"`
	Nodes      []serve.NodeState `json:"nodes"`
	Next       []string          `json:"next"` // nodes that unknown machines would become
}

type serveFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// printServe prints what would be served. The certificate is another in each
// run, unless it comes from a file.
func (a *app) printServe(s *serve.Server, m *serve.Medium, f serveFlags) error {
	plan := servePlan{
		Cluster: m.Cluster, Image: m.Image, Listen: f.listen, Script: "http://" + f.listen + serve.PathScript,
		KernelLine: s.Line(f.listen), Nodes: s.States(), Next: append([]string{}, f.next...),
	}
	for _, name := range []string{serve.NameKernel, serve.NameInitrd, serve.NameBootInitrd, serve.NameMedium} {
		plan.Files = append(plan.Files, serveFile{Name: name, Size: m.Size(name), SHA256: m.SHA256(name)})
	}
	if f.asJSON {
		return a.printJSON(plan)
	}
	a.print("would serve: %s, for image %s", plan.Script, plan.Image)
	for _, file := range plan.Files {
		a.print("  %-12s %s, SHA-256 %s", file.Name, megabytes(file.Size), file.SHA256)
	}
	a.print("kernel line: %s", plan.KernelLine)
	for _, n := range plan.Nodes {
		a.print("would give the identity of %s to: %s", n.Node, serveMachine(n, f.next))
	}
	return nil
}

// serveWrite writes the files for another web server.
func (a *app) serveWrite(ctx context.Context, name string, f serveFlags) error {
	c, err := a.load(name)
	if err != nil {
		return err
	}
	shown := a.steps()
	medium, err := a.openBoot(ctx, c, f.iso, shown)
	if err != nil {
		return err
	}
	defer func() { _ = medium.Close() }() // it was only read
	if medium.Cluster != c.Def.Name {
		return fmt.Errorf("the boot ISO is of the cluster %q, not %q", medium.Cluster, c.Def.Name)
	}
	paths, err := medium.Write(ctx, f.write, f.url, f.dryRun)
	if err != nil {
		return err
	}
	if f.asJSON {
		return a.printJSON(struct {
			Image string   `json:"image"`
			Files []string `json:"files"`
		}{medium.Image, paths})
	}
	for _, path := range paths {
		if f.dryRun {
			a.print("would write: %s", path)
		} else {
			a.print("%s  written", path)
		}
	}
	a.say("next: have DHCP name %s/%s to iPXE; machines find their identity elsewhere, such as on a drive with config.iso", strings.TrimRight(f.url, "/"), serve.NameScript)
	return nil
}

// serveMachine says by what a node's machine is known.
func serveMachine(n serve.NodeState, next []string) string {
	var by []string
	for _, mac := range n.MACs {
		by = append(by, "MAC "+mac)
	}
	for _, serial := range n.Serials {
		by = append(by, fmt.Sprintf("serial number or UUID %q", serial))
	}
	for i, name := range next {
		if name == n.Node {
			by = append(by, fmt.Sprintf("unknown machine %d", i+1))
		}
	}
	return strings.Join(by, ", or ")
}

// serveSummary prints what was given to whom.
func (a *app) serveSummary(s *serve.Server, asJSON bool) error {
	states := s.States()
	if asJSON {
		a.printLine(struct {
			Event string            `json:"event"`
			Nodes []serve.NodeState `json:"nodes"`
		}{"summary", states})
		return nil
	}
	kept := 0
	for _, n := range states {
		text := "was not asked for"
		switch {
		case n.Outcome == serve.Installed:
			text = "is installed, and keeps its identity"
		case n.Outcome == serve.Running:
			text = "keeps its identity"
		case n.Given > 0:
			text = "was given its identity, and has not said that it keeps it: the machine may need another start, or the identity may be with a stranger"
		}
		if n.Outcome != "" {
			kept++
		}
		a.print("%s: %s", n.Node, text)
	}
	a.say("%d of %s keep their identity", kept, plural(len(states), "machine"))
	return nil
}
