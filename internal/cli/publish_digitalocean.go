package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/generate"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/ingot-k8s/ingot/publish/digitalocean"
	"github.com/ingot-k8s/ingot/publish/objectstore"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// digitalOceanAccess is how the account and the bucket are reached.
type digitalOceanAccess struct {
	tokenFile, keyFile string
	bucket, endpoint   string
}

type digitalOceanFlags struct {
	regions, nodes              []string
	snapshot, droplets, replace bool
	keep, dryRun, asJSON        bool
	timeout                     time.Duration
}

// digitalOcean is the destination for the table of all.
func (a *app) digitalOcean() destination {
	access := new(digitalOceanAccess)
	return destination{
		name:    digitalocean.Name,
		command: a.publishDigitalOceanCommand(access),
		flags:   access.register,
		uses:    func(c *cluster.Cluster) bool { return c.Def.Publish.DigitalOcean != nil },
		open: func(c *cluster.Cluster, run publishRun) (publish.Destination, error) {
			cfg, err := access.config(c, regionsOf(c, nil), false)
			if err != nil {
				return nil, err
			}
			cfg.DryRun, cfg.Progress = run.dryRun, run.progress
			return digitalocean.New(*cfg)
		},
	}
}

func (f *digitalOceanAccess) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.tokenFile, "token-file", "", "file with DigitalOcean's token (default: $DIGITALOCEAN_TOKEN, $DIGITALOCEAN_ACCESS_TOKEN)")
	flags.StringVar(&f.bucket, "bucket", "", "bucket for the upload (default: the definition's)")
	flags.StringVar(&f.endpoint, "endpoint", "", "address of the bucket's S3 service (default: the definition's, or Spaces in the first region)")
	flags.StringVar(&f.keyFile, "s3-key-file", "", "file with the bucket's access key and secret key, a line each (default: $SPACES_ACCESS_KEY_ID and $SPACES_SECRET_ACCESS_KEY, or $AWS_...)")
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
	cfg, err := access.config(c, regionsOf(c, f.regions), true)
	if err != nil {
		return err
	}
	image, err := a.publishImage(c, digitalocean.Name, builder.RawGZ)
	if err != nil {
		return err
	}
	cfg.Image = digitalocean.Image{ID: image.id, File: image.path, SHA256: image.SHA256, Size: image.Size}
	cfg.Keep, cfg.Snapshot, cfg.Droplets, cfg.Replace = f.keep, f.snapshot, f.droplets, f.replace
	cfg.Nodes, cfg.DryRun, cfg.Timeout, cfg.Progress = f.nodes, f.dryRun, f.timeout, a.steps()
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

// regionsOf are the regions that are named, or else those of the definition.
func regionsOf(c *cluster.Cluster, named []string) []string {
	if d := c.Def.Publish.DigitalOcean; d != nil && len(named) == 0 {
		return d.Regions
	}
	return named
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

// config is what the account and the bucket are reached by. Without keys of the
// bucket there is none, unless the run cannot do without.
func (f *digitalOceanAccess) config(c *cluster.Cluster, regions []string, upload bool) (*digitalocean.Config, error) {
	token, err := secretOf(f.tokenFile, "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, withHint(errors.New("there is no token of DigitalOcean"), "set DIGITALOCEAN_TOKEN, or name a file by --token-file")
	}
	cfg := &digitalocean.Config{Cluster: c, Token: token, URL: os.Getenv("DIGITALOCEAN_API_URL"), Regions: regions, Now: time.Now}
	cfg.Bucket, err = f.open(c, regions, upload)
	return cfg, err
}

func (f *digitalOceanAccess) open(c *cluster.Cluster, regions []string, upload bool) (*objectstore.Bucket, error) {
	settings := c.Def.Publish.DigitalOcean
	if settings == nil {
		settings = new(cluster.DigitalOcean)
	}
	bucket, endpoint := cmp.Or(f.bucket, settings.Bucket), cmp.Or(f.endpoint, settings.Endpoint)
	if endpoint == "" && len(regions) > 0 {
		endpoint = "https://" + regions[0] + ".digitaloceanspaces.com"
	}
	if bucket == "" || endpoint == "" {
		return nil, nil // it is told where it is needed
	}
	access, secret, err := f.keys()
	if err != nil || access == "" && !upload {
		return nil, err
	}
	if access == "" || secret == "" {
		return nil, withHint(fmt.Errorf("there are no keys of the bucket %q", bucket),
			"set SPACES_ACCESS_KEY_ID and SPACES_SECRET_ACCESS_KEY, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file by --s3-key-file")
	}
	return objectstore.New(objectstore.Config{Endpoint: endpoint, Region: os.Getenv("AWS_REGION"), Bucket: bucket, AccessKey: access, SecretKey: secret})
}

// keys are the bucket's: of the file, else of the first pair of variables.
func (f *digitalOceanAccess) keys() (access, secret string, err error) {
	if f.keyFile != "" {
		text, err := secretOf(f.keyFile)
		lines := strings.Fields(text)
		if err == nil && len(lines) != 2 {
			err = fmt.Errorf("reading %s: it has %d words; want two lines, the access key and the secret key", f.keyFile, len(lines))
		}
		if err != nil {
			return "", "", err
		}
		return lines[0], lines[1], nil
	}
	for _, prefix := range []string{"SPACES_", "AWS_"} {
		access, secret = os.Getenv(prefix+"ACCESS_KEY_ID"), os.Getenv(prefix+"SECRET_ACCESS_KEY")
		if access != "" {
			break
		}
	}
	return access, secret, nil
}

// maxSecret bounds a file with a token or keys, in bytes.
const maxSecret = 16 << 10

// secretOf reads a secret from a file, where one is named, or else from the
// first of the variables that is set. Its text stands in no error.
func secretOf(file string, variables ...string) (string, error) {
	if file != "" {
		data, err := atomicfile.ReadFile(file, maxSecret)
		return strings.TrimSpace(string(data)), err
	}
	for _, name := range variables {
		if s := strings.TrimSpace(os.Getenv(name)); s != "" {
			return s, nil
		}
	}
	return "", nil
}

// baked is an image to publish.
type baked struct {
	builder.Output
	id, path string
}

// publishImage finds the newest image for a destination, and holds it against
// the definition: machines of one cluster are of one definition.
func (a *app) publishImage(c *cluster.Cluster, target string, format builder.Format) (*baked, error) {
	dir := filepath.Join(a.out, c.Def.Name, "images")
	hint := "make images CLUSTER=" + c.Def.Name + ", or: ingot images " + c.Def.Name
	m, err := builder.ReadManifest(filepath.Join(dir, builder.ManifestFile))
	if err != nil {
		return nil, withHint(err, "%s", hint)
	}
	now, err := builder.DefinitionSum(c)
	if err != nil {
		return nil, err
	}
	out, ok := m.File(format)
	switch {
	case m.Cluster != c.Def.Name:
		return nil, fmt.Errorf("the image in %s is of the cluster %q", dir, m.Cluster)
	case !slices.Contains(m.Targets, target):
		return nil, withHint(fmt.Errorf("the image %s was not made for %s", m.ID, target), "add %s to image.targets in %s, and then: ingot images %s", target, c.File, c.Def.Name)
	case !ok:
		return nil, withHint(fmt.Errorf("there is no %s of the image %s", format, m.ID), "%s", hint)
	case m.Inputs.Definition != now:
		return nil, withHint(fmt.Errorf("the image %s was baked from another definition than %s is now", m.ID, c.File), "%s", hint)
	}
	path := filepath.Join(dir, out.Name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, withHint(err, "%s", hint)
	}
	if info.Size() != out.Size {
		return nil, withHint(fmt.Errorf("%s has %d bytes, the manifest says %d", path, info.Size(), out.Size), "remove it, and then: ingot images %s", c.Def.Name)
	}
	return &baked{Output: out, id: m.ID, path: path}, nil
}

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
