// Command ingot-node is the one program of Ingot inside an image: on every
// boot it decides whether the identity on the machine is one that the image
// accepts, and starts what the node's roles are made of.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	machine := node.Machine{Now: time.Now, Runner: run.Exec{}, SetHostname: syscall.Sethostname, Uptime: node.Uptime}
	status := machine.Run(ctx, os.Stdout, os.Stderr, os.Args[1:])
	stop()
	os.Exit(status)
}
