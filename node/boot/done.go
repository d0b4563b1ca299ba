package boot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/ingot-k8s/ingot/internal/run"
	"golang.org/x/sys/unix"
)

const (
	// installFlag is there where the machine was installed in this boot, for
	// ConditionPathExists= of the unit.
	installFlag = runDir + "/install"
	// ignitionEngine is there where Ignition writes the identity in the initrd.
	ignitionEngine = "/usr/bin/ignition"
	// provisionedStamp is what the script provision leaves on the state.
	provisionedStamp = runDir + "/state/provisioned"
	// rebootPatience is how long systemd may take to end this boot.
	rebootPatience = 2 * time.Minute
)

// Done ends an installation, once the identity is on the disk: it says so and
// starts the machine again. Where nothing was installed it does nothing.
func Done(ctx context.Context, cfg Config) error {
	b := &boot{Config: cfg, system: kernel{}}
	log := &kernelLog{path: b.at("/dev/kmsg")}
	b.say = log.say
	return b.told(b.done(ctx))
}

func (b *boot) done(ctx context.Context) error {
	data, err := os.ReadFile(b.at(notedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var n Noted
	if err := json.Unmarshal(data, &n); err != nil {
		return fmt.Errorf("reading %s: %w", notedFile, err)
	}
	if !n.Install {
		return nil
	}
	identity := "with the identity of the machine"
	if _, err := os.Stat(b.at(provisionedStamp)); err != nil {
		identity = "WITHOUT an identity (none was found, or it could not be written; see above): the machine looks for one at every boot"
	}
	if _, err := os.Stat(b.at(ignitionEngine)); errors.Is(err, fs.ErrNotExist) {
		// cloud-init takes the identity from the medium later, in the system.
		b.say(levelNotice, fmt.Sprintf("image %s is installed on %s; this boot goes on from the boot ISO, for cloud-init to take the identity", n.Image, n.Disk))
		b.say(levelNotice, "when the machine has joined, take the boot ISO out and start the machine again")
		return nil
	}
	b.say(levelNotice, fmt.Sprintf("image %s is installed on %s, %s", n.Image, n.Disk, identity))
	b.say(levelNotice, "the machine starts again now: take the boot ISO out")
	unix.Sync()
	if err := b.Runner.Run(ctx, run.Command{Argv: []string{"systemctl", "--no-block", "reboot"}}); err != nil {
		return err
	}
	if b.ended(ctx) {
		return nil
	}
	unix.Sync()
	return b.Runner.Run(ctx, run.Command{Argv: []string{"systemctl", "--force", "--force", "reboot"}})
}

// after is a channel that gets something after a time.
func (b *boot) after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		b.system.wait(d)
		close(c)
	}()
	return c
}

// ended waits until systemd ends this program, so that the boot does not go on
// while the machine is to start again.
func (b *boot) ended(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-b.after(rebootPatience):
		return false
	}
}
