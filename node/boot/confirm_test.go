package boot

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestConfirm: the server is told when the identity is on a disk, and what is
// made of it; what it says does not stop the machine.
func TestConfirm(t *testing.T) {
	for name, c := range map[string]struct {
		noted, stamp string
		err          error
		told, said   string
	}{
		"run":         {noted: `{"action": "run", "disk": "/dev/sda"}`, stamp: provisionedStamp, told: "run"},
		"install":     {noted: `{"action": "install", "install": true, "installed": true}`, stamp: provisionedStamp, told: "install", said: "with the identity of the machine"},
		"installed":   {noted: `{"action": "run", "installed": true}`, stamp: provisionedStamp, told: "install"},
		"cloud-init":  {noted: `{"action": "run"}`, stamp: appliedStamp, told: "run"},
		"not yet":     {noted: `{"action": "run"}`},
		"not written": {noted: `{"action": "install", "install": true, "installed": true}`, said: "WITHOUT an identity"},
		"no server":   {noted: `{"action": "run"}`, stamp: provisionedStamp, told: "run", err: errors.New("no route to host"), said: "<2>ingot: the identity is kept, and the server was not told: no route to host"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, Auto)
			m.write(ignitionEngine, "")
			m.write(notedFile, c.noted)
			if c.stamp != "" {
				m.write(c.stamp, "")
			}
			told, ran := "", 0
			b := &boot{system: m, Config: Config{Root: m.root, Runner: m, Now: time.Now, Confirm: func(_ context.Context, line, dir, outcome string) error {
				if !strings.Contains(line, "ingot.boot=auto") || dir != m.root+fetchDir {
					t.Errorf("it is given the line %q and the folder %s", line, dir)
				}
				told, ran = outcome, len(m.programs)
				return c.err
			}}}
			m.write("dev/kmsg", "")
			b.say = (&kernelLog{path: b.at("/dev/kmsg")}).say
			if err := b.done(t.Context()); err != nil {
				t.Fatal(err)
			}
			if told != c.told || ran != 0 {
				t.Errorf("the server is told %q after %d programs, want %q before any", told, ran, c.told)
			}
			said(t, m.read("dev/kmsg"), c.said)
		})
	}
}
