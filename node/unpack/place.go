package unpack

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ingot-k8s/ingot/ignition/bundle"
	"github.com/ingot-k8s/ingot/internal/run"
)

// tempPrefix starts the names of files in the making, in the folders that they
// are for, and newSuffix ends those in /etc/ingot. A run that is ended leaves
// them, and the next removes them; the script's have the same names.
const (
	tempPrefix = ".ingot-identity."
	newSuffix  = ".new"
)

// owner is a user and a group by number. The zero value is root.
type owner struct{ uid, gid int }

// file is one file of a bundle with the owner that this machine has for it.
type file struct {
	bundle.File
	owner owner
}

// find looks up user:group, by name or else by number, as chown(1) does. With a
// question mark in front it is wished for, where there is such a user.
func find(name string) (owner, error) {
	wish := strings.HasPrefix(name, "?")
	o, err := lookUp(strings.TrimPrefix(name, "?"))
	if err != nil && wish {
		return owner{}, nil
	}
	return o, err
}

func lookUp(name string) (owner, error) {
	userName, groupName, _ := strings.Cut(name, ":")
	uid, gid := userName, groupName
	if u, err := user.Lookup(userName); err == nil {
		uid = u.Uid
	}
	if g, err := user.LookupGroup(groupName); err == nil {
		gid = g.Gid
	}
	var o owner
	var errs [2]error
	o.uid, errs[0] = number(uid)
	o.gid, errs[1] = number(gid)
	return o, errors.Join(errs[:]...)
}

// number reads what chown(2) takes: all but the number that means no change.
func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err == nil && n == 1<<32-1 {
		err = strconv.ErrRange
	}
	return int(n), err
}

// place puts all files in place, each as a whole.
func (u *unpacker) place(ctx context.Context, files []file) error {
	clean := map[string]bool{}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		target := u.at(f.Path)
		dir := filepath.Dir(target)
		if !clean[dir] {
			if err := u.prepare(dir); err != nil {
				return err
			}
			clean[dir] = true
		}
		temp := filepath.Join(dir, tempPrefix+strconv.Itoa(os.Getpid()))
		if err := u.write(temp, target, f.Data, f.Mode, f.owner); err != nil {
			return err
		}
	}
	return u.relabel(ctx, files)
}

// prepare makes a folder, and removes what a run that was ended left in it.
func (u *unpacker) prepare(dir string) error {
	if err := u.mkdir(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), tempPrefix) {
			if err := u.remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// mkdir makes a folder with those above it, for everyone to read, whatever the
// umask of the service.
func (u *unpacker) mkdir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	} else if err == nil {
		return &fs.PathError{Op: "making", Path: dir, Err: unix.ENOTDIR}
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := u.mkdir(parent); err != nil {
			return err
		}
	}
	u.doing("make " + dir)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return os.Chmod(dir, 0o755)
}

// put replaces a file of the unpacker's own.
func (u *unpacker) put(path string, data []byte, mode fs.FileMode) error {
	target := u.at(path)
	return u.write(target+newSuffix, target, data, mode, owner{})
}

// write makes a file under another name in the same folder, with mode and owner,
// and then gives it its name.
func (u *unpacker) write(temp, target string, data []byte, mode fs.FileMode, o owner) error {
	if err := u.remove(temp); err != nil {
		return err
	}
	u.doing("write " + temp)
	err := u.fill(temp, data, mode, o)
	if err == nil {
		u.doing("name " + target)
		err = os.Rename(temp, target)
	}
	if err != nil {
		_ = os.Remove(temp) // the first error is the one to report
	}
	return err
}

func (u *unpacker) fill(temp string, data []byte, mode fs.FileMode, o owner) error {
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	u.doing("give " + temp)
	if err == nil && u.super {
		err = f.Chown(o.uid, o.gid)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	return errors.Join(err, f.Close())
}

// remove removes a file; that there is none is well. Folders are no files.
func (u *unpacker) remove(path string) error {
	if _, err := os.Lstat(path); err == nil {
		u.doing("remove " + path)
	}
	err := unix.Unlink(path)
	if err == nil || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return &fs.PathError{Op: "removing", Path: path, Err: err}
}

// relabel gives files the labels of SELinux, on systems that have it.
func (u *unpacker) relabel(ctx context.Context, files []file) error {
	if !isFile(u.at("/sys/fs/selinux/enforce")) {
		return nil
	}
	argv := []string{"restorecon"}
	for _, f := range files {
		argv = append(argv, u.at(f.Path))
	}
	// Without labels files work as well as before, or a denial is in the log.
	_ = u.Runner.Run(ctx, run.Command{Argv: argv, Stdout: u.Stderr, Stderr: u.Stderr})
	return ctx.Err()
}
