//go:build !linux

package machine

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
)

func command(ctx context.Context, argv []string, dir string, stderr *os.File) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, stderr, stderr
	return cmd
}

// lock: QEMU itself locks the disk.
func lock(*os.File) error { return nil }

func (m *Machine) dial(name string) (net.Conn, error) {
	return net.Dial("unix", filepath.Join(m.cfg.Dir, name))
}
