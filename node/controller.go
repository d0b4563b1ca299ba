package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/node/facts"
	"github.com/ingot-k8s/ingot/node/kubeapi"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
)

// What controllers show to the API, and the user that they are there.
const (
	controllerCredential = "apiserver-kubelet-client"
	controllerUser       = "ingot:controller"
)

// asking bounds one question to the API. Slow machines take seconds for a
// handshake.
const asking = 15 * time.Second

// controller is what the commands of controllers share.
type controller struct {
	root  string
	facts *facts.Node
	own   *kubeapi.Client // the node's kube-apiserver, with all rights
	// better are the controllers of a lower rank, as nobody.
	better []*kubeapi.Client
}

// newController refuses to work on other nodes.
func newController(root string) (*controller, error) {
	f, err := facts.Read(root)
	if err != nil {
		return nil, err
	}
	if !f.Controller() {
		return nil, fmt.Errorf("%s is no controller", f.Name)
	}
	c := &controller{root: root, facts: f, own: kubeapi.New(kubeapi.Config{
		Root: root, Address: f.Own(), Credential: controllerCredential, As: controllerUser,
	})}
	for _, address := range f.API.Controllers[:f.Rank()] {
		c.better = append(c.better, kubeapi.New(kubeapi.Config{Root: root, Address: address}))
	}
	return c, nil
}

// cluster is what the image knows about the cluster.
func (c *controller) cluster() (*clusterjson.Cluster, error) { return imageCluster(c.root) }

func imageCluster(root string) (*clusterjson.Cluster, error) {
	data, err := atomicfile.ReadFile(filepath.Join(root, clusterjson.Path), clusterjson.MaxSize)
	if err != nil {
		return nil, err
	}
	return clusterjson.Parse(data)
}

// errNotReady is why a controller does nothing for the cluster.
var errNotReady = errors.New("the kube-apiserver of this node is not ready")

// inCharge reports whether this controller is the one of the lowest rank whose
// kube-apiserver is ready. While two images are in use, as in an upgrade, it
// keeps controllers from undoing each other's work. It is no lock: for moments
// there may be two, or none.
func (c *controller) inCharge(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, asking)
	defer cancel()
	if err := c.own.Ready(ctx); err != nil {
		return false, fmt.Errorf("%w: %w", errNotReady, err)
	}
	for _, b := range c.better {
		if b.Ready(ctx) == nil {
			return false, nil
		}
	}
	return true, nil
}

// journal says lines to stderr, which is the journal for a service.
type journal struct {
	stderr io.Writer
	state  string
}

// say says what happened.
func (j *journal) say(format string, args ...any) {
	_, _ = fmt.Fprintf(j.stderr, "ingot-node: "+format+"\n", args...) // there is nobody else to tell
}

// is says how things are, once until they are otherwise.
func (j *journal) is(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if text != j.state {
		j.state = text
		j.say("%s", text)
	}
}

// pause waits, and reports whether the context still holds.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
