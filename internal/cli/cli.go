// Package cli is the command line of ingot. Each command has a file of its
// own, is a thin adapter over the packages that do the work, and can be run in
// a test by [Run].
//
// Results go to stdout, progress and problems to stderr. Exit status: 0 done,
// 1 it did not work, 2 a bad definition or a bad command line, 3 the answer of
// a check is no (pki status --fail-within), 130 interrupted.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	statusOK          = 0
	statusFailed      = 1
	statusBadInput    = 2
	statusCheck       = 3
	statusInterrupted = 130 // 128 + SIGINT, as shells have it
)

// app is what every command shares.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	clusters string // folder of the definitions
	out      string // folder of the outputs
	identity string // age identity that opens the key store
	verbose  bool
}

// Run carries out one command line and returns the exit status.
func Run(ctx context.Context, stdin io.Reader, stdout, stderr io.Writer, args []string) int {
	results := &stickyWriter{w: stdout}
	a := &app{stdin: stdin, stdout: results, stderr: stderr}
	root := a.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if ctx.Err() != nil && err != nil {
		a.say("error: interrupted; what was finished before is kept")
		return statusInterrupted
	}
	if err == nil && results.err != nil {
		err = fmt.Errorf("writing results: %w", results.err)
	}
	return a.report(err)
}

// stickyWriter remembers the first error of a writer, so that no result is
// lost unnoticed and no command has to look at every line it prints.
type stickyWriter struct {
	w   io.Writer
	err error
}

func (s *stickyWriter) Write(p []byte) (int, error) {
	n, err := s.w.Write(p)
	if s.err == nil {
		s.err = err
	}
	return n, err
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ingot",
		Short: "One immutable image per Kubernetes cluster, one small identity per node",
		Long: "Ingot makes what a Kubernetes cluster on plain machines needs from one definition:\n" +
			"the keys and certificates, and for each node an identity on an ISO that the machine finds by itself.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{command: cmd.CommandPath(), err: err}
	})
	flags := root.PersistentFlags()
	flags.StringVar(&a.clusters, "clusters", "clusters", "folder of the cluster definitions")
	flags.StringVar(&a.out, "out", "out", "folder for what is made")
	flags.StringVar(&a.identity, "identity", os.Getenv("INGOT_IDENTITY_FILE"), "file with the age identity or SSH key that opens the key store (default: $INGOT_IDENTITY_FILE, else the one in the user's config folder)")
	flags.Lookup("identity").DefValue = ""
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "say more on stderr")
	root.AddCommand(
		a.initCommand(), a.validateCommand(), a.showCommand(), a.inventoryCommand(), a.schemaCommand(),
		a.pkiCommand(), a.kubeconfigCommand(), a.isoCommand(), a.lockCommand(), a.inspectCommand(),
		a.imagesCommand(), a.bootISOCommand(), a.serveCommand(), a.verifyCommand(), a.cacheCommand(), a.labCommand(), a.publishCommand(),
		a.exportCommand(), a.versionCommand(), a.manCommand(),
	)
	wrapArgs(root)
	return root
}

// wrapArgs makes wrong arguments of a command and those below it usage errors.
func wrapArgs(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &usageError{command: cmd.CommandPath(), err: err}
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		wrapArgs(sub)
	}
}

// say writes one line of progress or trouble to stderr.
func (a *app) say(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, format+"\n", args...) // where else could its error be told?
}

// print writes one line of results to stdout. [Run] finds its error.
func (a *app) print(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stdout, format+"\n", args...)
}

// usageError is a command line that makes no sense.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// hintError is an error with advice for the person at the terminal.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// withHint adds advice to an error.
func withHint(err error, format string, args ...any) error {
	return &hintError{err: err, hint: fmt.Sprintf(format, args...)}
}

// checkError is a question answered with no: it is printed like an error.
type checkError struct{ message string }

func (e *checkError) Error() string { return e.message }

// exitError is the exit status of a program that was run for the person at the
// terminal, and has said what there was to say.
type exitError struct{ status int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.status) }

// report writes an error the way people and scripts expect it, and gives the
// exit status that belongs to it.
func (a *app) report(err error) int {
	if err == nil {
		return statusOK
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.status
	}
	status := statusFailed
	var bad *diag.ReportError
	var usage *usageError
	var check *checkError
	switch {
	case errors.As(err, &bad):
		// The problems themselves are already there, with their places.
		a.say("error: %s", countProblems(bad.Report))
		status = statusBadInput
	case errors.As(err, &check):
		a.say("error: %s", err)
		status = statusCheck
	default:
		a.say("error: %s", err)
	}
	if errors.As(err, &usage) {
		status = statusBadInput
		a.say("hint: %s --help shows how it is used", usage.command)
	}
	var hint *hintError
	switch {
	case errors.As(err, &hint):
		a.say("hint: %s", hint.hint)
	case errors.Is(err, pki.ErrWrongIdentity):
		a.say("hint: --identity FILE or $INGOT_IDENTITY_FILE names the age identity or SSH key of one of the recipients")
	}
	return status
}

func countProblems(r *diag.Report) string {
	errs, warnings, what := 0, 0, "cluster definition"
	for _, p := range r.Problems {
		if filepath.Base(p.Pos.File) == lock.File {
			what = "lock"
		}
		if p.Severity == diag.Error {
			errs++
		} else {
			warnings++
		}
	}
	text := plural(errs, "error")
	if warnings > 0 {
		text += " and " + plural(warnings, "warning")
	}
	return text + " in the " + what
}

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
