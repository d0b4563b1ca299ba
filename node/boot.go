package node

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"github.com/ingot-k8s/ingot/node/boot"
)

func (m Machine) bootCommand(*flag.FlagSet, *options) func(context.Context, call) int {
	return m.boot
}

// boot does the part of the initrd of a boot ISO. What it says goes to the
// kernel's log, and so to all consoles.
func (m Machine) boot(ctx context.Context, c call) int {
	do := boot.Run
	if len(c.args) > 0 {
		if c.args[0] != "done" {
			return badUsage(c.stderr, fmt.Errorf("unknown word %q after boot (done)", c.args[0]))
		}
		do = boot.Done
	}
	err := inInitrd(c.root)
	if err == nil {
		n := network{root: c.root, runner: m.Runner}
		err = do(ctx, boot.Config{Root: c.root, Runner: m.Runner, Fetch: n.fetch, Confirm: n.confirm, Now: m.Now})
	} else {
		_, _ = fmt.Fprintf(c.stderr, "ingot-node: %v\n", err) // there is nobody else to tell
	}
	if err != nil {
		return statusRefused
	}
	return statusOK
}

// inInitrd refuses to work on a machine that runs: disks may be overwritten.
func inInitrd(root string) error {
	if root != "/" {
		return errors.New("boot: only the machine itself can be booted")
	}
	// systemd: what tells an initrd from a system (src/basic/initrd-util.c).
	if _, err := os.Stat("/etc/initrd-release"); err != nil {
		return errors.New("boot: this is not the initrd of a boot ISO")
	}
	return nil
}
