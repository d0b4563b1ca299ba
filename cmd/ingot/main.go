// Command ingot makes everything that a Kubernetes cluster on plain machines
// needs from one definition.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/ingot-k8s/ingot/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Run(ctx, os.Stdin, os.Stdout, os.Stderr, os.Args[1:])
	stop()
	os.Exit(status)
}
