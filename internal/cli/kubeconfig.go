package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/spf13/cobra"
)

// maxKubeconfig bounds a kubeconfig to merge into, in bytes.
const maxKubeconfig = 4 << 20

// kubeconfigFlags are the choices of ingot kubeconfig.
type kubeconfigFlags struct {
	name, endpoint, output, merge string
	breakGlass                    string
}

func (a *app) kubeconfigCommand() *cobra.Command {
	var f kubeconfigFlags
	cmd := &cobra.Command{
		Use:   "kubeconfig CLUSTER",
		Short: "Write a kubeconfig for a person",
		Long: "Issues a client certificate of the group ingot:admins, keeps it in the key store, and writes a kubeconfig\n" +
			"with it to stdout, to a file of its own (--output) or into an existing one (--merge), which keeps what else it has.\n" +
			"--break-glass issues one of the group system:masters instead, which no RBAC rule restricts and which is not kept.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return &usageError{command: cmd.CommandPath(), err: err}
			}
			c, store, err := a.open(args[0], nil)
			if err != nil {
				return err
			}
			return a.kubeconfig(cmd.Context(), c, store, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.name, "name", "admin", "name of the person in the certificate")
	flags.StringVar(&f.endpoint, "endpoint", "", "URL of the API (default: the first of api.names, else the virtual address)")
	flags.StringVarP(&f.output, "output", "o", "", "write to this file, mode 0600; one with other clusters, users or contexts is left as it is")
	flags.StringVar(&f.merge, "merge", "", "put the cluster, user and context into this kubeconfig")
	flags.StringVar(&f.breakGlass, "break-glass", "", "group system:masters, valid for this time, such as 1h")
	cmd.MarkFlagsMutuallyExclusive("output", "merge")
	cmd.MarkFlagsMutuallyExclusive("break-glass", "name")
	return cmd
}

func (f *kubeconfigFlags) check() error {
	if f.breakGlass != "" {
		if _, err := cluster.ParseDuration(f.breakGlass); err != nil {
			return fmt.Errorf("--break-glass: %w", err)
		}
	}
	if f.endpoint == "" {
		return nil
	}
	u, err := url.Parse(f.endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
		return fmt.Errorf("--endpoint %q is not a URL such as https://api.example.com:6443", f.endpoint)
	}
	return nil
}

func (a *app) kubeconfig(ctx context.Context, c *cluster.Cluster, store *pki.Store, f kubeconfigFlags) error {
	text, err := a.kubeconfigText(ctx, c, store, f)
	if err != nil {
		return err
	}
	switch {
	case f.merge != "":
		existing, err := atomicfile.ReadFile(f.merge, maxKubeconfig)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		merged, err := pki.MergeKubeconfig(existing, text)
		if err != nil {
			return fmt.Errorf("merging into %q: %w", f.merge, err)
		}
		return atomicfile.Write(f.merge, merged, 0o600)
	case f.output != "":
		if err := a.onlyOurs(f.output, text); err != nil {
			return err
		}
		return atomicfile.Write(f.output, text, 0o600)
	default:
		_, err = a.stdout.Write(text)
		return err
	}
}

// onlyOurs makes sure that nothing is lost when a file is replaced by a
// kubeconfig: there is none, or it has nothing but older entries of the same.
func (a *app) onlyOurs(path string, text []byte) error {
	existing, err := atomicfile.ReadFile(path, maxKubeconfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	alone, err := pki.MergeKubeconfig(text, text)
	if err != nil {
		return err
	}
	if merged, err := pki.MergeKubeconfig(existing, text); err != nil || !bytes.Equal(merged, alone) {
		return withHint(fmt.Errorf("writing %q: it has more than this kubeconfig would replace, and is left as it is", path),
			"--merge %s keeps what else it has", path)
	}
	return nil
}

// kubeconfigText issues what the kubeconfig needs and makes it.
func (a *app) kubeconfigText(ctx context.Context, c *cluster.Cluster, store *pki.Store, f kubeconfigFlags) ([]byte, error) {
	cred, err := a.adminCredential(ctx, store, f)
	if err != nil {
		return nil, err
	}
	ca, err := store.AuthorityPEM(pki.Kubernetes)
	if err != nil {
		return nil, err
	}
	endpoint := f.endpoint
	if endpoint == "" {
		endpoint = c.ExternalAPIURL()
	}
	return pki.Kubeconfig(c, cred, endpoint, ca)
}

func (a *app) adminCredential(ctx context.Context, store *pki.Store, f kubeconfigFlags) (*pki.Credential, error) {
	if f.breakGlass != "" {
		lifetime, err := cluster.ParseDuration(f.breakGlass)
		if err != nil {
			return nil, err
		}
		cred, err := store.BreakGlass(ctx, lifetime.Std())
		if err == nil {
			a.say("break-glass: unrestricted access until %s; nothing but time takes it away", cred.Cert.NotAfter.UTC().Format(time.RFC3339))
		}
		return cred, err
	}
	cred, changes, err := store.Admin(ctx, f.name)
	for _, change := range changes {
		a.say("%s", change)
	}
	return cred, err
}

// notIssued adds what to do where the store does not have something yet.
func notIssued(err error, name string) error {
	if errors.Is(err, fs.ErrNotExist) {
		return withHint(err, "ingot pki issue %s makes what is missing", name)
	}
	return err
}
