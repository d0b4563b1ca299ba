package preflight

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is what is asked of a machine.
type Host struct {
	Root bool // whether the caller is root
	User string
	UID  int

	Has  func(name string) bool                               // a program in PATH and the sbin folders, or a file by absolute path
	Read func(path string) string                             // a text file; empty where there is none
	Free func(dir string) (disk uint64, bytes int64, ok bool) // of the file system that a folder is on
}

// Setting is a kernel setting by its path below /proc/sys; empty where there
// is none.
func (h *Host) Setting(name string) string { return strings.TrimSpace(h.Read("/proc/sys/" + name)) }

// This is the machine that the program runs on. The path is that of the
// environment, PATH.
func This(path string) Host {
	h := Host{Root: os.Geteuid() == 0, UID: os.Geteuid(), User: strconv.Itoa(os.Geteuid())}
	if u, err := user.LookupId(h.User); err == nil {
		h.User = u.Username
	}
	// Debian leaves the sbin folders out of the PATH of normal users.
	dirs := append(filepath.SplitList(path), "/usr/local/sbin", "/usr/sbin", "/sbin")
	h.Has = func(name string) bool {
		if filepath.IsAbs(name) {
			_, err := os.Stat(name)
			return err == nil
		}
		for _, dir := range dirs {
			if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return true
			}
		}
		return false
	}
	h.Read = func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			return ""
		}
		return string(data)
	}
	h.Free = func(dir string) (uint64, int64, bool) {
		var s unix.Statfs_t
		var at unix.Stat_t
		if unix.Statfs(dir, &s) != nil || unix.Stat(dir, &at) != nil {
			return 0, 0, false
		}
		return at.Dev, int64(s.Bavail) * s.Bsize, true
	}
	return h
}
