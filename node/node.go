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
}

const usage = `usage: ingot-node COMMAND [flags]

  identity   decide whether this machine has an identity that its image accepts;
             if so, set the host name and start the targets of its roles
             --no-start   start nothing
             --root DIR   decide about a folder; sets and starts nothing outside of it
  status     say again what was decided, and what of it runs
             --json       for scripts
             --root DIR   of a folder; asks nothing of systemd
  version    print the version

exit status: 0 accepted, 1 refused or not done, 2 bad command line
`

// Run carries out one command line and returns the exit status.
func (m Machine) Run(ctx context.Context, stdout, stderr io.Writer, args []string) int {
	if len(args) == 0 {
		_, _ = io.WriteString(stderr, usage) // there is nobody else to tell
		return statusUsage
	}
	var o options
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&o.root, "root", "/", "")
	var command func() int
	switch args[0] {
	case "identity":
		flags.BoolVar(&o.noStart, "no-start", false, "")
		command = func() int { return m.identity(ctx, o, stderr) }
	case "status":
		flags.BoolVar(&o.json, "json", false, "")
		command = func() int { return m.status(ctx, o, stdout, stderr) }
	case "version", "--version":
		command = func() int { return version(stdout, stderr) }
	case "help", "--help", "-h":
		command = func() int { return result(stdout, stderr, usage) }
	default:
		return badUsage(stderr, fmt.Errorf("unknown command %q (identity, status, version)", args[0]))
	}
	if err := flags.Parse(args[1:]); errors.Is(err, flag.ErrHelp) {
		return result(stdout, stderr, usage)
	} else if err != nil {
		return badUsage(stderr, err)
	}
	if flags.NArg() > 0 {
		return badUsage(stderr, fmt.Errorf("%q is too much", flags.Arg(0)))
	}
	if o.root == "" {
		return badUsage(stderr, errors.New("--root: no folder given"))
	}
	o.root = filepath.Clean(o.root)
	if info, err := os.Stat(o.root); err != nil || !info.IsDir() {
		return badUsage(stderr, fmt.Errorf("--root: %q is not a folder", o.root))
	}
	return command()
}

// options are the flags of all commands.
type options struct {
	root    string
	noStart bool
	json    bool
}

// real reports whether the command is about this machine itself.
func (o options) real() bool { return o.root == "/" }

func badUsage(stderr io.Writer, err error) int {
	_, _ = fmt.Fprintf(stderr, "ingot-node: %v\n%s", err, usage) // there is nobody else to tell
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
