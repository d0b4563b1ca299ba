package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/delivery"
	"github.com/ingot-k8s/ingot/internal/generate"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/digitalocean"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// digitalOceanAccess is how the account and the bucket are reached.
type digitalOceanAccess struct{ delivery.DigitalOcean }

type digitalOceanFlags struct {
	regions, nodes              []string
	snapshot, droplets, replace bool
	keep, dryRun, asJSON        bool
	timeout                     time.Duration
}

// digitalOcean is the destination for the table of all.
func (a *app) digitalOcean() destination {
	access := &digitalOceanAccess{delivery.DigitalOcean{Getenv: os.Getenv}}
	return destination{
		name:    digitalocean.Name,
		command: a.publishDigitalOceanCommand(access),
		flags:   access.register,
		uses:    func(c *cluster.Cluster) bool { return c.Def.Publish.DigitalOcean != nil },
		open: func(c *cluster.Cluster, run publishRun) (publish.Destination, error) {
			cfg, err := access.Config(c, delivery.Regions(c, nil), false)
			if err != nil {
				return nil, advice(err)
			}
			cfg.DryRun, cfg.Progress, cfg.Now = run.dryRun, run.progress, time.Now
			return digitalocean.New(*cfg)
		},
	}
}

func (f *digitalOceanAccess) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.TokenFile, "token-file", "", "file with DigitalOcean's token (default: $DIGITALOCEAN_TOKEN, $DIGITALOCEAN_ACCESS_TOKEN)")
	flags.StringVar(&f.Bucket, "bucket", "", "bucket for the upload (default: the definition's)")
	flags.StringVar(&f.Endpoint, "endpoint", "", "address of the bucket's S3 service (default: the definition's, or Spaces in the first region)")
	flags.StringVar(&f.KeyFile, "s3-key-file", "", "file with the bucket's access key and secret key, a line each (default: $SPACES_ACCESS_KEY_ID and $SPACES_SECRET_ACCESS_KEY, or $AWS_...)")
}

func (a *app) publishDigitalOceanCommand(access *digitalOceanAccess) *cobra.Command {
	var f digitalOceanFlags
	cmd := &cobra.Command{
		Use:   "digitalocean CLUSTER",
		Short: "Bring the image to DigitalOcean, and make Droplets of it",
		Long: "Uploads the newest image to a bucket, has DigitalOcean import it from there by an address that is good for a day,\n" +
			"brings it to further regions, and removes the upload. With --droplets it makes the Droplets of the nodes, with\n" +
			"firewall, private network, reserved addresses and names; docs/how-to/digitalocean.md has all of it.\n" +
			"The token and the keys of the bucket come from the environment or from files, never from the command line.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (f.replace || len(f.nodes) > 0) && !f.droplets {
				return &usageError{command: cmd.CommandPath(), err: errors.New("--replace and --node go with --droplets")}
			}
			return a.publishDigitalOcean(cmd.Context(), args[0], access, f)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.regions, "region", nil, "regions; the image is imported in the first (default: the definition's)")
	flags.BoolVar(&f.keep, "keep-upload", false, "leave the upload in the bucket")
	flags.BoolVar(&f.snapshot, "snapshot", false, "make a snapshot, too, of a Droplet that has started once")
	flags.BoolVar(&f.droplets, "droplets", false, "make the Droplets of the nodes")
	flags.StringSliceVar(&f.nodes, "node", nil, "with --droplets: only those of these nodes")
	flags.BoolVar(&f.replace, "replace", false, "with --droplets: make Droplets anew that are of another image, size, region or identity; their data are lost")
	flags.DurationVar(&f.timeout, "timeout", time.Hour, "how long to wait for each thing")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the calls that would change something, and make none")
	flags.BoolVar(&f.asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) publishDigitalOcean(ctx context.Context, name string, access *digitalOceanAccess, f digitalOceanFlags) error {
	c, err := a.load(name)
	if err != nil {
		return err
	}
	if err := knownNodes(c, f.nodes); err != nil {
		return err
	}
	cfg, err := access.Config(c, delivery.Regions(c, f.regions), true)
	if err != nil {
		return advice(err)
	}
	image, err := delivery.Find(c, a.imagesOf(c), digitalocean.Name, builder.RawGZ)
	if err != nil {
		return advice(err)
	}
	cfg.Image = digitalocean.Image{ID: image.ID, File: image.Path, SHA256: image.SHA256, Size: image.Size}
	cfg.Keep, cfg.Snapshot, cfg.Droplets, cfg.Replace = f.keep, f.snapshot, f.droplets, f.replace
	cfg.Nodes, cfg.DryRun, cfg.Timeout, cfg.Progress, cfg.Now = f.nodes, f.dryRun, f.timeout, a.steps(), time.Now
	if f.droplets {
		if cfg.UserData, err = a.userData(ctx, c, dropletNodes(c, f.nodes), f.dryRun); err != nil {
			return err
		}
	}
	d, err := digitalocean.New(*cfg)
	if err != nil {
		return err
	}
	s, err := d.Publish(ctx)
	shown := a.showRun(s, f.asJSON)
	if err == nil && f.droplets && !f.dryRun {
		a.say("next: ingot kubeconfig %s --output admin.kubeconfig, and kubectl --kubeconfig admin.kubeconfig get nodes; the first boot takes minutes", c.Def.Name)
	}
	return errors.Join(advice(err), shown)
}

// dropletNodes are the names of the nodes that Droplets are made of.
func dropletNodes(c *cluster.Cluster, named []string) []string {
	settings := c.Def.Publish.DigitalOcean
	if settings == nil {
		settings = new(cluster.DigitalOcean)
	}
	var out []string
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if len(named) == 0 && settings.Has(n) || slices.Contains(named, n.Name) {
			out = append(out, n.Name)
		}
	}
	return out
}

// imagesOf is the folder of a cluster's images.
func (a *app) imagesOf(c *cluster.Cluster) string { return filepath.Join(a.out, c.Def.Name, "images") }

// userData makes sure that nodes have their identities, as "ingot iso" does, and
// gives what reads the user data of one. A dry run makes none.
func (a *app) userData(ctx context.Context, c *cluster.Cluster, nodes []string, dry bool) (func(string) ([]byte, error), error) {
	if !dry {
		if _, err := a.identities(ctx, c, nodes); err != nil {
			return nil, err
		}
	}
	file := userDataFile(c)
	return func(node string) ([]byte, error) {
		path := filepath.Join(a.out, c.Def.Name, "nodes", node, file)
		data, err := atomicfile.ReadFile(path, maxBundle)
		if err != nil {
			return nil, withHint(fmt.Errorf("reading its identity: %w", err), "ingot iso %s %s makes it", c.Def.Name, node)
		}
		return data, nil
	}, nil
}

// identities makes what is missing or old of the identities of nodes.
func (a *app) identities(ctx context.Context, c *cluster.Cluster, nodes []string) (*generate.Result, error) {
	store, err := pki.Open(c, pki.Options{IdentityFile: a.identity, Log: a.log()})
	if err != nil {
		return nil, err
	}
	missing, err := generate.MissingPeers(c, store, nodes)
	if err != nil {
		return nil, err
	}
	if _, err := a.ensure(ctx, store, append(missing, nodes...)); err != nil {
		return nil, err
	}
	return generate.Identities(ctx, generate.Config{Cluster: c, Store: store, Nodes: nodes, Dir: filepath.Join(a.out, c.Def.Name)})
}
