package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// figures are what one process cost.
type figures struct {
	wall, cpu time.Duration
	peak      int64 // bytes of resident memory
}

// measured is the generator's cost for one cluster: the first run, which makes everything, and a second one.
type measured struct {
	nodes         int
	first, second figures
}

// definition has three controllers that others can dial and n-3 workers behind NAT.
func definition(n int) string {
	var b strings.Builder
	b.WriteString("apiVersion: ingot/v1\nkind: Cluster\nname: bench\ndomain: bench.example.com\n" +
		"kubernetes: {podCIDR: 10.128.0.0/9}\nidentity: {common: false}\nnodes:\n")
	for i := range n {
		if i < 3 {
			fmt.Fprintf(&b, "  - {name: master%d, roles: [controller], address: 192.0.2.%d}\n", i, 10+i)
			continue
		}
		fmt.Fprintf(&b, "  - {name: worker%d, roles: [worker]}\n", i)
	}
	return b.String()
}

// generator makes a cluster of n nodes in dir, twice.
func generator(ctx context.Context, program, dir string, n int) (measured, error) {
	folder := filepath.Join(dir, "clusters", "bench")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return measured{}, err
	}
	if err := os.WriteFile(filepath.Join(folder, "cluster.yaml"), []byte(definition(n)), 0o600); err != nil {
		return measured{}, err
	}
	m := measured{nodes: n}
	for _, f := range []*figures{&m.first, &m.second} {
		var err error
		if *f, err = measure(ctx, dir, program, "iso", "bench"); err != nil {
			return measured{}, err
		}
	}
	isos, err := filepath.Glob(filepath.Join(dir, "out", "bench", "nodes", "*", "config.iso"))
	if err != nil {
		return measured{}, fmt.Errorf("listing ISOs: %w", err)
	}
	if len(isos) != n {
		return measured{}, fmt.Errorf("listing ISOs: %d of %d were made", len(isos), n)
	}
	return m, nil
}

// measure runs a program in dir and takes the kernel's account of it.
func measure(ctx context.Context, dir string, argv ...string) (figures, error) {
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"))
	cmd.Stdout, cmd.Stderr = &output, &output
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return figures{}, fmt.Errorf("running %s: %w: %s", argv[0], err, output.String())
	}
	f := figures{wall: time.Since(start), cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		f.peak = usage.Maxrss << 10 // KiB on Linux, getrusage(2)
	}
	return f, nil
}
