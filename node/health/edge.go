package health

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/node/edge"
)

// floating reports whether the image has a hook that moves an address between
// the edges.
func (p *Prober) floating() bool {
	_, err := os.Stat(filepath.Join(p.Root, edge.HookPath))
	return err == nil
}

// edge is what "ingot-node edge" has left.
func (p *Prober) edge(context.Context) finding {
	const look = "journalctl -b -u ingot-edge.service"
	s, err := edge.Read(p.Root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return finding{Waiting, "not begun", look, "away"}
	case err != nil:
		return finding{Failed, why(err), look, "away"}
	case s.Problem != "":
		return finding{Failed, "the hook: " + s.Problem, look, "away"}
	case s.Here:
		return finding{OK, "the floating address is here", "", "here"}
	case s.Holder == "":
		return finding{OK, "the floating address is not here", "", "away"}
	}
	return finding{OK, "the floating address is at " + s.Holder, "", "away"}
}
