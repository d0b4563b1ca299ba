package builder

import (
	"bufio"
	"bytes"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// What a base must find to grow in memory, in bytes: its packages, twice, and
// what they unpack to are 0.8 GB with the cloud kernel and 1.4 GB with the
// generic one, and other programs need theirs.
const (
	scratchRoom   = 2 << 30
	scratchMemory = 5 << 30
)

// sharedMemory is the file system in memory that every user may write to.
const sharedMemory = "/dev/shm"

// scratch is the folder in which a base grows: in memory where there is plenty
// of it, since dpkg waits for the disk after every step of every package. Empty
// means the system's folder for temporary files. A TMPDIR in the environment is
// somebody's wish. It does not decide about any byte of the base.
func scratch(environ []string) string {
	var st unix.Statfs_t
	if variable(environ, "TMPDIR") != "" || unix.Statfs(sharedMemory, &st) != nil {
		return ""
	}
	// Programs of the base are run there.
	if st.Type != unix.TMPFS_MAGIC || st.Flags&unix.ST_NOEXEC != 0 || st.Bavail*uint64(st.Bsize) < scratchRoom {
		return ""
	}
	if freeMemory(os.DirFS("/")) < scratchMemory {
		return ""
	}
	return sharedMemory
}

// freeMemory is how much memory a program may still have, in bytes, with caches
// that the kernel gives up for it, and at most what a limit on this process
// lets all of its group have; 0 where that cannot be known. See
// proc_meminfo(5) and cgroups(7).
func freeMemory(root fs.FS) int64 {
	free := int64(0)
	text, err := fs.ReadFile(root, "proc/meminfo")
	if err != nil {
		return 0
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if rest, is := strings.CutPrefix(lines.Text(), "MemAvailable:"); is {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 53)
			if err != nil {
				return 0
			}
			free = kib << 10
		}
	}
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return free // a kernel without them
	}
	for lines := bufio.NewScanner(bytes.NewReader(groups)); lines.Scan(); {
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			continue
		}
		switch {
		case fields[0] == "0":
			free = min(free, limit(root, "sys/fs/cgroup", fields[2], "memory.max"))
		case strings.Contains(","+fields[1]+",", ",memory,"):
			free = min(free, limit(root, "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes"))
		}
	}
	return free
}

// limit is the lowest limit of a group and those that it is in. A container may
// see its own group as the root of them all, so that is looked at too.
func limit(root fs.FS, mount, group, file string) int64 {
	lowest := int64(1) << 62
	for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
		text, err := fs.ReadFile(root, path.Join(mount, dir, file))
		if n, wrong := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && wrong == nil {
			lowest = min(lowest, n)
		}
		if dir == "/" {
			return lowest
		}
	}
}
