package node

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node/boot"
	"github.com/ingot-k8s/ingot/node/boot/fetch"
)

// confirmPatience is how long is tried to tell the server that the identity is
// kept: the machine needs nothing of it any more.
const confirmPatience = 2 * time.Minute

// network fetches for a machine that was started over a network.
type network struct {
	root   string
	runner run.Runner
}

var (
	_ boot.Fetcher   = network{}.fetch
	_ boot.Confirmer = network{}.confirm
)

// open is for one kernel line; nil where that was not started over a network.
func (n network) open(line, dir string, patience time.Duration) (*fetch.Fetcher, error) {
	l, err := fetch.ParseLine(line)
	if l == nil || err != nil {
		return nil, err
	}
	return fetch.New(fetch.Config{
		Line: l, Dir: dir, TokenFile: filepath.Join(n.root, fetch.TokenFile), Runner: n.runner, Mount: fetch.Mount, Patience: patience,
		Say: func(format string, args ...any) { boot.Say(n.root, fmt.Sprintf(format, args...)) },
	}), nil
}

// fetch implements boot.Fetcher: the medium and, where the kernel line says so,
// the identity.
func (n network) fetch(ctx context.Context, line, dir string) (string, error) {
	f, err := n.open(line, dir, 0)
	if err != nil {
		return "", err
	}
	path, err := f.Medium(ctx)
	if err != nil {
		return "", err
	}
	_, err = f.Identity(ctx)
	return path, err
}

// confirm implements boot.Confirmer.
func (n network) confirm(ctx context.Context, line, dir, outcome string) error {
	f, err := n.open(line, dir, confirmPatience)
	if f == nil || err != nil {
		return err
	}
	return f.Done(ctx, outcome)
}
