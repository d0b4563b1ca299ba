package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/ingot-k8s/ingot/lab/control"
	"github.com/spf13/cobra"
)

// labServeCommand is the process that a lab is in. People do not start it.
func (a *app) labServeCommand() *cobra.Command {
	var f labFlags
	cmd := &cobra.Command{
		Use:    "serve CLUSTER",
		Short:  "Be the process that a lab's machines belong to",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.load(args[0])
			if err != nil {
				return err
			}
			return a.labServe(cmd.Context(), c, &f)
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) labServe(ctx context.Context, c *cluster.Cluster, f *labFlags) error {
	cfg := lab.Config{
		Cluster: c, Dir: a.labDir(c), Image: f.image, Nodes: filepath.Join(a.out, c.Def.Name, "nodes"), Kubeconfig: a.labAdmin(c),
		Spares: f.spares, FreshDisks: f.freshDisks, APIPort: f.apiPort,
		Memory: f.memory, CPUs: f.cpus, DiskSize: int64(f.gigs) << 30, Slow: f.slow,
		Log: a.stdout, Now: time.Now,
	}
	if cfg.Image == "" {
		cfg.Image = a.labImages(c)
	}
	l, err := lab.Start(ctx, cfg)
	if err != nil {
		return labStartHint(c, err)
	}
	return control.Serve(ctx, l, cfg.Dir)
}

// spawnEvery is how often is looked whether the lab's process answers.
const spawnEvery = 100 * time.Millisecond

// labSpawn starts the process of a lab and returns when it answers.
func (a *app) labSpawn(ctx context.Context, c *cluster.Cluster, client *control.Client, name string, f *labFlags) error {
	dir := a.labDir(c)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(dir, control.LogFile), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process writes it
	start, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	args := append([]string{os.Args[0], "--clusters", a.clusters, "--out", a.out, "lab", "serve", name}, f.args()...)
	cmd := &exec.Cmd{Path: program, Args: args, Stdout: log, Stderr: log, SysProcAttr: &syscall.SysProcAttr{Setsid: true}} // what happens on this terminal is nothing to it
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the lab's process: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		_, err := client.Status(ctx)
		if err == nil || !errors.Is(err, control.ErrDown) {
			return err
		}
		select {
		case <-ctx.Done():
			if f.rm { // it may not listen yet
				_ = cmd.Process.Signal(syscall.SIGTERM)
				<-ended
			}
			return ctx.Err()
		case <-ended:
			// Another one may have been faster.
			if _, err := client.Status(ctx); err == nil {
				return nil
			}
			return saidLast(log, start)
		case <-time.After(spawnEvery):
		}
	}
}

// saidLast is why the lab's process has ended, by what it wrote behind start.
func saidLast(log *os.File, start int64) error {
	data := make([]byte, 64<<10)
	n, err := log.ReadAt(data, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading why the lab's process has ended: %w", err)
	}
	why, hint := "", ""
	for line := range bytes.Lines(data[:n]) {
		text := strings.TrimSpace(string(line))
		if after, ok := strings.CutPrefix(text, "error: "); ok {
			why = after
		}
		if after, ok := strings.CutPrefix(text, "hint: "); ok {
			hint = after
		}
	}
	if why == "" {
		return fmt.Errorf("the lab's process has ended; its log is %s", log.Name())
	}
	if hint == "" {
		hint = "more is in " + log.Name()
	}
	return withHint(errors.New(why), "%s", hint)
}
