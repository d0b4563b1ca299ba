package cli

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/delivery"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/digitalocean"
	"github.com/ingot-k8s/ingot/publish/terraform"
	"github.com/ingot-k8s/ingot/publish/vsphere"
	"github.com/spf13/cobra"
)

type exportFlags struct {
	destinations   []string
	output         string
	dryRun, asJSON bool
}

func (a *app) exportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write what other tools need to make the machines",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.exportTerraformCommand())
	return cmd
}

func (a *app) exportTerraformCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use:   "terraform CLUSTER",
		Short: "Write variables for the modules of deploy/terraform",
		Long: "Writes out/CLUSTER/terraform/DESTINATION/" + terraform.File + " for Terraform or OpenTofu: the image, nodes,\n" +
			"networks, firewalls and names, as ingot publish would make them, and the paths of the identities. No secret\n" +
			"is in it. The image must be there (ingot publish DESTINATION CLUSTER), and the identities (ingot iso CLUSTER);\n" +
			"docs/how-to/terraform.md has all of it.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, d := range f.destinations {
				if err := oneOf("--destination", d, exportNames()); err != nil {
					return &usageError{command: cmd.CommandPath(), err: err}
				}
			}
			return a.exportTerraform(args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.destinations, "destination", nil, "only for these: "+list(exportNames())+" (default: those of the definition)")
	flags.StringVar(&f.output, "output", "", "folder that gets a folder for each destination (default: out/CLUSTER/terraform)")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print what would be written, and write nothing")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

// exporter makes the variables for a destination.
type exporter struct {
	name string
	uses func(*cluster.Cluster) bool
	make func(*app, *cluster.Cluster, string) (*terraform.Export, error) // with the folder of the identities
}

func exporters() []exporter {
	return []exporter{
		{digitalocean.Name, func(c *cluster.Cluster) bool { return c.Def.Publish.DigitalOcean != nil }, (*app).exportDigitalOcean},
		{vsphere.Name, func(c *cluster.Cluster) bool { return c.Def.Publish.VSphere != nil }, (*app).exportVSphere},
	}
}

func exportNames() []string {
	var names []string
	for _, e := range exporters() {
		names = append(names, e.name)
	}
	return names
}

func (a *app) exportTerraform(name string, f exportFlags) error {
	c, err := a.load(name)
	if err != nil {
		return err
	}
	dir := f.output
	if dir == "" {
		dir = filepath.Join(a.out, c.Def.Name, "terraform")
	}
	files, err := filepath.Abs(filepath.Join(a.out, c.Def.Name, "nodes"))
	if err != nil {
		return err
	}
	runs := []*publish.Summary{}
	for _, e := range exporters() {
		if len(f.destinations) > 0 && !slices.Contains(f.destinations, e.name) || len(f.destinations) == 0 && !e.uses(c) {
			continue
		}
		s, err := a.exportTo(c, e, filepath.Join(dir, e.name), files, f.dryRun)
		if err != nil {
			return err
		}
		runs = append(runs, s)
	}
	if len(runs) == 0 {
		return withHint(fmt.Errorf("%s has no destination under publish", c.File), "add one of: %s", list(exportNames()))
	}
	if err := a.showRuns(runs, f.asJSON); err != nil || f.dryRun {
		return err
	}
	a.say("next: terraform init and apply, as docs/how-to/terraform.md shows")
	return nil
}

// exportTo writes the variables for one destination.
func (a *app) exportTo(c *cluster.Cluster, e exporter, dir, files string, dryRun bool) (s *publish.Summary, err error) {
	if !e.uses(c) {
		return nil, withHint(fmt.Errorf("%s has no publish.%s", c.File, e.name), "docs/how-to/terraform.md shows one")
	}
	steps, began := a.steps(), time.Now()
	steps.Begin(e.name)
	defer func() { steps.End(e.name, time.Since(began), false, 0, err) }()
	export, err := e.make(a, c, files)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, advice(err))
	}
	return export.Write(dir, dryRun)
}

func (a *app) exportDigitalOcean(c *cluster.Cluster, files string) (*terraform.Export, error) {
	image, err := delivery.Find(c, a.imagesOf(c), digitalocean.Name, builder.RawGZ)
	if err != nil {
		return nil, err
	}
	file := userDataFile(c)
	l, err := digitalocean.NewLayout(c, image.ID, func(node string) string { return filepath.Join(node, file) })
	if err != nil {
		return nil, err
	}
	for _, node := range slices.Sorted(maps.Keys(l.Nodes)) {
		if err := identityThere(c, node, filepath.Join(files, l.Nodes[node].UserData)); err != nil {
			return nil, err
		}
	}
	return &terraform.Export{
		Destination: digitalocean.Name, Cluster: c.Def.Name, Image: image.ID, Nodes: len(l.Nodes), Variables: &terraform.DigitalOcean{Layout: *l, Files: files},
	}, nil
}

func (a *app) exportVSphere(c *cluster.Cluster, files string) (*terraform.Export, error) {
	image, err := delivery.Find(c, a.imagesOf(c), "esxi", builder.OVA)
	if err != nil {
		return nil, err
	}
	machines, _ := machinesOf(c, nil, "")
	l, err := vsphere.NewLayout(c.Def.Name, *c.Def.Publish.VSphere, image.ID, machines)
	if err != nil {
		return nil, err
	}
	for _, node := range slices.Sorted(maps.Keys(l.Nodes)) {
		if err := identityThere(c, node, filepath.Join(files, l.Nodes[node].Identity)); err != nil {
			return nil, err
		}
	}
	return &terraform.Export{
		Destination: vsphere.Name, Cluster: c.Def.Name, Image: image.ID, Nodes: len(l.Nodes), Variables: &terraform.VSphere{Layout: *l, Files: files},
	}, nil
}

// identityThere looks whether a node has its identity.
func identityThere(c *cluster.Cluster, node, path string) error {
	if _, err := os.Stat(path); err != nil {
		return withHint(fmt.Errorf("node %q: looking for its identity: %w", node, err), "ingot iso %s makes it", c.Def.Name)
	}
	return nil
}

// userDataFile is the file of a node's folder that is user data and nothing
// else, for platforms that know only these.
func userDataFile(c *cluster.Cluster) string {
	if c.Def.Provisioning == cluster.ProvisioningIgnition {
		return ignition.NameInline
	}
	return ignition.NameUserData
}
