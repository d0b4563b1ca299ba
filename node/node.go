// Package node is the command line of ingot-node, the one program of Ingot
// inside an image. It is static and small: it imports the standard library and
// the few packages of ours that import no more than that.
//
// Results go to stdout, what is found out to stderr and to the consoles of the
// machine. Exit status: 0 accepted, 1 refused or not done, 2 a bad command line.
package node

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/internal/run"
)

// Exit statuses.
const (
	statusOK      = 0
	statusRefused = 1
	statusUsage   = 2
)

// Machine is the machine that the program runs on: its edges, so that tests can
// have others. The zero value of a field is not usable.
type Machine struct {
	Now         func() time.Time
	Runner      run.Runner              // for systemctl
	SetHostname func(name []byte) error // of the running kernel
	Uptime      func() time.Duration    // since the start of the kernel
}

// command is one command of the program.
type command struct {
	name  string
	usage string // its lines in the list of commands
	args  int    // how many words may follow the flags
	// setup adds the command's flags, and returns what carries it out.
	setup func(m Machine, flags *flag.FlagSet, o *options) func(ctx context.Context, c call) int
}

// call is one call of a command.
type call struct {
	options
	args           []string // the words after the flags
	stdout, stderr io.Writer
}

// commands are all commands, in the order of the list.
func commands() []command {
	return []command{
		{name: "unpack", args: 1, setup: Machine.unpackCommand, usage: `  unpack [FILE]
             put the identity that this machine was given in place, or that of FILE
             --root DIR   in a folder
`},
		{name: "identity", setup: Machine.identityCommand, usage: `  identity   decide whether this machine has an identity that its image accepts;
             if so, set the host name and start the targets of its roles
             --no-start   start nothing
             --root DIR   decide about a folder; sets and starts nothing outside of it
`},
		{name: "etcd", args: 2, setup: Machine.etcdCommand, usage: `  etcd       decide how etcd of this controller starts, and look after it; for the
             unit ingot-etcd.service
  etcd status [--json]
             its members, this node's role, and what was decided and why
  etcd leave have this node's member leave the cluster for good; its data is kept aside
  etcd join  have a node that left join again
`},
		{name: "status", setup: Machine.statusCommand, usage: `  status     say again what was decided, and what of it runs
             --json       for scripts
             --root DIR   of a folder; asks nothing of systemd
`},
		{name: "health", setup: Machine.healthCommand, usage: `  health     find out how this node is, part by part; 0 where all are well
             --json       for scripts
             --watch      stay, and say in a line what changes
`},
		{name: "wait", setup: Machine.waitCommand, usage: `  wait       return when the API answers at this node's own endpoint
`},
		{name: "labels", setup: Machine.labelsCommand, usage: `  labels     on a controller: keep the labels of all nodes as the image has them
             --once       do so once
`},
		{name: "addons", setup: Machine.addonsCommand, usage: `  addons     on a controller: apply the image's manifests, again until all are applied
             --once       try once
`},
		{name: "edge", setup: Machine.edgeCommand, usage: `  edge       on an edge: have the definition's hook take and release the floating
             address, as the edges agree by a Lease
`},
		{name: "boot", args: 1, setup: Machine.bootCommand, usage: `  boot       in the initrd of a boot ISO: decide whether the machine runs from it, is
             installed, or gives a person a shell, and do so
  boot done  in that initrd: end an installation, and start the machine again
`},
		{name: "vip", setup: Machine.vipCommand, usage: `  vip        on a controller: announce the cluster's virtual address in the mesh
             while the kube-apiserver of this node is ready
`},
	}
}

// usage is the list of all commands.
func usage() string {
	var b strings.Builder
	b.WriteString("usage: ingot-node COMMAND [flags]\n\n")
	for _, c := range commands() {
		b.WriteString(c.usage)
	}
	b.WriteString("  version    print the version\n\nexit status: 0 accepted or done, 1 refused or not done, 2 bad command line\n")
	return b.String()
}

// Run carries out one command line and returns the exit status.
func (m Machine) Run(ctx context.Context, stdout, stderr io.Writer, args []string) int {
	if len(args) == 0 {
		_, _ = io.WriteString(stderr, usage()) // there is nobody else to tell
		return statusUsage
	}
	switch args[0] {
	case "version", "--version":
		return version(stdout, stderr)
	case "help", "--help", "-h":
		return result(stdout, stderr, usage())
	}
	all := commands()
	i := slices.IndexFunc(all, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		var names []string
		for _, c := range all {
			names = append(names, c.name)
		}
		return badUsage(stderr, fmt.Errorf("unknown command %q (%s, version)", args[0], strings.Join(names, ", ")))
	}
	c := call{stdout: stdout, stderr: stderr}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&c.root, "root", "/", "")
	carryOut := all[i].setup(m, flags, &c.options)
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return result(stdout, stderr, usage())
	} else if err != nil {
		return badUsage(stderr, err)
	}
	if c.args = flags.Args(); len(c.args) > all[i].args {
		return badUsage(stderr, fmt.Errorf("%q is too much", c.args[all[i].args]))
	}
	if err := c.clean(); err != nil {
		return badUsage(stderr, err)
	}
	return carryOut(ctx, c)
}

// options are the flags that commands share.
type options struct {
	root    string
	noStart bool
	json    bool
	watch   bool
	once    bool
}

// clean checks the root.
func (o *options) clean() error {
	if o.root == "" {
		return errors.New("--root: no folder given")
	}
	o.root = filepath.Clean(o.root)
	if info, err := os.Stat(o.root); err != nil || !info.IsDir() {
		return fmt.Errorf("--root: %q is not a folder", o.root)
	}
	return nil
}

// real reports whether the command is about this machine itself.
func (o options) real() bool { return o.root == "/" }

func badUsage(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintf(stderr, "ingot-node: %v\n%s", err, usage()) // there is nobody else to tell
	return statusUsage
}

func version(stdout, stderr io.Writer) int {
	v := "devel"
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		v = info.Main.Version
	}
	return result(stdout, stderr, fmt.Sprintf("ingot-node %s (%s, %s/%s)\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH))
}

// result writes a result.
func result(stdout, stderr io.Writer, text string) int {
	if _, err := io.WriteString(stdout, text); err != nil {
		_, _ = fmt.Fprintf(stderr, "ingot-node: writing results: %v\n", err) // there is nobody else to tell
		return statusRefused
	}
	return statusOK
}
