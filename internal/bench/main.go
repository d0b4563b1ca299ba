// Command bench measures the generator and prints, from one run, its figures
// beside those of what it is compared with: the bare cost of the same keys,
// and the steps of the recipe with openssl and genisoimage per node.
//
// It judges nothing: speed is measured, not asserted. Run it by make bench.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 && os.Args[1] == keysCommand {
		exit(keysOnly(os.Args[2:]))
		return
	}
	exit(bench(ctx, os.Stdout, os.Args[1:]))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func bench(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	ingot := flags.String("ingot", "bin/ingot", "the program to measure")
	nodes := flags.Int("nodes", 1000, "number of nodes")
	recipe := flags.Int("recipe", 10, "number of nodes of the openssl recipe; 0 leaves it out")
	if err := flags.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "ingot-bench-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a folder for measuring only
	program, err := filepath.Abs(*ingot)
	if err != nil {
		return err
	}
	say := func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, format, args...) // a person reads along
	}
	say("generator, %d nodes, %d CPUs\n", *nodes, runtime.GOMAXPROCS(0))

	small, err := generator(ctx, program, filepath.Join(dir, "small"), max(*nodes/10, 10))
	if err != nil {
		return err
	}
	full, err := generator(ctx, program, filepath.Join(dir, "full"), *nodes)
	if err != nil {
		return err
	}
	keys, err := keysProcess(ctx, filepath.Join(dir, "full"))
	if err != nil {
		return err
	}
	row := func(what string, d time.Duration, note string) {
		seconds := ""
		if d != 0 {
			seconds = fmt.Sprintf("%.2f s", d.Seconds())
		}
		say("  %-42s %10s  %s\n", what, seconds, note)
	}
	per := func(d time.Duration, n int) string {
		return fmt.Sprintf("%.2f ms a node", d.Seconds()*1000/float64(n))
	}
	row("issue everything, write every ISO", full.first.wall, per(full.first.wall, *nodes))
	row("the same keys alone", keys.wall, per(keys.wall, *nodes))
	row("  ratio of wall time", 0, fmt.Sprintf("%.2f (aim: at most 1.3)", ratio(full.first.wall, keys.wall)))
	row("  ratio of processor time", 0, fmt.Sprintf("%.2f", ratio(full.first.cpu, keys.cpu)))
	row("all but the RSA and ECDSA keys", full.first.cpu-keys.cpu, per(full.first.cpu-keys.cpu, *nodes)+" of processor time")
	row("second run, nothing to do", full.second.wall, per(full.second.wall, *nodes))
	growth := float64(full.first.peak-small.first.peak) / float64(full.nodes-small.nodes)
	row("peak memory", 0, fmt.Sprintf("%.1f MiB with %d nodes, %.1f MiB with %d: %.0f bytes a node",
		mib(full.first.peak), full.nodes, mib(small.first.peak), small.nodes, growth))
	if *recipe == 0 {
		return nil
	}
	peer, err := recipeNodes(ctx, filepath.Join(dir, "recipe"), *recipe)
	if err != nil {
		return err
	}
	row("recipe of 2017: openssl and genisoimage", peer, per(peer, *recipe)+" (3 certificates, no mesh key)")
	ours := (full.first.cpu - keys.cpu) / time.Duration(*nodes)
	row("  ratio to ours without the mesh key", 0, fmt.Sprintf("%.1f", ratio(peer/time.Duration(*recipe), ours)))
	return nil
}

func ratio(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }
func mib(n int64) float64              { return float64(n) / (1 << 20) }
