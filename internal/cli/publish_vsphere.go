package cli

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/delivery"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/vsphere"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// vsphereAccess is how the server is reached.
type vsphereAccess struct{ delivery.VSphere }

type vsphereFlags struct {
	machines, replace, detach bool
	nodes                     []string
	dryRun, asJSON            bool
}

// vSphere is the destination for the table of all.
func (a *app) vSphere() destination {
	access := &vsphereAccess{delivery.VSphere{Getenv: os.Getenv}}
	return destination{
		name:    vsphere.Name,
		command: a.publishVSphereCommand(access),
		flags:   access.register,
		uses:    func(c *cluster.Cluster) bool { return c.Def.Publish.VSphere != nil },
		open: func(c *cluster.Cluster, run publishRun) (publish.Destination, error) {
			cfg, err := access.Config(c)
			if err != nil {
				return nil, advice(err)
			}
			cfg.DryRun, cfg.Progress = run.dryRun, run.progress
			return openVSphere(cfg)
		},
	}
}

func (f *vsphereAccess) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.CredentialsFile, "credentials-file", "", "file with GOVC_USERNAME=... and GOVC_PASSWORD=... for vSphere, mode 0600 (default: the environment)")
	flags.StringVar(&f.CAFile, "ca-file", "", "PEM file with the authority of vSphere's certificate (default: the definition's, or those of this machine)")
	flags.StringVar(&f.Thumbprint, "thumbprint", "", "SHA-256 of vSphere's certificate, the only one that is then accepted (default: the definition's)")
}

func (a *app) publishVSphereCommand(access *vsphereAccess) *cobra.Command {
	var f vsphereFlags
	cmd := &cobra.Command{
		Use:   "vsphere CLUSTER",
		Short: "Bring the image to a vCenter or ESXi host, and make machines of it",
		Long: "Brings the newest image to the vCenter or ESXi host of the definition, as a template. With --machines it makes\n" +
			"the machines of the nodes and starts them, each with its identity; docs/how-to/esxi.md has all of it.\n" +
			"User and password come from GOVC_USERNAME and GOVC_PASSWORD or from a file, never from the command line.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (f.replace || f.detach || len(f.nodes) > 0) && !f.machines {
				return &usageError{command: cmd.CommandPath(), err: errors.New("--replace, --detach-iso and --node go with --machines")}
			}
			return a.publishVSphere(cmd.Context(), args[0], access, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.machines, "machines", false, "make the machines of the nodes")
	flags.StringSliceVar(&f.nodes, "node", nil, "with --machines: only those of these nodes")
	flags.BoolVar(&f.replace, "replace", false, "with --machines: make machines anew that are of another image, size, network or identity, one at a time; their data are lost")
	flags.BoolVar(&f.detach, "detach-iso", false, "with --machines: take the identity, with its keys, away from machines that ran before; each must have read it")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the calls that would change something, and make none")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) publishVSphere(ctx context.Context, name string, access *vsphereAccess, f vsphereFlags) error {
	c, err := a.load(name)
	if err != nil {
		return err
	}
	if err := knownNodes(c, f.nodes); err != nil {
		return err
	}
	cfg, err := access.Config(c)
	if err != nil {
		return advice(err)
	}
	image, err := delivery.Find(c, a.imagesOf(c), "esxi", builder.OVA)
	if err != nil {
		return advice(err)
	}
	cfg.Image = vsphere.Image{ID: image.ID, OVA: image.Path, SHA256: image.SHA256}
	cfg.Replace, cfg.DetachISO, cfg.DryRun, cfg.Progress = f.replace, f.detach, f.dryRun, a.steps()
	if f.machines {
		if cfg.Machines, err = a.vsphereMachines(ctx, c, f); err != nil {
			return err
		}
	}
	d, err := openVSphere(cfg)
	if err != nil {
		return err
	}
	s, err := d.Publish(ctx)
	shown := a.showRun(s, f.asJSON)
	if err == nil && f.machines && !f.dryRun && !f.detach {
		a.say("next: ingot kubeconfig %s --output admin.kubeconfig, and kubectl --kubeconfig admin.kubeconfig get nodes; the first boot takes minutes.\n"+
			"When all are Ready: ingot publish vsphere %s --machines --detach-iso takes the keys off the datastore", c.Def.Name, c.Def.Name)
	}
	return errors.Join(advice(err), shown)
}

func openVSphere(cfg *vsphere.Config) (*vsphere.Destination, error) {
	cfg.Now, cfg.UserAgent = time.Now, "ingot/"+Version
	d, err := vsphere.New(*cfg)
	if err != nil {
		return nil, advice(err)
	}
	return d, nil
}

// vsphereMachines are the machines of the nodes. Their identities are made, as
// "ingot iso" does; a dry run makes none.
func (a *app) vsphereMachines(ctx context.Context, c *cluster.Cluster, f vsphereFlags) ([]vsphere.Machine, error) {
	machines, names := machinesOf(c, f.nodes, filepath.Join(a.out, c.Def.Name, "nodes"))
	if f.dryRun || len(names) == 0 {
		return machines, nil
	}
	_, err := a.identities(ctx, c, names)
	return machines, err
}

// machinesOf are the machines of the nodes that are named, or else of those of
// the definition, with the names of the nodes. Their identities are below dir.
func machinesOf(c *cluster.Cluster, nodes []string, dir string) (machines []vsphere.Machine, names []string) {
	where := c.Def.Publish.VSphere
	file := ignition.NameConfigISO
	if where.Identity == cluster.VSphereGuestinfo {
		file = ignition.NameGuestinfo
	}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if len(nodes) > 0 && !slices.Contains(nodes, n.Name) || len(nodes) == 0 && !where.Has(n) {
			continue
		}
		names = append(names, n.Name)
		machines = append(machines, vsphere.Machine{
			Node: n.Name, Controller: n.Has(cluster.Controller), Size: where.Size(n.Name), MAC: macOf(n), Identity: filepath.Join(dir, n.Name, file),
		})
	}
	return machines, names
}

// macOf is the MAC address by which a node finds its interface; empty where it
// has none.
func macOf(n *cluster.Node) string {
	if n.Spec.Network == nil {
		return ""
	}
	for _, i := range n.Spec.Network.Interfaces {
		if mac, err := net.ParseMAC(i.MAC); err == nil {
			return mac.String() // as vSphere has it
		}
	}
	return ""
}
