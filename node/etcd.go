package node

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node/etcd"
)

// etcdUnit is the unit that runs etcd.
const etcdUnit = "etcd.service"

func (m Machine) etcdCommand(flags *flag.FlagSet, o *options) func(context.Context, call) int {
	flags.BoolVar(&o.json, "json", false, "")
	return m.etcd
}

// etcd looks after this machine's etcd, or does what the word after the
// command says.
func (m Machine) etcd(ctx context.Context, c call) int {
	words := slices.DeleteFunc(slices.Clone(c.args), func(w string) bool {
		asked := w == "--json" || w == "-json"
		c.json = c.json || asked
		return asked
	})
	word := ""
	if len(words) > 0 {
		word = words[0]
	}
	if len(words) > 1 || !slices.Contains([]string{"", "status", "leave", "join"}, word) || c.json && word != "status" {
		return badUsage(c.stderr, fmt.Errorf("etcd: unknown words %q (status [--json], leave, join)", c.args))
	}
	v := &voice{root: c.root, stderr: c.stderr, now: m.Now, stuck: map[string]bool{}}
	keeper, err := etcd.New(m.etcdConfig(c.options, v))
	if err != nil {
		v.say(levelError, "etcd: "+err.Error())
		return statusRefused
	}
	switch word {
	case "status":
		return etcdStatus(ctx, keeper, c)
	case "leave":
		err = keeper.Leave(ctx)
	case "join":
		err = m.etcdJoin(ctx, keeper, v)
	default:
		err = keeper.Run(ctx)
	}
	if err != nil {
		v.say(levelError, "etcd: "+err.Error())
		return statusRefused
	}
	return statusOK
}

// etcdConfig has etcd's keeper speak with one voice, and systemd start and
// stop etcd.
func (m Machine) etcdConfig(o options, v *voice) etcd.Config {
	unit := func(ctx context.Context, argv ...string) error {
		if !o.real() {
			return nil
		}
		argv = append(append([]string{"systemctl"}, argv...), "--", etcdUnit)
		if err := m.Runner.Run(ctx, run.Command{Argv: argv}); err != nil {
			return fmt.Errorf("asking systemd to %s %s: %w", argv[1], etcdUnit, err)
		}
		return nil
	}
	return etcd.Config{
		Root: o.root, Now: m.Now,
		Say:    func(l etcd.Level, text string) { v.say(int(l), text) },
		Ready:  func() { notify("READY=1") },
		Status: func(text string) { notify("STATUS=" + text) },
		Start:  func(ctx context.Context) error { return unit(ctx, "start", "--no-block") },
		Stop:   func(ctx context.Context) error { return unit(ctx, "stop") },
	}
}

// etcdJoin lets the node join again. The keeper that runs as a service sees it
// by itself.
func (m Machine) etcdJoin(ctx context.Context, keeper *etcd.Keeper, v *voice) error {
	did, err := keeper.Join(ctx)
	if err != nil {
		return err
	}
	if !did {
		return errors.New("this node has not left, and has no data of another cluster: it does what can be done by itself; see ingot-node etcd status")
	}
	v.say(levelNotice, "etcd: this node joins again; see journalctl -f -u ingot-etcd.service")
	return nil
}

func etcdStatus(ctx context.Context, keeper *etcd.Keeper, c call) int {
	report, err := keeper.Report(ctx)
	if err == nil {
		var text string
		if text, err = report.Text(c.json); err == nil {
			if status := result(c.stdout, c.stderr, text); status != statusOK || !report.Good() {
				return statusRefused
			}
			return statusOK
		}
	}
	_, _ = fmt.Fprintf(c.stderr, "ingot-node: etcd: %v\n", err) // there is nobody else to tell
	return statusRefused
}

// notify tells systemd about the service (sd_notify(3)). Where nobody wants to
// know, nobody is told.
func notify(state string) {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return
	}
	// A name that begins with @ is in the abstract namespace, for package net too.
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		return
	}
	_, _ = c.Write([]byte(state)) // without it the unit stays as it was
	_ = c.Close()
}
