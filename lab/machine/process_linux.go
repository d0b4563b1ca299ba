package machine

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// command is a process in a group of its own, so that an interrupt on the
// terminal is for its parent to handle. It is killed with the context, and
// with the thread that starts it. It is not run by package run, which waits
// for programs and gives them time to tidy up.
func command(ctx context.Context, argv []string, dir string, stderr *os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stderr, stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// lock takes a lock that goes with the open file.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// dial connects to a socket in the machine's folder by a short path.
func (m *Machine) dial(name string) (net.Conn, error) {
	return net.Dial("unix", "/proc/self/fd/"+strconv.Itoa(int(m.dir.Fd()))+"/"+name)
}
