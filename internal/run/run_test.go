package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/run"
	"golang.org/x/sys/unix"
)

// modeVar makes this test binary behave as a program for the tests to run.
const modeVar = "RUN_TEST_MODE"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeVar); mode != "" {
		os.Exit(program(mode, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func program(mode string, args []string) int {
	switch mode {
	case "echo": // everything it was given
		in, _ := io.ReadAll(os.Stdin)
		dir, _ := os.Getwd()
		fmt.Printf("args %q\nstdin %q\ndir %q\nextra %q\nhome %q\n", args, in, dir, os.Getenv("EXTRA"), os.Getenv("HOME"))
		return 0
	case "fail": // says args[1] and ends with status args[0]
		fmt.Fprint(os.Stderr, args[1])
		code, _ := strconv.Atoi(args[0])
		return code
	case "kill": // ends by a signal
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		time.Sleep(time.Minute)
	case "wait": // tidies up on SIGTERM: args[0] is a file to write then
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		fmt.Println("ready")
		select {
		case <-stop:
			_ = os.WriteFile(args[0], []byte("tidied"), 0o600)
			return 0
		case <-time.After(time.Minute):
		}
	}
	return 99
}

// command is this test binary as a program.
func command(t *testing.T, mode string, args ...string) run.Command {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return run.Command{Argv: append([]string{self}, args...), Env: append(os.Environ(), modeVar+"="+mode)}
}

func TestRun(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	c := command(t, "echo", "a b", "$HOME", "*", "; exit 1")
	c.Dir, c.Stdin, c.Stdout = dir, strings.NewReader("input"), &out
	c.Env = []string{modeVar + "=echo", "EXTRA=yes"}
	if err := (run.Exec{}).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("args %q\nstdin \"input\"\ndir %q\nextra \"yes\"\nhome \"\"\n",
		[]string{"a b", "$HOME", "*", "; exit 1"}, dir)
	if out.String() != want {
		t.Errorf("got  %s\nwant %s", out.String(), want)
	}
}

func TestRunInheritsEnvironment(t *testing.T) {
	t.Setenv(modeVar, "echo")
	t.Setenv("EXTRA", "inherited")
	c := command(t, "echo")
	var out bytes.Buffer
	c.Env, c.Stdout = nil, &out
	if err := (run.Exec{}).Run(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), `extra "inherited"`) || !strings.Contains(out.String(), `stdin ""`) {
		t.Errorf("got %s", out.String())
	}
}

// What the caller was started with besides is not passed on.
func TestRunInheritsNoDescriptors(t *testing.T) {
	leaked, err := unix.Dup(2) // without FD_CLOEXEC
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(leaked) }() // nothing was written
	var out bytes.Buffer
	if err := (run.Exec{}).Run(t.Context(), run.Command{Argv: []string{"ls", "/proc/self/fd"}, Stdout: &out}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Fields(out.String()); !slices.Equal(got, []string{"0", "1", "2", "3"}) { // the last is the folder
		t.Errorf("a program has the descriptors %q", got)
	}
}

func TestRunFails(t *testing.T) {
	err := run.Exec{}.Run(t.Context(), command(t, "fail", "7", "reading x:\n\n  no\tsuch \x1b[31mthing\n", "argument-not-to-show"))
	var runErr *run.Error
	if !errors.As(err, &runErr) {
		t.Fatalf("got %T (%v), want *run.Error", err, err)
	}
	if runErr.ExitCode != 7 {
		t.Errorf("exit code %d, want 7", runErr.ExitCode)
	}
	if !strings.Contains(runErr.Stderr, "such") {
		t.Errorf("stderr %q", runErr.Stderr)
	}
	want := fmt.Sprintf("running %q: exit status 7: reading x:; no such  [31mthing", runErr.Argv0)
	if err.Error() != want {
		t.Errorf("got  %q\nwant %q", err, want)
	}
}

func TestRunNotThere(t *testing.T) {
	for _, name := range []string{"no-such-program-here", "/no/such/program"} {
		err := run.Exec{}.Run(t.Context(), run.Command{Argv: []string{name, "argument-not-to-show"}})
		var runErr *run.Error
		if !errors.As(err, &runErr) || runErr.ExitCode != -1 || runErr.Argv0 != name {
			t.Errorf("%q: got %#v, want *run.Error with exit code -1", name, err)
		}
		if n := strings.Count(err.Error(), name); n != 1 || strings.Contains(err.Error(), "not-to-show") {
			t.Errorf("%q: error %q should name the program once, and no argument", name, err)
		}
	}
	err := run.Exec{}.Run(t.Context(), run.Command{Argv: []string{"no-such-program-here"}})
	if !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("%v is not exec.ErrNotFound", err)
	}
}

func TestRunMissingFolder(t *testing.T) {
	c := command(t, "echo")
	c.Dir = filepath.Join(t.TempDir(), "missing-folder")
	err := run.Exec{}.Run(t.Context(), c)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), c.Dir) {
		t.Errorf("got %v, want an error that names the folder", err)
	}
}

func TestRunNothing(t *testing.T) {
	for _, argv := range [][]string{nil, {""}} {
		var runErr *run.Error
		if err := (run.Exec{}).Run(t.Context(), run.Command{Argv: argv}); !errors.As(err, &runErr) {
			t.Errorf("%q: got %v, want *run.Error", argv, err)
		}
	}
}

func TestRunEndedBySignal(t *testing.T) {
	err := run.Exec{}.Run(t.Context(), command(t, "kill"))
	var runErr *run.Error
	if !errors.As(err, &runErr) || runErr.ExitCode != -1 || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("got %v, want the signal and exit code -1", err)
	}
}

// TestRunCancelled ends the context once the program runs: it gets the chance
// to tidy up, and the error is the context's.
func TestRunCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tidied := filepath.Join(t.TempDir(), "tidied")
	c := command(t, "wait", tidied)
	c.Stdout = writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil })
	began := time.Now()
	err := run.Exec{}.Run(ctx, c)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
	if got, err := os.ReadFile(tidied); err != nil || string(got) != "tidied" {
		t.Errorf("the program did not get to tidy up: %q, %v", got, err)
	}
}

func TestRunCancelledBefore(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := (run.Exec{}).Run(ctx, command(t, "echo")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
