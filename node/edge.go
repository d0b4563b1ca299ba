package node

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node/edge"
	"github.com/ingot-k8s/ingot/node/facts"
	"github.com/ingot-k8s/ingot/node/kubeapi"
)

const (
	// edgeCredential is kube-proxy's certificate, which the edges' Role is bound
	// to: a kubelet's may write no Lease but its own node's (NodeRestriction).
	edgeCredential = "proxy"
	// proxyHealth is where kube-proxy says whether balancers should send the node
	// traffic (kubernetes.io, "Virtual IPs and Service Proxies").
	proxyHealth = "http://127.0.0.1:10256/healthz"
)

func (m Machine) edgeCommand(*flag.FlagSet, *options) func(context.Context, call) int { return m.edge }

// edge takes and releases the floating address until it is ended, and then has
// released it.
func (m Machine) edge(ctx context.Context, c call) int {
	j := &journal{stderr: c.stderr}
	f, err := facts.Read(c.root)
	var floating string
	if err == nil {
		floating, err = floatingAddress(c.root, f)
	}
	if err != nil {
		j.say("%v", err)
		return statusRefused
	}
	h := hook{
		runner: m.Runner, path: filepath.Join(c.root, edge.HookPath), stderr: c.stderr,
		env: append(os.Environ(), "INGOT_CLUSTER="+f.Cluster, "INGOT_NODE="+f.Name, "INGOT_FLOATING_ADDRESS="+floating,
			"INGOT_NODE_ADDRESS="+f.Dialled),
	}
	prefix := "floating address " + floating + ": "
	edge.New(edge.Config{
		Node: f.Name, Now: m.Now,
		Leases: lease{kubeapi.New(kubeapi.Config{
			Root: c.root, Address: strings.TrimPrefix(f.API.LocalURL, "https://"), Credential: edgeCredential,
		})},
		Healthy: proxyHealthy,
		Hook:    h.run,
		Say:     func(format string, args ...any) { j.say(prefix+format, args...) },
		Is:      func(format string, args ...any) { j.is(prefix+format, args...) },
		Note: func(s edge.State) {
			if err := s.Write(c.root); err != nil {
				j.say("%v", err)
			}
		},
	}).Run(ctx)
	return statusOK
}

// floatingAddress is what the image's cluster has. Nodes that are no edges have
// nothing to do with it.
func floatingAddress(root string, f *facts.Node) (string, error) {
	image, err := imageCluster(root)
	switch {
	case err != nil:
		return "", err
	case !f.Has("edge"):
		return "", fmt.Errorf("%s is no edge", f.Name)
	case !image.FloatingAddress.IsValid():
		return "", fmt.Errorf("the image's cluster has no floating address (edge.floatingAddress)")
	}
	return image.FloatingAddress.String(), nil
}

// lease is the Lease of the edges at the API.
type lease struct{ api *kubeapi.Client }

var _ edge.Leases = lease{}

func (l lease) Get(ctx context.Context) (*kubeapi.Lease, error) {
	return l.api.Lease(ctx, edge.Namespace, edge.Name)
}

func (l lease) Put(ctx context.Context, next *kubeapi.Lease) (*kubeapi.Lease, error) {
	return l.api.PatchLease(ctx, edge.Namespace, edge.Name, next)
}

// proxyHealthy asks kube-proxy.
func proxyHealthy(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, proxyHealth, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("kube-proxy: %w", err)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection is kept
	_ = resp.Body.Close()                                          // it was read
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("kube-proxy's health is %d", resp.StatusCode)
	}
	return err
}

// hook is the definition's program.
type hook struct {
	runner run.Runner
	path   string
	env    []string
	stderr io.Writer // gets what it says
}

func (h hook) run(ctx context.Context, verb string) error {
	out := &lines{to: h.stderr, prefix: "ingot-node: hook: "}
	complaints := &lines{to: h.stderr, prefix: out.prefix}
	err := h.runner.Run(ctx, run.Command{Argv: []string{h.path, verb}, Env: h.env, Stdout: out, Stderr: complaints})
	out.flush()
	complaints.flush()
	return err
}

// maxLine bounds a line that is passed on, in bytes.
const maxLine = 4 << 10

// lines passes on what a program says, line by line.
type lines struct {
	to     io.Writer
	prefix string
	rest   []byte
}

func (l *lines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		next := end + 1
		if end < 0 && len(l.rest) < maxLine {
			return len(p), nil
		} else if end < 0 || end > maxLine {
			end, next = maxLine, maxLine
		}
		l.say(l.rest[:end])
		l.rest = l.rest[next:]
	}
}

// flush passes on a line that has no end.
func (l *lines) flush() {
	if len(l.rest) > 0 {
		l.say(l.rest)
		l.rest = nil
	}
}

func (l *lines) say(line []byte) {
	_, _ = fmt.Fprintf(l.to, "%s%s\n", l.prefix, line) // there is nobody else to tell
}
