package apply

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
)

// Packages are those of a lock.
type Packages struct {
	Versions map[string]string // by name

	// Archive makes a Debian archive of them in an empty folder, as
	// builder.Archive does: dists and pool.
	Archive func(ctx context.Context, dir string) error
}

// names lists the packages that the layers need of Debian.
func (c *Config) names() []string {
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

// missing lists the packages, as apt-get takes them, that are not installed, or
// in another version than that of the lock.
func (c *Config) missing(ctx context.Context, m Machine) ([]string, error) {
	names := c.names()
	if len(names) == 0 {
		return nil, nil
	}
	var text bytes.Buffer
	if err := m.Run(ctx, nil, &text, "dpkg-query", "--show", "--showformat=${Package} ${Version} ${db:Status-Status}\n"); err != nil {
		return nil, err
	}
	there := map[string]string{}
	for line := range strings.Lines(text.String()) {
		if f := strings.Fields(line); len(f) == 3 && f[2] == "installed" {
			there[f[0]] = f[1]
		}
	}
	var out []string
	for _, name := range names {
		version := ""
		if c.Packages != nil {
			if version = c.Packages.Versions[name]; version == "" {
				return nil, fmt.Errorf("the lock has no package %q", name)
			}
		}
		switch got := there[name]; {
		case got == "" && version == "":
			out = append(out, name)
		case version != "" && got != version:
			out = append(out, name+"="+version)
		}
	}
	return out, nil
}

// install installs what is missing. No service of it is started: the machine is
// no node yet.
func (c *Config) install(ctx context.Context, m Machine) (err error) {
	missing, err := c.missing(ctx, m)
	if err != nil || len(missing) == 0 {
		return err
	}
	release, err := quiet(ctx, m)
	if err != nil {
		return fmt.Errorf("keeping services from starting: %w", err)
	}
	defer func() {
		if failed := release(); err == nil {
			err = failed
		}
	}()
	c.Say("installing " + strings.Join(missing, " "))
	if c.Packages != nil {
		return c.fromLock(ctx, m, missing)
	}
	if err := m.Run(ctx, nil, nil, aptGet(nil, "update")...); err != nil {
		return err
	}
	return m.Run(ctx, nil, nil, aptGet(nil, "install", missing...)...)
}

// aptGet is a call of apt-get that asks nothing: files of /etc that were
// changed stay as they are.
func aptGet(settings []string, what string, names ...string) []string {
	argv := []string{
		"env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--quiet=2", "--yes", "--no-install-recommends",
		"--option=DPkg::Lock::Timeout=300", "--option=Dpkg::Options::=--force-confdef", "--option=Dpkg::Options::=--force-confold",
	}
	for _, s := range settings {
		argv = append(argv, "--option="+s)
	}
	return append(append(argv, what), names...)
}
