package node

import (
	"context"
	"flag"
	"fmt"

	"github.com/ingot-k8s/ingot/node/unpack"
)

func (m Machine) unpackCommand(*flag.FlagSet, *options) func(context.Context, call) int {
	return m.unpack
}

// unpack puts the identity of this machine in place. What it says starts as
// what the identity's own script says.
func (m Machine) unpack(ctx context.Context, c call) int {
	file := ""
	if len(c.args) > 0 {
		file = c.args[0]
	}
	n, err := unpack.Run(ctx, unpack.Config{Root: c.root, Runner: m.Runner, Stderr: c.stderr}, file)
	if err != nil {
		_, _ = fmt.Fprintf(c.stderr, "ingot-identity: %v\n", err) // there is nobody else to tell
		return statusRefused
	}
	if n > 0 {
		_, _ = fmt.Fprintf(c.stderr, "ingot-identity: %d files unpacked\n", n) // likewise
	}
	return statusOK
}
