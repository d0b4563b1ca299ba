package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// spare is what a machine needs beside the medium until its system runs, in
// bytes: below that it would be out of memory somewhere.
const spare = 512 << 20

// Mount makes a folder a file system in memory, of size bytes, that only root
// can read. /run itself is too small for a medium. What is mounted there already
// is left as it is.
func Mount(dir string, size int64) error {
	free, err := available("/proc/meminfo")
	if err != nil {
		return err
	}
	var is unix.Statfs_t
	if err := unix.Statfs(dir, &is); err != nil {
		return fmt.Errorf("looking at %s: %w", dir, err)
	}
	if is.Type == unix.TMPFS_MAGIC && int64(is.Blocks)*is.Bsize >= size && mounted(dir) {
		return nil
	}
	if free < size+spare {
		return fmt.Errorf("the machine has %d MB of memory left, and needs %d MB to start over the network: give it more, or start it from a CD or disk", free/1e6, (size+spare)/1e6)
	}
	if err := unix.Mount("ingot-fetch", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, fmt.Sprintf("mode=0700,size=%d", size)); err != nil {
		return fmt.Errorf("making a file system in memory at %s: %w", dir, err)
	}
	return nil
}

// mounted is whether a file system begins at dir.
func mounted(dir string) bool {
	var here, above unix.Stat_t
	return unix.Stat(dir, &here) == nil && unix.Stat(dir+"/..", &above) == nil && here.Dev != above.Dev
}

// available is how much memory can still be used, in bytes (proc(5)).
func available(path string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fmt.Errorf("finding out how much memory there is: %w", err)
	}
	for line := range bytes.Lines(data) {
		if fields := bytes.Fields(line); len(fields) >= 2 && string(fields[0]) == "MemAvailable:" {
			kb, err := strconv.ParseInt(string(fields[1]), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("finding out how much memory there is: %w", err)
			}
			return kb << 10, nil
		}
	}
	return 0, errors.New("finding out how much memory there is: the kernel does not say")
}
