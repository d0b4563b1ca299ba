package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/workshop"
)

// shop is the workshop of a build. It is opened when a provisioner first asks
// for something there: a build without provisioners has none.
type shop struct {
	cfg *builder.Config
	ui  packersdk.Ui

	mu   sync.Mutex
	work *workshop.Workshop
	base *os.File
	kept bool
	runs sync.WaitGroup // programs in the tree
}

// open gives the workshop.
func (s *shop) open(ctx context.Context) (*workshop.Workshop, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.work != nil {
		return s.work, nil
	}
	s.ui.Say("unpacking the base for provisioners")
	var err error
	s.work, s.base, err = builder.OpenWorkshop(ctx, *s.cfg)
	return s.work, err
}

// provision lets Packer's provisioners do their work, and takes what they have
// changed into the bake.
func (s *shop) provision(ctx context.Context, hook packersdk.Hook, onError string) error {
	comm := &communicator{ctx: ctx, shop: s}
	data := map[string]any{"ID": s.cfg.Cluster.Def.Name, "ConnType": "ingot", "User": "root"}
	if err := hook.Run(ctx, packersdk.HookProvision, s.ui, comm, data); err != nil {
		if ctx.Err() == nil { // else there is no time for more
			err = errors.Join(err, s.afterError(ctx, hook, comm, data, onError))
		}
		return err
	}
	if s.work == nil {
		return ctx.Err()
	}
	changes, err := s.work.Changes(ctx)
	if err != nil {
		return err
	}
	s.ui.Say(fmt.Sprintf("changed by provisioners: %d paths written, %d removed", len(changes.Written), len(changes.Removed)))
	s.cfg.Changes = changes
	return nil
}

// afterError does what is to be done where a provisioner has failed: the
// template's own clean-up, and with -on-error=abort, or where the person at the
// terminal says so, the tree is left to be looked at.
func (s *shop) afterError(ctx context.Context, hook packersdk.Hook, comm packersdk.Communicator, data any, onError string) error {
	err := hook.Run(ctx, packersdk.HookCleanupProvision, s.ui, comm, data)
	if onError == "ask" {
		answer, asked := s.ui.Ask("[c] Clean up and exit, [a] abort without cleanup?")
		if asked == nil && answer == "a" {
			onError = "abort"
		}
	}
	if onError == "abort" && s.work != nil {
		s.kept = true
		s.ui.Error("the tree stays, and is yours to remove: " + s.work.Tree())
	}
	return err
}

// close removes the workshop.
func (s *shop) close() error {
	if s.work == nil {
		return nil
	}
	s.runs.Wait()
	err := s.base.Close() // nothing was written
	if !s.kept {
		err = s.work.Close()
	}
	return err
}
