package etcd

import (
	"context"
	"errors"
	"net"
	"time"
)

// Level says how much a line matters.
type Level int

// Levels, as syslog(3) has them.
const (
	Error   Level = 3
	Warning Level = 4
	Notice  Level = 5
)

// Config is what a Keeper works with: the edges of a machine, so that tests
// have others. Fields without a default must be set.
type Config struct {
	Root string // "/", or a folder that stands for it
	Now  func() time.Time
	// Say tells people a line, without a name in front.
	Say func(level Level, text string)
	// Ready is called when etcd may start. Status tells what goes on.
	Ready  func()
	Status func(text string)
	// Start has the unit of etcd started and does not wait; Stop waits.
	Start, Stop func(ctx context.Context) error
	// Dial and Listen are for TCP.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Listen func(ctx context.Context, address string) (net.Listener, error)

	Interval    time.Duration // between two rounds; default 3 s
	AskTimeout  time.Duration // for one question; default 15 s
	AliveWindow time.Duration // for how long a member must show no life until it is dead; default 20 s
	// TwinAfter is how long a member must be alive to be another machine with
	// this identity, and not what the others have not noticed yet; default 30 s.
	// TwinQuiet is how long such a machine must be gone until this one takes its
	// place; default 10 min.
	TwinAfter, TwinQuiet time.Duration
	Remind               time.Duration // after which the same is said again; default 1 min
	Spacing              time.Duration // between two lines about waiting; default 10 s
	Idle                 time.Duration // between two looks at a member that is well; default 1 min
	Patience             time.Duration // for how long etcd may have no data after its start, until it is decided anew; default 5 min

	// Crash, where it is set, is called at the end of each step with its name.
	// Tests end the keeper there.
	Crash func(step string)
}

// Keeper looks after one controller's etcd.
type Keeper struct {
	Config
	facts *Facts
	pulse *pulse

	said     string
	saidAt   time.Time
	decision Decision
}

// New checks a Config and fills in its defaults.
func New(c Config) (*Keeper, error) {
	if c.Now == nil || c.Say == nil || c.Start == nil || c.Stop == nil || c.Root == "" {
		return nil, errors.New("etcd: Root, Now, Say, Start and Stop must be set")
	}
	for field, value := range map[*time.Duration]time.Duration{
		&c.Interval: 3 * time.Second, &c.AskTimeout: 15 * time.Second, &c.AliveWindow: 20 * time.Second,
		&c.TwinAfter: 30 * time.Second, &c.TwinQuiet: 10 * time.Minute, &c.Remind: time.Minute, &c.Spacing: 10 * time.Second, &c.Idle: time.Minute, &c.Patience: 5 * time.Minute,
	} {
		if *field == 0 {
			*field = value
		}
	}
	if c.Dial == nil {
		// A machine that is off says nothing at all.
		c.Dial = (&net.Dialer{Timeout: 5 * time.Second}).DialContext
	}
	if c.Listen == nil {
		c.Listen = func(ctx context.Context, address string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		}
	}
	if c.Ready == nil {
		c.Ready = func() {}
	}
	if c.Status == nil {
		c.Status = func(string) {}
	}
	if c.Crash == nil {
		c.Crash = func(string) {}
	}
	k := &Keeper{Config: c}
	var err error
	k.facts, err = ReadFacts(c.Root)
	return k, err
}
