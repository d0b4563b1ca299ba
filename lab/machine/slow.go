package machine

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// What libfaketime (Debian's package of that name) leaves in shared memory for
// each process. It removes them itself, unless QEMU is killed.
const (
	fakeTimeShared    = "/dev/shm/faketime_shm_"
	fakeTimeSemaphore = "/dev/shm/sem.faketime_sem_"
)

// FakeTime finds the library that gives QEMU another clock; empty means that
// it is not installed.
func FakeTime() string {
	for _, pattern := range []string{"/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1"} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			return found[0]
		}
	}
	return ""
}

// slowEnv is the environment of a QEMU whose clocks go slowly, the machine's
// among them: all that it asks this host for the time, or to wait, goes through
// the library.
func slowEnv(slow int) []string {
	env := os.Environ()
	if slow <= 1 {
		return env
	}
	pace := strconv.FormatFloat(1/float64(slow), 'f', -1, 64)
	return append(env, "LD_PRELOAD="+FakeTime(), "FAKETIME=+0 x"+pace, "NO_FAKE_STAT=1")
}

// sweepFakeTime removes what processes of ours have left that were killed.
func sweepFakeTime() {
	for _, prefix := range []string{fakeTimeShared, fakeTimeSemaphore} {
		left, err := filepath.Glob(prefix + "*")
		if err != nil {
			continue
		}
		for _, file := range left {
			pid, err := strconv.Atoi(strings.TrimPrefix(file, prefix))
			if err == nil && syscall.Kill(pid, 0) == syscall.ESRCH {
				_ = os.Remove(file) // others' cannot be removed, and need not
			}
		}
	}
}
