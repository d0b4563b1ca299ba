package boot

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ingot-k8s/ingot/internal/run"
)

// shellLived is how long a shell lives that a person used: one on a line that
// leads nowhere ends at once.
const shellLived = time.Second

// rescue gives a person at any of the consoles a shell, and starts the machine
// again when one of them is left.
func (b *boot) rescue(ctx context.Context) error {
	consoles := b.consoles()
	b.say(levelNotice, "rescue: a shell for root is on "+strings.Join(consoles, ", ")+"; nothing of the machine was touched; leave the shell to start the machine again")
	ended := make(chan bool, len(consoles))
	for _, console := range consoles {
		go func() {
			began := b.Now()
			err := b.system.shell(b.at(console))
			var left *exec.ExitError // what the person did last
			ended <- (err == nil || errors.As(err, &left)) && b.Now().Sub(began) >= shellLived
		}()
	}
	for range consoles {
		select {
		case used := <-ended:
			if used {
				b.say(levelNotice, "rescue: the shell was left, the machine starts again")
				err := b.Runner.Run(ctx, run.Command{Argv: []string{"systemctl", "--force", "reboot"}})
				b.ended(ctx)
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("rescue: no console takes a shell")
}

// consoles are those of the kernel line. A shell cannot belong to tty0, which
// stands for the screen that is shown: tty1 is.
func (b *boot) consoles() []string {
	data, err := os.ReadFile(b.at("/sys/class/tty/console/active"))
	var out []string
	for _, name := range strings.Fields(string(data)) {
		if name == "tty0" {
			name = "tty1"
		}
		if !strings.Contains(name, "/") {
			out = append(out, "/dev/"+name)
		}
	}
	if err != nil || len(out) == 0 {
		return []string{"/dev/console"}
	}
	return out
}

// shell implements system.
func (kernel) shell(console string) error {
	tty, err := os.OpenFile(console, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return err
	}
	defer func() { _ = tty.Close() }() // the shell has its own
	cmd := exec.Command("/bin/sh", "-i")
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/systemd", "TERM=linux", "HOME=/root", "PS1=ingot rescue (" + filepath.Base(console) + ")# "}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return cmd.Run()
}
