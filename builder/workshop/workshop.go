// Package workshop is a base that is unpacked for others to change, such as
// Packer's provisioners, and tells what they have changed. Programs run in it
// as on a machine of its own: in namespaces of mounts and processes, and where
// the caller is not root, of users. They see the network of this machine.
//
// Root gets no namespace of users: it may have no subordinate ids, whose numbers
// could not go through root's own folders, and in many containers such a namespace
// has no /proc. Its programs go without the rights that no such namespace gives,
// so that a step does the same for both. Steps of strangers are no job for root.
package workshop

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// script enters a tree.
//
//go:embed enter.sh
var script []byte

// Base is the archive of a base, as package base makes it: a file of its own
// that is not compressed.
type Base interface {
	io.ReadSeeker
	io.ReaderAt
}

// Config says where a workshop is.
type Config struct {
	Runner run.Runner
	Root   bool      // whether the caller is root
	Path   string    // of the caller's environment, to find programs
	TmpDir string    // where the tree grows; empty means the system's own
	Date   time.Time // of the lock; all that is changed has it
}

// Workshop is an unpacked base. It is used by one goroutine at a time.
type Workshop struct {
	Config
	dir    string
	base   Base
	before map[string]stat
}

// Open unpacks a base, which stays in use until Close.
func Open(ctx context.Context, c Config, base Base) (*Workshop, error) {
	dir, err := os.MkdirTemp(c.TmpDir, "ingot-workshop-")
	if err != nil {
		return nil, fmt.Errorf("opening workshop: %w", err)
	}
	w := &Workshop{Config: c, dir: dir, base: base}
	if err := w.unpack(ctx); err != nil {
		return nil, fmt.Errorf("opening workshop: %w", errors.Join(err, w.Close()))
	}
	return w, nil
}

func (w *Workshop) unpack(ctx context.Context) error {
	if err := os.Chmod(w.dir, 0o755); err != nil { // users of the tree go through it
		return err
	}
	if err := os.Mkdir(w.Tree(), 0o755); err != nil {
		return err
	}
	if err := atomicfile.WriteNoSync(w.script(), script, 0o755); err != nil {
		return err
	}
	if _, err := w.base.Seek(0, io.SeekStart); err != nil {
		return err
	}
	err := w.Runner.Run(ctx, w.command(w.base, io.Discard, "tar", "--extract", "--numeric-owner", "--same-owner", "--preserve-permissions",
		"--exclude=./dev/*", "--xattrs", "--xattrs-include=*", "--directory", w.Tree(), "--file", "-"))
	if err != nil {
		return err
	}
	w.before, err = w.list(ctx)
	return err
}

// Tree is the folder of the tree. Where the caller is not root, most of it
// belongs to others.
func (w *Workshop) Tree() string { return filepath.Join(w.dir, "tree") }

func (w *Workshop) script() string { return filepath.Join(w.dir, "enter.sh") }

// Streams are what a program reads and writes; all may be nil.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Run runs a program in the tree. Whatever it has started ends with it. An
// error is a *run.Error.
func (w *Workshop) Run(ctx context.Context, s Streams, argv ...string) error {
	date := strconv.FormatInt(w.Date.Unix(), 10)
	c := w.command(s.In, s.Out, append([]string{w.script(), w.Tree(), date}, argv...)...)
	c.Stderr = s.Err
	return w.Runner.Run(ctx, c)
}

// command runs a program outside of the tree, as its root.
func (w *Workshop) command(in io.Reader, out io.Writer, argv ...string) run.Command {
	enter := []string{"unshare", "--mount", "--pid", "--fork", "--kill-child"}
	if !w.Root {
		enter = append(enter, "--user", "--map-auto", "--map-root-user")
	}
	return run.Command{
		Argv: append(append(enter, "--"), argv...), Dir: "/", Stdin: in, Stdout: out,
		Env: []string{"PATH=" + w.Path + ":/usr/sbin:/sbin", "LC_ALL=C.UTF-8", "TZ=UTC"},
	}
}

// Close removes the tree.
func (w *Workshop) Close() error {
	// Of a normal user, only the root of the namespace may remove all of it.
	err := w.Runner.Run(context.Background(), w.command(nil, nil, "rm", "-rf", "--one-file-system", w.Tree()))
	if err = errors.Join(err, os.RemoveAll(w.dir)); err != nil {
		return fmt.Errorf("removing workshop: %w", err)
	}
	return nil
}
