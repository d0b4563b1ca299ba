package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node/identity"
)

// Status is what "ingot-node status --json" prints.
type Status struct {
	Decision *identity.Decision `json:"decision"`
	// Targets are those of the node's roles; none where it is refused.
	Targets []Target `json:"targets"`
}

// Target is a target of a role, with the units that it wants.
type Target struct {
	Unit
	Units []Unit `json:"units"`
}

// Unit is a unit of systemd with its states, in systemd's words.
type Unit struct {
	Name   string `json:"name"`
	Active string `json:"active"` // active, inactive, failed, activating, ...
	Sub    string `json:"sub"`    // running, dead, exited, ...
}

func (m Machine) statusCommand(flags *flag.FlagSet, o *options) func(context.Context, call) int {
	flags.BoolVar(&o.json, "json", false, "")
	return func(ctx context.Context, c call) int { return m.status(ctx, c.options, c.stdout, c.stderr) }
}

func (m Machine) status(ctx context.Context, o options, stdout, stderr io.Writer) int {
	fail := func(err error) int {
		_, _ = fmt.Fprintf(stderr, "ingot-node: %v\n", err) // there is nobody else to tell
		return statusRefused
	}
	d, err := recorded(o.root)
	if errors.Is(err, fs.ErrNotExist) {
		return fail(errors.New("nothing was decided since this machine was started: see journalctl -b -u ingot-node.service"))
	}
	if err != nil {
		return fail(err)
	}
	s := Status{Decision: d, Targets: []Target{}}
	if d.Accepted && o.real() {
		if s.Targets, err = m.targets(ctx, d.Roles); err != nil {
			return fail(err)
		}
	}
	text := s.text()
	if o.json {
		data, err := json.MarshalIndent(s, "", "  ")
		if err != nil {
			return fail(fmt.Errorf("encoding the status: %w", err))
		}
		text = string(data) + "\n"
	}
	if status := result(stdout, stderr, text); status != statusOK || !s.good() {
		return statusRefused
	}
	return statusOK
}

// good reports whether the node is accepted and nothing of it has failed.
func (s Status) good() bool {
	failed := func(u Unit) bool { return u.Active == "failed" }
	return s.Decision.Accepted && !slices.ContainsFunc(s.Targets, func(t Target) bool {
		return failed(t.Unit) || slices.ContainsFunc(t.Units, failed)
	})
}

// text is the status for people.
func (s Status) text() string {
	var b strings.Builder
	d := s.Decision
	if d.Accepted {
		b.WriteString(d.Summary() + "\n")
	}
	for _, w := range d.Warnings {
		b.WriteString("warning: " + w + "\n")
	}
	for _, p := range d.Problems {
		b.WriteString("refused: " + p + "\n")
	}
	if !d.Accepted {
		b.WriteString(refusal(d) + "\n")
	}
	for _, t := range s.Targets {
		fmt.Fprintf(&b, "%-36s %s\n", t.Name, t.Active)
		for _, u := range t.Units {
			fmt.Fprintf(&b, "  %-34s %s (%s)\n", u.Name, u.Active, u.Sub)
		}
	}
	return b.String()
}

// targets asks systemd for the targets of roles and what they want.
func (m Machine) targets(ctx context.Context, roles []string) ([]Target, error) {
	var out []Target
	for _, role := range roles {
		units, err := m.show(ctx, target(role))
		if err != nil {
			return nil, err
		}
		if len(units) == 0 {
			return nil, fmt.Errorf("asking for the state of %s: systemd says nothing", target(role))
		}
		t := Target{Unit: units[0].Unit, Units: []Unit{}}
		if wants := units[0].wants; len(wants) > 0 {
			slices.Sort(wants)
			members, err := m.show(ctx, wants...)
			if err != nil {
				return nil, err
			}
			for _, u := range members {
				t.Units = append(t.Units, u.Unit)
			}
		}
		out = append(out, t)
	}
	return out, nil
}

// shown is a unit as systemctl shows it.
type shown struct {
	Unit
	wants []string
}

func (m Machine) show(ctx context.Context, units ...string) ([]shown, error) {
	var b bytes.Buffer
	argv := append([]string{"systemctl", "show", "--property=Id,ActiveState,SubState,Wants", "--"}, units...)
	if err := m.Runner.Run(ctx, run.Command{Argv: argv, Stdout: &b}); err != nil {
		return nil, fmt.Errorf("asking for the state of %s: %w", strings.Join(units, ", "), err)
	}
	return parseShow(b.String()), nil
}

// parseShow reads what "systemctl show" says: lines Property=value, with an
// empty line between units.
func parseShow(text string) []shown {
	var out []shown
	for block := range strings.SplitSeq(text, "\n\n") {
		var u shown
		for line := range strings.Lines(block) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			switch key {
			case "Id":
				u.Name = value
			case "ActiveState":
				u.Active = value
			case "SubState":
				u.Sub = value
			case "Wants":
				u.wants = strings.Fields(value)
			}
		}
		if u.Name != "" {
			out = append(out, u)
		}
	}
	return out
}
