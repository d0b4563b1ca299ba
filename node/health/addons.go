package health

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/ingot-k8s/ingot/node/addons"
)

// addons is what "ingot-node addons" has left.
func (p *Prober) addons(context.Context) finding {
	const look = "journalctl -b -u ingot-addons.service"
	s, err := addons.Read(p.Root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return finding{state: Waiting, text: "not begun", do: look}
	case err != nil:
		return finding{state: Failed, text: why(err), do: look}
	case s.Applied:
		return finding{state: OK, text: "all are applied"}
	case s.Waiting != "":
		return finding{state: Waiting, text: "waiting for " + s.Waiting, do: look}
	}
	return finding{state: Failed, text: fmt.Sprintf("after %d attempts: %s", s.Attempts, strings.Join(s.Problems, "; ")), do: look}
}
