// Package run starts external programs from argument vectors, never from a
// shell line. Its errors name the program and what it said, and never its
// arguments, which may be long or hold what should not be in a log.
package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long a program may take to tidy up after a cancelled context.
const grace = 5 * time.Second

// Command is one program to run.
type Command struct {
	Argv   []string  // the program, by path or by name in PATH, and its arguments
	Dir    string    // working folder; empty means the caller's
	Env    []string  // the whole environment as NAME=value; nil means the caller's
	Stdin  io.Reader // nil means no input
	Stdout io.Writer // nil means output is dropped
	Stderr io.Writer // gets what the program says as it says it; nil means that only an error has it
}

// Runner runs a command to its end. An error is an *Error.
type Runner interface {
	Run(ctx context.Context, c Command) error
}

// Error is a program that could not be started or did not end with status 0.
type Error struct {
	Argv0    string // the program as given
	ExitCode int    // -1 when it did not start or was ended by a signal
	Stderr   string // the last 4 KiB of its stderr, private keys removed
	Err      error  // the cause: of package exec, or the context's error
}

// Error names the program, the cause and what the program said, on one line.
func (e *Error) Error() string {
	message := fmt.Sprintf("running %q: %v", e.Argv0, e.Err)
	if said := oneLine(e.Stderr); said != "" {
		message += ": " + said
	}
	return message
}

// Unwrap returns the cause, for errors.Is(err, context.Canceled) and
// errors.Is(err, exec.ErrNotFound).
func (e *Error) Unwrap() error { return e.Err }

// Exec runs programs as processes of this machine. Each is the leader of its
// own process group. When the context ends, the group gets SIGTERM, and the
// program SIGKILL if it has not ended 5 seconds later.
type Exec struct{}

var _ Runner = Exec{}

// Run implements Runner.
func (Exec) Run(ctx context.Context, c Command) error {
	if len(c.Argv) == 0 || c.Argv[0] == "" {
		return &Error{ExitCode: -1, Err: errors.New("no program given")}
	}
	if c.Dir != "" {
		// A process that cannot change to its folder blames the program.
		if _, err := os.Stat(c.Dir); err != nil {
			return &Error{Argv0: c.Argv[0], ExitCode: -1, Err: err}
		}
	}
	var stderr tail
	cmd := exec.CommandContext(ctx, c.Argv[0], c.Argv[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout = c.Dir, c.Env, c.Stdin, c.Stdout
	cmd.Stderr = &stderr
	if c.Stderr != nil {
		cmd.Stderr = io.MultiWriter(&stderr, c.Stderr)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// What this process was started with besides, such as Packer's pipes, is not
	// for programs: mmdebstrap's shell takes no descriptor from 10 on. A kernel
	// before 5.11 passes them on.
	_ = unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace

	err := cmd.Run()
	if err == nil {
		return nil
	}
	failure := &Error{Argv0: c.Argv[0], ExitCode: -1, Stderr: redact(stderr.String()), Err: cause(err)}
	if cmd.ProcessState != nil {
		failure.ExitCode = cmd.ProcessState.ExitCode()
	}
	if ctx.Err() != nil {
		failure.Err = ctx.Err()
	}
	return failure
}

// cause drops the layers of errors that repeat the program's name.
func cause(err error) error {
	var execErr *exec.Error
	if errors.As(err, &execErr) {
		return execErr.Err
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) && pathErr.Op == "fork/exec" {
		return pathErr.Err
	}
	return err
}
