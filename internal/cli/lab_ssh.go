package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/control"
	"github.com/spf13/cobra"
)

func (a *app) labSSHCommand() *cobra.Command {
	var key string
	cmd := &cobra.Command{
		Use:   "ssh CLUSTER NODE [-- COMMAND...]",
		Short: "Log in to a machine",
		Long: "Runs ssh with the account of access.user and the port that leads to the machine. The machine's own keys are\n" +
			"kept in the lab's folder, so your known_hosts stays as it is. The exit status is that of ssh.",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.completeCluster(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, client, err := a.labOf(args[0], args[1])
			if err != nil {
				return err
			}
			return a.labSSH(cmd.Context(), c, client, args[1], key, args[2:])
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "file with the private key (default: what ssh tries by itself)")
	return cmd
}

func (a *app) labSSH(ctx context.Context, c *cluster.Cluster, client *control.Client, name, key string, command []string) error {
	if len(c.Def.Access.SSHKeys) == 0 {
		return withHint(fmt.Errorf("%s has no access.sshKeys, so no machine of cluster %q has an SSH server", c.File, c.Def.Name),
			"add access: {sshKeys: [...]}, and make the image and the identities anew")
	}
	status, err := client.Status(ctx)
	if err != nil {
		return labError(c, err)
	}
	m, ok := status.Machine(name)
	if !ok || m.Power != lab.PowerOn {
		return withHint(fmt.Errorf("machine %q is off", name), "ingot lab start %s %s", c.Def.Name, name)
	}
	argv, err := sshArgv(status, m, c.Def.Access.User, key, command)
	if err != nil {
		return err
	}
	ssh := exec.CommandContext(ctx, argv[0], argv[1:]...)
	ssh.Stdin, ssh.Stdout, ssh.Stderr = a.stdin, a.stdout, a.stderr
	err = ssh.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return &exitError{status: exit.ExitCode()}
	}
	if err != nil {
		return fmt.Errorf("running ssh: %w", err)
	}
	return nil
}

// sshArgv are ssh's arguments, the program first.
func sshArgv(s *lab.Status, m *lab.MachineStatus, user, key string, command []string) ([]string, error) {
	host, port, err := net.SplitHostPort(m.SSH)
	if err != nil {
		return nil, fmt.Errorf("finding the way to SSH on %q: %w", m.Name, err)
	}
	known := filepath.Join(s.Dir, lab.MachinesDir, m.Name, lab.KnownHostsFile)
	argv := []string{
		"ssh", "-p", port, "-o", `UserKnownHostsFile="` + known + `"`, "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "StrictHostKeyChecking=accept-new", "-o", "HostKeyAlias=" + m.Name, "-o", "LogLevel=ERROR",
	}
	if key != "" {
		argv = append(argv, "-i", key)
	}
	argv = append(argv, user+"@"+host)
	return append(argv, command...), nil
}
