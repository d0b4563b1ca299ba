package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/ingot-k8s/ingot/internal/run"
)

// SquashOptions say how a file system is written. Date, Level and Block decide
// about its bytes, as do the versions of squashfs-tools and libzstd.
type SquashOptions struct {
	Date  time.Time // of the file system itself
	Level int       // of zstd, 1 to 22
	Block int       // bytes that are compressed as one, a power of two from 4 KiB to 1 MiB
	Path  string    // of the caller's environment, to find the program

	Processors int // to use; 0 means all

	// Unprivileged says that the caller is not root, and has mksquashfs run in a
	// user namespace as the root of that: version 4.5 gives the root folder to
	// whoever runs it, whatever its options say.
	Unprivileged bool
}

// RootSquash and ClusterSquash are how the two trees are packed. The table in
// docs/explanation/trees.md says why.
func RootSquash(date time.Time, path string) SquashOptions {
	return SquashOptions{Date: date, Level: 6, Block: 256 << 10, Path: path}
}

// ClusterSquash is for a tree that is written at each change of a definition.
func ClusterSquash(date time.Time, path string) SquashOptions {
	return SquashOptions{Date: date, Level: 9, Block: 128 << 10, Path: path}
}

// Squash writes a tree, which write gives as a tar stream, as a squashfs file
// system into a file that must not exist. Nothing is left of a failed one. An
// error of write comes first, else it is what mksquashfs said.
func Squash(ctx context.Context, runner run.Runner, file string, o SquashOptions, write func(w io.Writer) error) error {
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("packing a tree: writing %q: %w", file, os.ErrExist)
	}
	err := o.stream(ctx, runner, file, write)
	if err == nil {
		err = os.Chmod(file, 0o644) // whatever the umask
	}
	if err != nil {
		if left := os.Remove(file); left != nil && !errors.Is(left, os.ErrNotExist) {
			err = errors.Join(err, left)
		}
		return fmt.Errorf("packing a tree: %w", err)
	}
	return nil
}

// stream runs write and mksquashfs at the two ends of a pipe of the system, which
// the program reads by itself.
func (o SquashOptions) stream(ctx context.Context, runner run.Runner, file string, write func(w io.Writer) error) error {
	in, out, err := os.Pipe()
	if err != nil {
		return err
	}
	written := make(chan error, 1)
	go func() {
		err := write(out)
		written <- errors.Join(err, out.Close())
	}()
	ran := runner.Run(ctx, o.command(in, file))
	_ = in.Close() // nothing was written; what write still has is refused
	if err := <-written; err != nil && !errors.Is(err, syscall.EPIPE) {
		return err
	} else if ran == nil {
		return err // the program ended well without all of the stream
	}
	return ran
}

// command is the call of mksquashfs, which sqfstar is a poorer form of: in
// Debian 12 it takes no options of the compressor. The root folder's attributes
// are given because those in the stream are not used; its time is that of the
// run and nothing but SOURCE_DATE_EPOCH, which also is the time of the file
// system, keeps it from being so.
func (o SquashOptions) command(from io.Reader, file string) run.Command {
	argv := []string{
		"mksquashfs", "-", file, "-tar", "-quiet", "-no-progress", "-exit-on-error", "-noappend", "-reproducible",
		"-comp", "zstd", "-Xcompression-level", strconv.Itoa(o.Level), "-b", strconv.Itoa(o.Block),
		"-root-mode", "0755", "-root-uid", "0", "-root-gid", "0", "-mem", "512M",
	}
	if o.Processors > 0 {
		argv = append(argv, "-processors", strconv.Itoa(o.Processors))
	}
	if o.Unprivileged {
		argv = append([]string{"unshare", "--map-root-user"}, argv...)
	}
	date := strconv.FormatInt(o.Date.Unix(), 10)
	return run.Command{Argv: argv, Env: []string{"PATH=" + o.Path, "LC_ALL=C.UTF-8", "TZ=UTC", "SOURCE_DATE_EPOCH=" + date}, Stdin: from}
}
