package node

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/ingot-k8s/ingot/node/kubeapi"
	"github.com/ingot-k8s/ingot/node/labels"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
)

// labelsEvery is how often the labels of all nodes are looked at; with many
// nodes, more seldom: the list of 100 takes a second of a slow machine.
func labelsEvery(nodes int) time.Duration {
	return 30 * time.Second * time.Duration(1+nodes/100)
}

func (m Machine) labelsCommand(flags *flag.FlagSet, o *options) func(context.Context, call) int {
	flags.BoolVar(&o.once, "once", false, "")
	return m.labels
}

// labels keeps the labels of all nodes right until it is ended, or does so once.
func (m Machine) labels(ctx context.Context, c call) int {
	j := &journal{stderr: c.stderr}
	own, err := newController(c.root)
	if err != nil {
		j.say("%v", err)
		return statusRefused
	}
	image, err := own.cluster()
	if err != nil {
		j.say("%v", err)
		return statusRefused
	}
	for {
		err := own.label(ctx, image, j)
		if ctx.Err() != nil {
			return statusOK
		}
		if err != nil {
			j.is("labels: %v", err)
		}
		if c.once {
			if err != nil {
				return statusRefused
			}
			return statusOK
		}
		if !pause(ctx, labelsEvery(len(image.Nodes))) {
			return statusOK
		}
	}
}

// label goes through all nodes that the API has.
func (c *controller) label(ctx context.Context, image *clusterjson.Cluster, j *journal) error {
	lead, err := c.inCharge(ctx)
	if err != nil {
		return err
	}
	if !lead {
		j.is("labels: a controller of a lower rank sees to them")
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, asking+labelsEvery(len(image.Nodes)))
	defer cancel()
	objects, err := c.own.NodeMetadata(ctx)
	if err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	j.is("labels: this controller sees to them")
	var errs []error
	for i := range objects {
		node, ok := image.Node(objects[i].Name)
		if !ok {
			continue // of another kind of machine, or of a newer definition
		}
		change := labels.Change(&objects[i], labels.Wanted(image, node))
		if change == nil {
			continue
		}
		var status *kubeapi.StatusError
		switch err := c.own.PatchNode(ctx, node.Name, change); {
		case errors.As(err, &status) && status.Code == 404: // gone meanwhile
		case err != nil:
			errs = append(errs, fmt.Errorf("labelling %s: %w", node.Name, err))
		default:
			j.say("labels: %s: %s", node.Name, labels.Text(change))
		}
	}
	return errors.Join(errs...)
}
