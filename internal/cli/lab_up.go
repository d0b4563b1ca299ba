package cli

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/control"
	"github.com/ingot-k8s/ingot/lab/machine"
	"github.com/spf13/cobra"
)

// labFlags describe the machines of a lab.
type labFlags struct {
	image                            string
	spares, memory, cpus, gigs, slow int
	apiPort                          int
	freshDisks, noWait, rm, json     bool
	timeout                          time.Duration
}

func (f *labFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.image, "image", "", "qcow2 image to start (default: out/CLUSTER/images/latest.qcow2)")
	flags.IntVar(&f.spares, "spares", 0, "how many spares are started with the nodes")
	flags.IntVar(&f.slow, "slow", 0, "how many seconds a second of the machines takes (default: 1, without KVM 5 if libfaketime is installed)")
	flags.IntVar(&f.memory, "memory", 0, "memory of each machine in MiB (default: 2048)")
	flags.IntVar(&f.cpus, "cpus", 0, "processors of each machine (default: 2 with KVM, else 1)")
	flags.IntVar(&f.gigs, "disk", 0, "disk of each machine in GiB, of which only what is written takes room (default: what the image says)")
	flags.IntVar(&f.apiPort, "api-port", 0, "port of the API on 127.0.0.1 (default: one that is free)")
	flags.BoolVar(&f.freshDisks, "fresh-disks", false, "throw away the machines' disks, and with them all data of the cluster in the lab")
	for name, shown := range map[string]string{"spares": "0", "memory": "", "cpus": "", "slow": "", "disk": "", "api-port": ""} {
		flags.Lookup(name).DefValue = shown
	}
}

// args are the flags for another process.
func (f *labFlags) args() []string {
	args := []string{
		"--spares", strconv.Itoa(f.spares), "--memory", strconv.Itoa(f.memory), "--slow", strconv.Itoa(f.slow), "--cpus", strconv.Itoa(f.cpus),
		"--disk", strconv.Itoa(f.gigs), "--api-port", strconv.Itoa(f.apiPort), "--fresh-disks=" + strconv.FormatBool(f.freshDisks),
	}
	if f.image != "" {
		args = append(args, "--image", f.image)
	}
	return args
}

func (f *labFlags) check(c *cluster.Cluster) error {
	switch {
	case f.spares < 0 || f.spares > c.Def.Spares:
		return fmt.Errorf("--spares %d: %s has %d", f.spares, c.File, c.Def.Spares)
	case f.memory < 0 || f.cpus < 0 || f.gigs < 0 || f.slow < 0 || f.timeout < 0:
		return fmt.Errorf("--memory, --cpus, --disk, --slow and --timeout cannot be negative")
	case f.apiPort < 0 || f.apiPort > 65535:
		return fmt.Errorf("--api-port %d: want 1 to 65535", f.apiPort)
	}
	return nil
}

func (a *app) labUpCommand() *cobra.Command {
	var f labFlags
	cmd := &cobra.Command{
		Use:   "up CLUSTER",
		Short: "Start a cluster's machines and wait until it is healthy",
		Long: "Starts all nodes of a cluster, as they are by their disks or from scratch, and waits until every node is Ready\n" +
			"and the API answers at every controller. Then there is a kubeconfig for the admin in out/CLUSTER/lab, for an\n" +
			"address on 127.0.0.1 that leads to whichever controller answers. On a terminal it shows a table of what each\n" +
			"machine has reached, elsewhere a line for each change.\n" +
			"If the lab is up already, machines that are off are started, and the waiting is the same.\n" +
			"It bakes and issues nothing: where image or identities are missing or of another definition, it says what to run.\n" +
			"Exit status 1: a machine has ended or refuses its identity, or the time is over; the lab stays up to be looked at.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, client, err := a.labOf(args[0])
			if err != nil {
				return err
			}
			if err := f.check(c); err != nil {
				return &usageError{command: cmd.CommandPath(), err: err}
			}
			return a.labUp(cmd.Context(), c, client, args[0], &f)
		},
	}
	f.add(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.noWait, "no-wait", false, "return as soon as the machines run")
	flags.BoolVar(&f.rm, "rm", false, "end the lab when the cluster does not become healthy, or at an interrupt")
	flags.DurationVar(&f.timeout, "timeout", 0, "longest time to wait (default: 10m with KVM, else 30m)")
	flags.Lookup("timeout").DefValue = ""
	flags.BoolVar(&f.json, "json", false, "say how the lab is as JSON at the end")
	return cmd
}

func (a *app) labUp(ctx context.Context, c *cluster.Cluster, client *control.Client, name string, f *labFlags) error {
	running, err := lab.Running(a.labDir(c))
	if err != nil {
		return err
	}
	if running {
		err = a.labAgain(ctx, c, client, f)
	} else if err = a.labInputs(c, f); err == nil {
		err = a.labSpawn(ctx, c, client, name, f)
	}
	switch {
	case ctx.Err() != nil:
		return a.labFailed(ctx, c, client, f, ctx.Err())
	case err != nil:
		return labStartHint(c, err)
	}
	status, err := client.Status(ctx)
	if err != nil {
		return labError(c, err)
	}
	a.labNotes(status)
	if !f.noWait {
		if status, err = a.labFollow(ctx, c, client, f.limit(status.Accel)); err != nil {
			return a.labFailed(ctx, c, client, f, err)
		}
	}
	if f.json {
		return a.printJSON(newLabState(status))
	}
	a.labHints(c, status)
	return nil
}

// Longest times until a cluster is healthy: some ten times of what was
// measured with three machines on an idle host.
const (
	labTimeKVM = 10 * time.Minute
	labTimeTCG = 30 * time.Minute
)

func (f *labFlags) limit(accel machine.Accel) time.Duration {
	switch {
	case f.timeout > 0:
		return f.timeout
	case accel == machine.KVM:
		return labTimeKVM
	}
	return labTimeTCG
}

// labAgain has all nodes of a lab on that is up already.
func (a *app) labAgain(ctx context.Context, c *cluster.Cluster, client *control.Client, f *labFlags) error {
	if f.freshDisks || f.image != "" {
		return withHint(fmt.Errorf("the lab of cluster %q is up already, with the disks and the image that it has", c.Def.Name),
			"ingot lab down %s first", c.Def.Name)
	}
	status, err := client.Status(ctx)
	if err != nil {
		return err
	}
	a.say("the lab of cluster %q is up already", c.Def.Name)
	spares := 0
	for _, m := range status.Machines {
		if m.Spare {
			spares++
		}
		if m.Power == lab.PowerOn || len(m.Roles) == 0 || m.Spare && spares > f.spares {
			continue
		}
		a.say("starting %s", m.Name)
		if err := client.Start(ctx, m.Name, lab.Options{}); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) labNotes(s *lab.Status) {
	for _, note := range s.Notes {
		a.say("note: %s", note)
	}
	if s.Accel == machine.TCG {
		a.say("note: there is no KVM here that works, so the machines are emulated and some twenty times slower")
		if s.Slow == 1 {
			a.say("note: with libfaketime (Debian: apt install libfaketime) their clocks would go slowly, too, and keep them from missing deadlines")
		}
	}
}

// labHints says how the cluster is used.
func (a *app) labHints(c *cluster.Cluster, s *lab.Status) {
	if s.Public {
		a.print("export KUBECONFIG=%s", s.Kubeconfig)
		a.say("next: kubectl get nodes")
	}
	a.say("ingot lab status %[1]s | console | logs | ssh | kill | start | cut | heal; ingot lab down %[1]s ends it", c.Def.Name)
}
