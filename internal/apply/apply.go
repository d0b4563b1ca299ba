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
	Packages *Packages    // where the layers' packages come from; nil means the machine's own sources
	Date     time.Time    // of all files
	Say      func(message string)
}

// Apply puts layers onto a machine, and then compares what is there with them.
// Doing it again changes nothing.
func Apply(ctx context.Context, m Machine, c Config) error {
	if err := Supported(ctx, m, c.Cluster.Def.Image.Debian); err != nil {
		return err
	}
	users, err := layer.Users(c.Layers...)
	if err != nil {
		return err
	}
	if err := c.readable(ctx, m); err != nil {
		return err
	}
	if err := c.install(ctx, m); err != nil {
		return fmt.Errorf("installing packages: %w", err)
	}
	if err := c.still(ctx, m); err != nil {
		return fmt.Errorf("taking back what packages start: %w", err)
	}
	if err := addUsers(ctx, m, users); err != nil {
		return fmt.Errorf("adding users: %w", err)
	}
	if err := c.copy(ctx, m); err != nil {
		return fmt.Errorf("writing files: %w", err)
	}
	if err := c.reload(ctx, m); err != nil {
		return err
	}
	if err := c.check(ctx, m); err != nil {
		return fmt.Errorf("checking the result: %w", err)
	}
	return nil
}

// has reports whether the layer of a component is among those that are applied.
func (c *Config) has(component string) bool {
	return slices.ContainsFunc(c.Layers, func(l layer.Layer) bool { return l.Name == component })
}

// machines names the architecture that images have, as uname -m and Debian do.
const machines = "x86_64"

// Supported refuses a machine that the layers are not made for, and one on which
// programs do not run as root. It costs next to nothing.
func Supported(ctx context.Context, m Machine, release int) error {
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
	text.Reset()
	if err := m.Run(ctx, nil, &text, "id", "--user"); err != nil {
		return fmt.Errorf("asking the machine who is logged in: %w", err)
	}
	if got := strings.TrimSpace(text.String()); got != "0" {
		return fmt.Errorf(`user %s is not root on the machine: say what makes it so, as elevate = ["sudo", "--non-interactive"]`, got)
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

// readable refuses a machine that would not read an identity: Ignition runs in
// an initrd that was made for it, which Debian's is not by itself.
func (c *Config) readable(ctx context.Context, m Machine) error {
	if c.Cluster.Def.Provisioning != cluster.ProvisioningIgnition || !c.has("identity") {
		return nil
	}
	var found bytes.Buffer
	if err := m.Run(ctx, nil, &found, "find", "/usr/lib", "-maxdepth", "4", "-path", "/usr/lib/dracut/modules.d/*ignition"); err != nil {
		return fmt.Errorf("looking for Ignition: %w", err)
	}
	if found.Len() == 0 {
		return errors.New(`the machine's initrd has no Ignition to read an identity: say "provisioning: cloud-init" in the definition`)
	}
	return nil
}

// reload has a system that runs read its new units. Names are asked of
// systemd-resolved from now on, so it starts at once.
func (c *Config) reload(ctx context.Context, m Machine) error {
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
	if c.has("system") {
		if err := m.Run(ctx, nil, nil, "systemctl", "start", "systemd-resolved.service"); err != nil {
			return fmt.Errorf("starting the machine's resolver: %w", err)
		}
	}
	return nil
}

// check compares the machine with the layers.
func (c *Config) check(ctx context.Context, m Machine) error {
	c.Say("comparing what is there")
	var said bytes.Buffer
	if err := stream(ctx, m, &said, c.write, "tar", "--compare", "--directory", "/", "--file", "-"); err != nil {
		return errors.Join(err, errors.New(strings.TrimSpace(said.String())))
	}
	for what, look := range map[string]func(context.Context, Machine) ([]string, error){
		"not installed": c.missing, "not as it was written": c.other,
	} {
		left, err := look(ctx, m)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%s: %s", what, strings.Join(left, ", "))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
