package machine

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
)

// courtesy is how much lower than its parent's a machine's priority is
// (nice(1)). Machines without KVM take all the processor that there is, and who
// carries their frames must not have to wait for them.
const courtesy = "5"

// command is a process in a group of its own, so that an interrupt on the
// terminal is for its parent to handle. It is killed with the context, and
// with the thread that starts it. It is not run by package run, which waits
// for programs and gives them time to tidy up.
func command(ctx context.Context, argv []string, dir string, stderr *os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "nice", append([]string{"-n", courtesy}, argv...)...)
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
