// Command bake measures the bake of a cluster's image and prints, from one run
// on this machine, its figures beside those of its peers: mmdebstrap for the
// cold bake, qemu-img and pigz for the formats. Ours and the peer's take turns.
//
// It judges nothing: speed is measured, not asserted. Run it by make bench.
// Beside each time stands the processor time, which other load on the machine
// changes less, and the load when the measurement began.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
)

// published is what mkosi 25 needs for its incremental rebuild after a change of
// one file, on a machine with two processors, in seconds. Debian 12 does not
// have that version.
const published = 20

type options struct {
	ingot, clusters, cluster, lock, only string
	packer, plugin                       string
	slow, fast                           int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := bench(ctx, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, out io.Writer, args []string) error {
	var o options
	flags := flag.NewFlagSet("bake", flag.ContinueOnError)
	flags.StringVar(&o.ingot, "ingot", "bin/ingot", "the program to measure")
	flags.StringVar(&o.clusters, "clusters", "clusters", "folder of the cluster definitions")
	flags.StringVar(&o.cluster, "cluster", "lab", "the cluster whose image is baked")
	flags.StringVar(&o.lock, "lock", "", "a lock to use; empty means the cluster's, or a new one")
	flags.StringVar(&o.only, "only", "warm,packer,formats,sizes,cold", "what to measure")
	flags.StringVar(&o.packer, "packer", "", "Packer, to measure what it adds")
	flags.StringVar(&o.plugin, "plugin", "bin/packer-plugin-ingot", "the plugin for it")
	flags.IntVar(&o.slow, "slow", 1, "how many times to measure what takes a minute; the median is printed")
	flags.IntVar(&o.fast, "fast", 3, "how many times to measure what takes seconds; the median is printed")
	if err := flags.Parse(args); err != nil {
		return err
	}
	w, err := newWorld(o)
	if err != nil {
		return err
	}
	defer w.remove()
	t := &table{out: out}
	t.say("bake of %s, %d CPUs, load %s\n", o.cluster, runtime.GOMAXPROCS(0), load())
	if err := w.prepare(ctx); err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, *world, *table) error
	}{{"warm", warm}, {"packer", packed}, {"formats", formats}, {"sizes", sizes}, {"cold", cold}} {
		if !strings.Contains(","+o.only+",", ","+part.name+",") {
			continue
		}
		if err := part.run(ctx, w, t); err != nil {
			return fmt.Errorf("measuring %s: %w", part.name, err)
		}
	}
	return nil
}
