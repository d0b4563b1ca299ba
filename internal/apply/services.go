package apply

import (
	"bytes"
	"context"
	"strings"

	"github.com/ingot-k8s/ingot/builder/tree"
)

// policy is what packages ask before they start a service (Debian's invoke-rc.d
// and deb-systemd-invoke); 101 means no.
const policy, policyNo = "/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n"

// quiet keeps packages from starting services until release is called. A policy
// that the machine has stays.
func quiet(ctx context.Context, m Machine) (release func() error, err error) {
	var found bytes.Buffer
	if err := m.Run(ctx, nil, &found, "find", "/usr/sbin", "-maxdepth", "1", "-path", policy); err != nil {
		return nil, err
	}
	if found.Len() > 0 {
		return func() error { return nil }, nil
	}
	if err := m.Run(ctx, strings.NewReader(policyNo), nil, "install", "--mode=0755", "/dev/stdin", policy); err != nil {
		return nil, err
	}
	return func() error { return m.Run(context.WithoutCancel(ctx), nil, nil, "rm", "--force", policy) }, nil
}

// foreign are the links by which a plain Debian starts what has no place on a
// node beside what an image goes without: another manager of the network, and
// updates by themselves.
func foreign() []string {
	return []string{
		"/etc/systemd/system/*.wants/networking.service", "/etc/systemd/system/*.wants/ifupdown-*", "/etc/systemd/system/*.wants/unattended-upgrades.service",
	}
}

// still takes back what packages start at boot and what only a node's identity
// is to start, as a bake does. What runs goes on until the machine is off. Where
// nobody may log in to nodes, SSH is for this machine alone.
func (c *Config) still(ctx context.Context, m Machine) error {
	if !c.has("system") {
		return nil
	}
	patterns := append(tree.OwnUnits(), foreign()...)
	if len(c.Cluster.Def.Access.SSHKeys) == 0 {
		patterns = append(patterns, "/etc/systemd/system/*.wants/ssh.s*", "/etc/systemd/system/*.wants/sshd.s*")
	}
	argv := []string{"find", "/etc/systemd/system", "-type", "l", "("}
	for i, p := range patterns {
		if i > 0 {
			argv = append(argv, "-o")
		}
		argv = append(argv, "-path", p)
	}
	return m.Run(ctx, nil, nil, append(argv, ")", "-delete")...)
}
