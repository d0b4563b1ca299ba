package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/debrepo"
	"github.com/ingot-k8s/ingot/internal/gorepo"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/rogpeppe/go-internal/testscript"
)

// TestMirrorScripts runs the scripts that need an archive of packages, which
// they make with the command archive.
func TestMirrorScripts(t *testing.T) {
	for _, program := range append([]string{"apt-get"}, debrepo.Programs...) {
		need.Tool(t, program)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "mirror"),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("INGOT_IDENTITY_FILE", "")
			env.Setenv("APT_CONFIG", filepath.Join(env.WorkDir, "archive", "apt.conf"))
			modules, cache := filepath.Join(env.WorkDir, "modules"), filepath.Join(env.WorkDir, "modcache")
			if err := gorepo.Publish(modules, gorepo.Components()...); err != nil {
				return err
			}
			for _, v := range gorepo.Environ(modules, cache) {
				name, value, _ := strings.Cut(v, "=")
				env.Setenv(name, value)
			}
			env.Setenv("GOCACHE", filepath.Join(env.WorkDir, "gocache"))
			env.Defer(func() { _ = gorepo.Remove(cache) }) // the test's folder is removed in any case
			return copyShipped(filepath.Join(env.WorkDir, "clusters"))
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": status, "archive": archive, "mode": mode},
	})
}

// archive VERSION [PACKAGE...]: publish what the cluster lab asks for, and
// further packages, in this version in the archive that apt is told of.
func archive(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: archive version [package...]")
	}
	c, _, err := cluster.Load(ts.MkAbs("clusters/lab/cluster.yaml"))
	ts.Check(err)
	packages := []debrepo.Package{{Name: "essential", Version: args[0], Essential: true}}
	for _, r := range lock.Requests(c) {
		if r.Path == "" {
			packages = append(packages, debrepo.Package{Name: r.Name, Version: args[0]})
		}
	}
	for _, name := range append(lock.BootPackages(), args[1:]...) {
		packages = append(packages, debrepo.Package{Name: name, Version: args[0]})
	}
	ctx, dir := context.Background(), ts.MkAbs("archive")
	ts.Check(os.MkdirAll(dir, 0o755))
	repo, err := debrepo.New(ctx, dir, run.Exec{})
	ts.Check(err)
	ts.Defer(func() { ts.Check(repo.Close()) })
	_, err = repo.Configure("trixie", "copy:"+dir)
	ts.Check(err)
	date := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	for suite, list := range map[string][]debrepo.Package{"trixie": packages, "trixie-updates": nil, "trixie-security": nil} {
		ts.Check(repo.Publish(ctx, suite, date, list))
	}
}
