// Package unpack puts the identity of this machine in place: it takes the
// bundle that identity.sha256 names, checks it, and makes the files that it
// holds, each as a whole. It does what the script within identities does
// (ignition/unpack.sh), without starting ten processes a file, and is held
// against it by the same tests (package ignition).
//
// Ended at any moment, by a power cut, too, the next run does all of it. It says
// nothing of what is in the files.
package unpack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ingot-k8s/ingot/ignition/bundle"
	"github.com/ingot-k8s/ingot/internal/run"
)

// Config is where and by what means.
type Config struct {
	Root   string     // the folder to take for /; nothing outside of it is changed
	Runner run.Runner // for the identity's script that fetches bundles, and restorecon
	Stderr io.Writer  // gets what these say
}

// Run unpacks the bundle that is wanted, or the one in a file that it is given,
// whatever was wanted before: this is how certificates are renewed on a machine
// that stays. It returns how many files were put in place: 0 where nothing is
// left to do. An error says what is wrong in words for the person at the machine.
func Run(ctx context.Context, c Config, file string) (int, error) {
	return (&unpacker{Config: c, super: os.Geteuid() == 0}).run(ctx, file)
}

type unpacker struct {
	Config
	super bool              // runs as root, and so gives files to their owners
	step  func(what string) // for tests: called before every change
}

func (u *unpacker) real() bool { return u.Root == "/" }

func (u *unpacker) at(path string) string { return filepath.Join(u.Root, path) }

func (u *unpacker) doing(what string) {
	if u.step != nil {
		u.step(what)
	}
}

func (u *unpacker) run(ctx context.Context, file string) (int, error) {
	if u.real() && !u.super {
		return 0, errors.New("only root can do this")
	}
	want, from := "", file
	if file == "" {
		var err error
		if want, err = u.wanted(); err != nil {
			return 0, err
		}
		if u.applied() == want {
			return 0, u.tidy(ctx)
		}
		if from, err = u.find(ctx, want); err != nil {
			return 0, err
		}
	}
	data, err := u.read(from)
	if err != nil {
		return 0, err
	}
	got := bundle.Sum(data)
	if file == "" && got != want {
		return 0, fmt.Errorf("%s is not the bundle that %s names: found %s, wanted %s", from, u.at(bundle.PinPath), got, want)
	}
	files, err := u.check(from, data)
	if err != nil {
		return 0, err
	}
	// From here on what was given is what is wanted, so that a run that is ended
	// is gone on with at the next boot.
	if file != "" {
		if err := u.adopt(data, got); err != nil {
			return 0, err
		}
	}
	if err := u.place(ctx, files); err != nil {
		return 0, err
	}
	if err := u.remember(files, got); err != nil {
		return 0, err
	}
	return len(files), u.tidy(ctx)
}

// wanted is the SHA-256 of the bundle that is to be unpacked.
func (u *unpacker) wanted() (string, error) {
	path := u.at(bundle.PinPath)
	data, err := os.ReadFile(path)
	if err != nil || len(data) == 0 {
		return "", fmt.Errorf("%s is missing: without it no bundle is trusted", path)
	}
	want, ok := bundle.Digest(data)
	if !ok {
		return "", fmt.Errorf("%s does not start with a SHA-256: without it no bundle is trusted", path)
	}
	return want, nil
}

// applied is the SHA-256 of the bundle that was unpacked; empty for none.
func (u *unpacker) applied() string {
	data, err := os.ReadFile(u.at(bundle.AppliedPath))
	if err != nil {
		return ""
	}
	have, _ := bundle.Digest(data)
	return have
}

// find looks where a bundle may be, and has the identity's script fetch it from
// the drive that the machine was started with where it is nowhere.
func (u *unpacker) find(ctx context.Context, want string) (string, error) {
	here, fetched := u.at(bundle.Path), u.at(bundle.RunPath)
	if isFile(here) {
		return here, nil
	}
	if !isFile(fetched) && isFile(u.at(bundle.FetchPath)) {
		if err := u.script(ctx, want); err != nil {
			return "", err
		}
	}
	return fetched, nil
}

// script runs the identity's own script, which says by itself what it finds.
func (u *unpacker) script(ctx context.Context, arg string) error {
	c := run.Command{Argv: []string{"sh", u.at(bundle.FetchPath), arg}, Stdout: u.Stderr, Stderr: u.Stderr}
	if !u.real() {
		c.Env = append(os.Environ(), "INGOT_ROOT="+u.Root)
	}
	var failed *run.Error
	if err := u.Runner.Run(ctx, c); errors.As(err, &failed) && failed.ExitCode > 0 {
		return fmt.Errorf("%s ended with status %d", u.at(bundle.FetchPath), failed.ExitCode)
	} else if err != nil {
		return err
	}
	return nil
}

// read takes the bytes of a bundle, of which nothing is known yet.
func (u *unpacker) read(from string) ([]byte, error) {
	if !isFile(from) {
		return nil, fmt.Errorf("there is no bundle in %s or %s: user_data.inline brings one along",
			u.at(filepath.Dir(bundle.Path)), u.at(filepath.Dir(bundle.RunPath)))
	}
	f, err := os.Open(from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, bundle.MaxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > bundle.MaxSize {
		return nil, fmt.Errorf("%s is damaged: it has more than %d bytes", from, bundle.MaxSize)
	}
	return data, nil
}

// check makes sure that everything can be put in place, before anything is.
func (u *unpacker) check(from string, data []byte) ([]file, error) {
	packed, err := bundle.Read(data)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", from, err)
	}
	if len(packed) == 0 {
		return nil, fmt.Errorf("%s is damaged: no file is in it", from)
	}
	files := make([]file, len(packed))
	for i, f := range packed {
		if info, err := os.Stat(u.at(f.Path)); err == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a folder, and a file is to be put there", f.Path)
		}
		files[i] = file{File: f}
		if !u.super {
			continue
		}
		if files[i].owner, err = find(f.Owner); err != nil {
			return nil, fmt.Errorf("%s is for %s, and there is no such user", f.Path, f.Owner)
		}
	}
	return files, nil
}

// adopt makes a bundle that was given the one that is wanted.
func (u *unpacker) adopt(data []byte, sum string) error {
	if err := u.put(bundle.Path, data, 0o600); err != nil {
		return err
	}
	u.flush()
	if err := u.put(bundle.PinPath, []byte(sum+"  "+filepath.Base(bundle.Path)+"\n"), 0o644); err != nil {
		return err
	}
	u.flush()
	return nil
}

// remember removes what an earlier bundle brought and this one does not, and
// notes what this one brought.
func (u *unpacker) remember(files []file, sum string) error {
	now := map[string]bool{}
	var text strings.Builder
	text.WriteString(sum + "\n")
	for _, f := range files {
		now[f.Path] = true
		text.WriteString(f.Path + "\n")
	}
	before, err := os.ReadFile(u.at(bundle.AppliedPath))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for line := range strings.Lines(string(before)) {
		path := strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(path, "/") && !now[path] {
			if err := u.remove(u.at(path)); err != nil {
				return err
			}
		}
	}
	u.flush()
	if err := u.put(bundle.AppliedPath, []byte(text.String()), 0o644); err != nil {
		return err
	}
	u.flush()
	return nil
}

// tidy drops the copies of the bundle, and what a renewal left that was ended:
// they are not needed any more.
func (u *unpacker) tidy(ctx context.Context) error {
	for _, path := range []string{bundle.Path, bundle.Path + newSuffix, bundle.PinPath + newSuffix, bundle.RunPath} {
		if err := u.remove(u.at(path)); err != nil {
			return err
		}
	}
	if !isFile(u.at(bundle.FetchPath)) {
		return nil
	}
	u.doing("clear")
	return u.script(ctx, "clear")
}

// flush waits until what was written would survive a power cut.
func (u *unpacker) flush() {
	u.doing("flush")
	if u.real() {
		unix.Sync()
	}
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
