package node

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/node/health"
	"github.com/ingot-k8s/ingot/node/systemd"
	"golang.org/x/sys/unix"
)

// healthPath has the last report of the watch, for others.
const healthPath = "run/ingot/health.json"

// How often the watch asks: often while anything changes or is not well, and
// seldom once it has been well and the same for some time.
const (
	watchOften  = 10 * time.Second
	watchSeldom = 30 * time.Second
	watchSettle = 3 * time.Minute
)

// Uptime is the time since the start of the kernel, in which clocks that are
// set make no jumps (clock_gettime(2), CLOCK_BOOTTIME).
func Uptime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0 // no kernel that Go runs on is without
	}
	return time.Duration(now.Nano())
}

func (m Machine) healthCommand(flags *flag.FlagSet, o *options) func(context.Context, call) int {
	flags.BoolVar(&o.json, "json", false, "")
	flags.BoolVar(&o.watch, "watch", false, "")
	return func(ctx context.Context, c call) int {
		if c.watch {
			return m.watchHealth(ctx, c)
		}
		return m.health(ctx, c)
	}
}

func (m Machine) prober(o options) *health.Prober {
	cfg := health.Config{Root: o.root, Now: m.Now, Uptime: m.Uptime}
	if o.real() {
		cfg.FailedUnits = func(ctx context.Context) ([]string, error) { return systemd.FailedUnits(ctx, systemd.Socket) }
	}
	return health.New(cfg)
}

// health asks once.
func (m Machine) health(ctx context.Context, c call) int {
	// For how long something is so, only the watch knows; without it, nobody.
	before, _ := lastHealth(c.root)
	r := m.prober(c.options).Report(ctx, before)
	text := r.Screen()
	if c.json {
		data, err := encodeHealth(r)
		if err != nil {
			_, _ = fmt.Fprintf(c.stderr, "ingot-node: %v\n", err) // there is nobody else to tell
			return statusRefused
		}
		text = string(data)
	}
	if status := result(c.stdout, c.stderr, text); status != statusOK || !r.Healthy {
		return statusRefused
	}
	return statusOK
}

// watchHealth asks until it is ended. It says on the consoles what has changed,
// and leaves the last report for others.
func (m Machine) watchHealth(ctx context.Context, c call) int {
	v := &voice{root: c.root, stderr: c.stderr, now: m.Now, stuck: map[string]bool{}}
	p := m.prober(c.options)
	before, _ := lastHealth(c.root) // of a watch that was started again, or none
	said, trouble := "", ""
	changed := m.Uptime()
	for {
		r := p.Report(ctx, before)
		if ctx.Err() != nil {
			return statusOK
		}
		if before == nil || !r.Same(before) {
			changed = m.Uptime()
		}
		before = r
		if r.Line != said {
			v.say(levelNotice, "health: "+r.Line)
			said = r.Line
		}
		if err := leaveHealth(c.root, r); err == nil {
			trouble = ""
		} else if err.Error() != trouble {
			trouble = err.Error()
			v.say(levelWarning, trouble)
		}
		pause := watchOften
		if r.Healthy && m.Uptime()-changed > watchSettle {
			pause = watchSeldom
		}
		select {
		case <-ctx.Done():
			return statusOK
		case <-time.After(pause):
		}
	}
}

func encodeHealth(r *health.Report) ([]byte, error) {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the report: %w", err)
	}
	return append(data, '\n'), nil
}

func leaveHealth(root string, r *health.Report) error {
	path := filepath.Join(root, healthPath)
	data, err := encodeHealth(r)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = atomicfile.WriteNoSync(path, data, 0o644)
	}
	if err != nil {
		return fmt.Errorf("noting the report: %w", err)
	}
	return nil
}

// lastHealth is the last report, or nil where there is none of this boot.
func lastHealth(root string) (*health.Report, error) {
	data, err := atomicfile.ReadFile(filepath.Join(root, healthPath), maxRecord)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var r health.Report
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("reading %s: %w", healthPath, err)
	}
	return &r, nil
}
