package node

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node/addons"
	"github.com/ingot-k8s/ingot/node/kubeapi"
)

const (
	// addonsTurn is how much later each controller begins than the one of the
	// next lower rank, so that after a start of all of them one does the work,
	// and the others find it done.
	addonsTurn = 30 * time.Second
	// addonsTime bounds one run of kubectl.
	addonsTime = 15 * time.Minute
	// Between attempts: some objects need what others bring, which takes a moment;
	// a manifest that is broken stays so.
	addonsSoon  = 10 * time.Second
	addonsLate  = 5 * time.Minute
	addonsReady = 5 * time.Second // between questions whether the API is ready
)

func (m Machine) addonsCommand(flags *flag.FlagSet, o *options) func(context.Context, call) int {
	flags.BoolVar(&o.once, "once", false, "")
	return m.addons
}

// addons applies the image's manifests, until all are applied. Ended before, it
// is no failure.
func (m Machine) addons(ctx context.Context, c call) int {
	j := &journal{stderr: c.stderr}
	own, err := newController(c.root)
	if err != nil {
		j.say("%v", err)
		return statusRefused
	}
	dir := filepath.Join(c.root, addons.Dir)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		j.say("add-ons: the image has none")
		return m.noteAddons(c, j, addons.State{Applied: true})
	}
	if !m.addonsTurn(ctx, c, own, j) {
		return statusOK
	}
	wait := addonsSoon
	for attempt := 1; ; attempt++ {
		state := m.apply(ctx, own, dir)
		if ctx.Err() != nil {
			return statusOK
		}
		state.Attempts = attempt
		status := m.noteAddons(c, j, state)
		switch {
		case state.Applied:
			j.say("add-ons: all are applied")
			return status
		case c.once:
			j.say("add-ons: %s", strings.Join(state.Problems, "; "))
			return statusRefused
		}
		j.is("add-ons: %s; the others are applied, and these are tried again", strings.Join(state.Problems, "; "))
		if !pause(ctx, wait) {
			return statusOK
		}
		wait = min(2*wait, addonsLate)
	}
}

// addonsTurn waits for the API, and then for those of lower rank. It reports
// whether the context still holds.
func (m Machine) addonsTurn(ctx context.Context, c call, own *controller, j *journal) bool {
	api := kubeapi.New(kubeapi.Config{Root: c.root, Address: strings.TrimPrefix(own.facts.API.LocalURL, "https://")})
	for {
		asked, cancel := context.WithTimeout(ctx, asking)
		err := api.Ready(asked)
		cancel()
		if err == nil {
			break
		}
		_ = m.noteAddons(c, j, addons.State{Waiting: "the API: " + err.Error()}) // said there
		j.is("add-ons: waiting for the API: %v", err)
		if c.once || !pause(ctx, addonsReady) {
			return c.once && ctx.Err() == nil
		}
	}
	rank := own.facts.Rank()
	if c.once || rank == 0 {
		return true
	}
	_ = m.noteAddons(c, j, addons.State{Waiting: "controllers of a lower rank"}) // said there
	return pause(ctx, addonsTurn*time.Duration(rank))
}

// apply runs kubectl once.
func (m Machine) apply(ctx context.Context, own *controller, dir string) addons.State {
	at := func(name string) string { return filepath.Join(own.root, kubeapi.PKI, name) }
	target := addons.Target{
		Program: "kubectl", Server: own.facts.API.LocalURL, Authority: at("ca.crt"),
		Certificate: at(controllerCredential + ".crt"), Key: at(controllerCredential + ".key"),
		User: controllerUser, Cache: filepath.Join(os.TempDir(), "kubectl-cache"),
	}
	ctx, cancel := context.WithTimeout(ctx, addonsTime)
	defer cancel()
	var stderr bytes.Buffer
	err := m.Runner.Run(ctx, run.Command{Argv: target.Apply(dir), Stderr: &stderr})
	state := addons.State{Applied: err == nil, Time: m.Now().UTC().Truncate(time.Second)}
	if err == nil {
		return state
	}
	var failure *run.Error
	if state.Problems = addons.Problems(stderr.String()); len(state.Problems) == 0 || !errors.As(err, &failure) {
		state.Problems = append(state.Problems, err.Error())
	}
	return state
}

// noteAddons leaves the state for others.
func (m Machine) noteAddons(c call, j *journal, s addons.State) int {
	if err := s.Write(c.root); err != nil {
		j.say("%v", err)
		return statusRefused
	}
	return statusOK
}
