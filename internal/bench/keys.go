package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
	"golang.org/x/sync/errgroup"
)

// keysCommand makes this program the one that does nothing but make keys, so
// that its cost is measured the same way as the generator's.
const keysCommand = "keys-only"

// keysProcess measures the keys of the cluster in dir alone, in a process of their own.
func keysProcess(ctx context.Context, dir string) (figures, error) {
	self, err := os.Executable()
	if err != nil {
		return figures{}, err
	}
	return measure(ctx, dir, self, keysCommand, filepath.Join("clusters", "bench", "cluster.yaml"))
}

// keysOnly makes as many keys of each kind as the definition's nodes have, on
// all CPUs, and drops them. The handful of the authorities is left out.
func keysOnly(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes one definition", keysCommand)
	}
	c, _, err := cluster.Load(args[0])
	if err != nil {
		return err
	}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range c.Nodes {
		n := &c.Nodes[i]
		group.Go(func() error {
			for range pki.NodeRequests(c, n) {
				if _, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
					return err
				}
			}
			_, err := rsa.GenerateKey(rand.Reader, c.Def.Mesh.KeyBits)
			return err
		})
	}
	return group.Wait()
}
