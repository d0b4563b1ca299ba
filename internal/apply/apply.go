// Package apply puts layers of an image onto a machine that runs a plain
// Debian: packages, users, files and programs. It is for images that are made
// of such a machine, as by Packer's builders for clouds.
package apply

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// Machine is a machine on which programs run as root.
type Machine interface {
	// Run runs a program to its end. An error says what it was and what it said.
	Run(ctx context.Context, in io.Reader, out io.Writer, argv ...string) error
}

// Config says what is put onto a machine.
type Config struct {
	Cluster  *cluster.Cluster
	Layers   []layer.Layer
	Programs []tree.Extra // that the layers' units start
	Date     time.Time    // of all files
	Say      func(message string)
}

// Apply puts layers onto a machine, and then compares what is there with them.
// Doing it again changes nothing.
func Apply(ctx context.Context, m Machine, c Config) error {
	if err := supported(ctx, m, c.Cluster.Def.Image.Debian); err != nil {
		return err
	}
	users, err := layer.Users(c.Layers...)
	if err != nil {
		return err
	}
	if err := c.install(ctx, m); err != nil {
		return fmt.Errorf("installing packages: %w", err)
	}
	if err := addUsers(ctx, m, users); err != nil {
		return fmt.Errorf("adding users: %w", err)
	}
	c.Say("writing files")
	// tar puts a new file in the place of an old one, and never writes through a link.
	err = c.stream(ctx, m, nil, "tar", "--extract", "--same-owner", "--preserve-permissions", "--directory", "/", "--file", "-")
	if err != nil {
		return fmt.Errorf("writing files: %w", err)
	}
	if err := reload(ctx, m); err != nil {
		return err
	}
	return c.check(ctx, m)
}

// machines names the architecture that images have, as uname -m and Debian do.
const machines = "x86_64"

// supported refuses a machine that the layers are not made for.
func supported(ctx context.Context, m Machine, release int) error {
	var text bytes.Buffer
	if err := m.Run(ctx, nil, &text, "cat", "/etc/os-release"); err != nil {
		return fmt.Errorf("asking the machine what it runs: %w", err)
	}
	id, version := field(text.String(), "ID"), field(text.String(), "VERSION_ID")
	if id != "debian" || version != fmt.Sprint(release) {
		return fmt.Errorf("the machine runs %q %q, and the definition is for Debian %d (image.debian)", id, version, release)
	}
	text.Reset()
	if err := m.Run(ctx, nil, &text, "uname", "-m"); err != nil {
		return fmt.Errorf("asking the machine what it is: %w", err)
	}
	if got := strings.TrimSpace(text.String()); got != machines {
		return fmt.Errorf("the machine is of the architecture %q (%s)", got, machines)
	}
	return nil
}

// field is a value of os-release(5).
func field(text, name string) string {
	for line := range strings.Lines(text) {
		if value, is := strings.CutPrefix(strings.TrimSpace(line), name+"="); is {
			return strings.Trim(value, `"'`)
		}
	}
	return ""
}

// packages are what the layers need of Debian.
func (c *Config) packages() []string {
	var out []string
	for _, l := range c.Layers {
		out = append(out, l.Packages...)
		for _, named := range c.Cluster.Def.ImageComponents() {
			if named.Source == cluster.SourceDebian && slices.Contains(l.Components, named.Name) {
				out = append(out, lock.PackagesOf(named.Name)...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// install installs packages that are missing, from the machine's own sources.
func (c *Config) install(ctx context.Context, m Machine) error {
	missing, err := missing(ctx, m, c.packages())
	if err != nil || len(missing) == 0 {
		return err
	}
	c.Say("installing " + strings.Join(missing, " "))
	apt := []string{"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2", "--yes", "--no-install-recommends", "--option=DPkg::Lock::Timeout=300"}
	if err := m.Run(ctx, nil, nil, append(slices.Clone(apt), "update")...); err != nil {
		return err
	}
	return m.Run(ctx, nil, nil, append(append(apt, "install"), missing...)...)
}

// missing lists those packages that are not installed.
func missing(ctx context.Context, m Machine, names []string) ([]string, error) {
	if len(names) == 0 {
		return nil, nil
	}
	var text bytes.Buffer
	if err := m.Run(ctx, nil, &text, "dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"); err != nil {
		return nil, err
	}
	there := map[string]bool{}
	for line := range strings.Lines(text.String()) {
		if name, is := strings.CutSuffix(strings.TrimSpace(line), " installed"); is {
			there[name] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return there[name] }), nil
}

// addUsers makes the layers' accounts as sysusers.d(5) does, which takes those
// that are there.
func addUsers(ctx context.Context, m Machine, users []layer.User) error {
	if len(users) == 0 {
		return nil
	}
	var lines strings.Builder
	for _, u := range users {
		fmt.Fprintf(&lines, "g %s %d\nu %s %d:%d %q\n", u.Name, u.ID, u.Name, u.ID, u.ID, u.Comment)
	}
	return m.Run(ctx, strings.NewReader(lines.String()), nil, "systemd-sysusers", "-")
}

// reload has a system that runs read its new units.
func reload(ctx context.Context, m Machine) error {
	var state bytes.Buffer
	if err := m.Run(ctx, nil, &state, "find", "/run", "-maxdepth", "2", "-path", "/run/systemd/system"); err != nil {
		return fmt.Errorf("asking the machine whether systemd runs: %w", err)
	}
	if state.Len() == 0 {
		return nil // such as a container
	}
	if err := m.Run(ctx, nil, nil, "systemctl", "daemon-reload"); err != nil {
		return fmt.Errorf("reading new units: %w", err)
	}
	return nil
}

// check compares the machine with the layers.
func (c *Config) check(ctx context.Context, m Machine) error {
	c.Say("comparing what is there")
	var said bytes.Buffer
	if err := c.stream(ctx, m, &said, "tar", "--compare", "--directory", "/", "--file", "-"); err != nil {
		return fmt.Errorf("checking the result: %w", errors.Join(err, errors.New(strings.TrimSpace(said.String()))))
	}
	left, err := missing(ctx, m, c.packages())
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("not installed: %s", strings.Join(left, ", "))
	}
	if err != nil {
		return fmt.Errorf("checking the result: %w", err)
	}
	return nil
}
