package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab"
)

// TestLabView: a terminal gets the table again in the place of the last one,
// anything else a line where something has changed.
func TestLabView(t *testing.T) {
	began := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	status := func(seconds int, boot lab.Boot) *lab.Status {
		at := began.Add(time.Duration(seconds) * time.Second)
		m := lab.MachineStatus{Name: "lab0", Roles: []cluster.Role{cluster.Worker}, Power: lab.PowerOn, Since: began}
		m.Boot = boot
		return &lab.Status{Began: began, At: at, Machines: []lab.MachineStatus{m}}
	}
	for _, live := range []bool{true, false} {
		var said bytes.Buffer
		view := &labView{app: &app{stderr: &said}, live: live}
		view.show(status(1, lab.BootKernel))
		view.show(status(2, lab.BootKernel))
		view.show(status(3, lab.BootAccepted))
		view.end()
		view.app.say("and more")
		got := said.String()
		if live {
			tables := strings.Split(got, "\r\x1b[2A\x1b[J")
			if len(tables) != 3 || strings.Count(tables[1], "\n") != 2 || !strings.Contains(tables[1], "kernel") ||
				!strings.HasSuffix(tables[2], "3 s\nand more\n") {
				t.Errorf("a terminal gets %q", got)
			}
			continue
		}
		want := "   1 s  lab0: power on, boot kernel\n   3 s  lab0: boot accepted\nand more\n"
		if got != want {
			t.Errorf("a pipe gets %q, want %q", got, want)
		}
	}
}
