// Package base makes the base of an image: a root file system of exactly the
// packages of a lock, as a tar archive. mmdebstrap does the work, in a user
// namespace where the caller is not root; the bytes are the same either way.
package base

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/builder/apt"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// finish is run on the finished tree before it is packed.
//
//go:embed finish.sh
var finish []byte

// Config says what a base is made of.
type Config struct {
	Lock   *lock.Lock
	Cache  *fetch.Cache // has every package of the lock (see fetch.Packages)
	Runner run.Runner
	Root   bool   // whether the caller is root
	TmpDir string // where the tree grows, open to other users; empty means the system's own
	Path   string // of the caller's environment, to find programs
}

// Build writes the base into a new file. Nothing is left of a failed one. An
// error of a program has the last lines that it said.
func Build(ctx context.Context, c Config, file string) error {
	codename, err := apt.Codename(c.Lock.Debian.Release)
	if err != nil {
		return err
	}
	// Open to others: in a user namespace, apt has another user id.
	dir, err := os.MkdirTemp(c.TmpDir, "ingot-base-")
	if err != nil {
		return fmt.Errorf("making base: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // copies only
	if err := Archive(ctx, c, dir); err != nil {
		return err
	}
	script := filepath.Join(dir, "finish.sh")
	if err := atomicfile.WriteNoSync(script, finish, 0o755); err != nil {
		return err
	}
	out, err := atomicfile.Create(file, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }() // does nothing after Commit
	if err := c.Runner.Run(ctx, c.command(codename, dir, script, out)); err != nil {
		return fmt.Errorf("making base: %w", err)
	}
	if err := out.Commit(); err != nil {
		return err
	}
	if err := c.check(file); err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}

// command is the call of mmdebstrap. It sees nothing of the caller's
// environment but where programs are.
func (c *Config) command(codename, dir, script string, out *atomicfile.File) run.Command {
	mode := "unshare"
	if c.Root {
		mode = "root"
	}
	var names []string
	for _, p := range c.Lock.Debian.Packages {
		names = append(names, p.Name)
	}
	sort.Strings(names)
	env := []string{
		"PATH=" + c.Path, "LC_ALL=C.UTF-8", "TZ=UTC",
		"SOURCE_DATE_EPOCH=" + strconv.FormatInt(c.Lock.Date.Unix(), 10),
		"INITRD=No", // the kernel's package would make one, each time another
	}
	if c.TmpDir != "" {
		env = append(env, "TMPDIR="+c.TmpDir)
	}
	return run.Command{
		Argv: []string{
			"mmdebstrap", "--quiet", "--mode=" + mode, "--variant=essential", "--format=tar",
			"--architectures=" + apt.Architecture, "--include=" + strings.Join(names, ","),
			`--aptopt=APT::Install-Recommends "false"`,
			`--dpkgopt=force-unsafe-io`, // a tree that is lost in a power cut is made again
			"--customize-hook=" + script,
			codename, "-", "deb [trusted=yes] copy:" + dir + " " + codename + " main",
		},
		Env:    env,
		Stdout: out,
	}
}
