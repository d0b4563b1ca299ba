package node

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node/identity"
)

func (m Machine) identityCommand(flags *flag.FlagSet, o *options) func(context.Context, call) int {
	flags.BoolVar(&o.noStart, "no-start", false, "")
	return func(ctx context.Context, c call) int { return m.identity(ctx, c.options, c.stderr) }
}

// identity decides, tells, and does what follows from it. It can be run again
// at any time, with the same result.
func (m Machine) identity(ctx context.Context, o options, stderr io.Writer) int {
	v := &voice{root: o.root, stderr: stderr, now: m.Now, stuck: map[string]bool{}}
	if o.real() && os.Geteuid() != 0 {
		v.say(levelError, "only root can decide about this machine")
		return statusRefused
	}
	d := identity.Check(o.root, m.Now())
	if d.Accepted {
		// What cannot be put in place is as good a reason to stay out.
		if err := m.settle(o, d.Node); err != nil {
			d.Accepted = false
			d.Problems = append(d.Problems, err.Error())
		}
	}
	for _, w := range d.Warnings {
		v.say(levelWarning, "warning: "+w)
	}
	if err := record(o.root, d); err != nil {
		d.Accepted = false
		d.Problems = append(d.Problems, err.Error())
	}
	if !d.Accepted {
		for _, p := range d.Problems {
			v.say(levelError, "refused: "+p)
		}
		v.say(levelError, refusal(d))
		return statusRefused
	}
	v.say(levelNotice, d.Summary())
	v.say(levelNotice, accepted(o.root, d))
	if o.noStart || !o.real() {
		return statusOK
	}
	if err := m.start(ctx, d.Roles); err != nil {
		v.say(levelError, err.Error())
		return statusRefused
	}
	return statusOK
}

func refusal(d *identity.Decision) string {
	of := "every cluster"
	if d.Cluster != "" {
		of = "cluster " + d.Cluster
	}
	return "this machine stays out of " + of + "; what is mended is looked at again at the next boot, or by: ingot-node identity"
}

// accepted says what the identity was held against, and how long after its
// start the machine got here.
func accepted(root string, d *identity.Decision) string {
	text := "identity accepted"
	if d.Image.ID != "" {
		text += " by image " + d.Image.ID
	}
	if up := uptime(root); up != "" {
		text += ", " + up + " s after the start of the kernel"
	}
	return text
}

// uptime is the time since the start of the kernel, in seconds with two
// decimals: the first number of /proc/uptime (proc_uptime(5)).
func uptime(root string) string {
	data, err := os.ReadFile(filepath.Join(root, "proc/uptime"))
	if err != nil {
		return ""
	}
	seconds, _, _ := strings.Cut(string(data), " ")
	if seconds == "" || strings.Trim(seconds, "0123456789.") != "" {
		return ""
	}
	return seconds
}

// start has systemd start the targets of a node's roles, and waits for none.
func (m Machine) start(ctx context.Context, roles []string) error {
	argv := []string{"systemctl", "start", "--no-block"}
	for _, r := range roles {
		argv = append(argv, target(r))
	}
	if err := m.Runner.Run(ctx, run.Command{Argv: argv}); err != nil {
		return fmt.Errorf("starting %s: %w", strings.Join(argv[3:], ", "), err)
	}
	return nil
}

// target is the unit that wants all that a role is made of.
func target(role string) string { return "ingot-" + role + ".target" }

// settle gives the machine its name, now and for the next boot.
func (m Machine) settle(o options, name string) error {
	err := writeIfOther(filepath.Join(o.root, "etc/hostname"), name+"\n")
	if o.real() {
		if has, hasErr := os.Hostname(); hasErr != nil || has != name {
			err = errors.Join(err, m.SetHostname([]byte(name)))
		}
	}
	if err != nil {
		return fmt.Errorf("setting the host name %s: %w", name, err)
	}
	return nil
}
