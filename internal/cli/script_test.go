package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/internal/cli"
	"github.com/ingot-k8s/ingot/internal/nodeprogram"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ingot": func() {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			status := cli.Run(ctx, os.Stdin, os.Stdout, os.Stderr, os.Args[1:])
			stop()
			os.Exit(status)
		},
	})
}

// TestScripts runs the scripts in testdata/script, each with a home of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, params(filepath.Join("testdata", "script")))
}

// params runs the scripts of a folder.
func params(dir string) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("BIN", filepath.SplitList(env.Getenv("PATH"))[0]) // where ingot is, and nothing else
			env.Setenv("INGOT_IDENTITY_FILE", "")
			return copyShipped(filepath.Join(env.WorkDir, "clusters"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"status": status, "mode": mode, "same": same, "nosecret": noSecret, "keep": keep, "hold": hold,
		},
		Condition: func(name string) (bool, error) {
			if name != "bakes" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			_, err := nodeprogram.Program() // make build puts it there
			_, missing := exec.LookPath("mmdebstrap")
			return err == nil && missing == nil, nil
		},
	}
}

// copyShipped gives a script the definitions that ship with the project.
func copyShipped(dir string) error {
	for _, name := range []string{"prod", "lab"} {
		data, err := os.ReadFile(filepath.Join("..", "..", "clusters", name, "cluster.yaml"))
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name, "cluster.yaml"), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// status N PROGRAM ARG...: the program must end with exit status N. What it
// writes can be looked at with stdout and stderr, as after exec.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N program arg...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// openStore opens the cache of a script, for its steps.
func openStore(ts *testscript.TestScript) *step.Store {
	cache, err := fetch.OpenCache(filepath.Join(ts.Getenv("XDG_CACHE_HOME"), "ingot"))
	ts.Check(err)
	store, err := step.Open(cache)
	ts.Check(err)
	return store
}

// keep NAME TEXT: the cache gets a step with a file of this text.
func keep(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: keep name text")
	}
	store := openStore(ts)
	_, err := store.Do(context.Background(), step.Step{Name: args[0]}, func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "file"), []byte(args[1]), 0o644)
	})
	ts.Check(err)
	ts.Check(store.Close())
}

// hold: a bake uses the cache until the script ends.
func hold(ts *testscript.TestScript, _ bool, _ []string) {
	store := openStore(ts)
	ts.Defer(func() { ts.Check(store.Close()) })
}

// mode 0600 FILE...: each file must have exactly this mode.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: mode 0600 file...")
	}
	for _, name := range args[1:] {
		info, err := os.Stat(ts.MkAbs(name))
		ts.Check(err)
		if got := fmt.Sprintf("%04o", info.Mode().Perm()); got != args[0] {
			ts.Fatalf("%s has mode %s, want %s", name, got, args[0])
		}
	}
}

// same A B: two folders must have the same files with the same content.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same A B")
	}
	a, b := tree(ts, args[0]), tree(ts, args[1])
	if equal := a == b; equal == neg {
		ts.Fatalf("%s and %s: same is %v", args[0], args[1], equal)
	}
}

func tree(ts *testscript.TestScript, dir string) string {
	var b strings.Builder
	root := ts.MkAbs(dir)
	ts.Check(filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		fmt.Fprintf(&b, "%s %x\n", strings.TrimPrefix(path, root), data)
		return err
	}))
	return b.String()
}

// nosecret FILE...: no file, and nothing below a folder, may hold a private key in the clear.
func noSecret(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		ts.Check(filepath.WalkDir(ts.MkAbs(name), func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			if found := bytes.Contains(data, []byte("PRIVATE KEY-----")) || bytes.Contains(data, []byte("AGE-SECRET-KEY-")); found != neg {
				ts.Fatalf("%s: private key in the clear: %v", path, found)
			}
			return err
		}))
	}
}
