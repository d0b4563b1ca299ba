package edge

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// StatePath has what has become of the floating address on this node, until the
// machine goes down.
const StatePath = "/run/ingot/edge.json"

// maxState bounds what is read of the note, in bytes.
const maxState = 1 << 20

// State is what has become of the floating address.
type State struct {
	Here   bool   `json:"here"`             // the hook has taken it on this node
	Holder string `json:"holder,omitempty"` // of the Lease, as far as it is known
	// Problem is what the hook could not do, as long as it is wanted.
	Problem string `json:"problem,omitempty"`
}

// note leaves the state, where it is another than before.
func (e *Elector) note(holder string) {
	s := State{Here: e.has == here, Holder: holder, Problem: e.problem}
	if e.noted == nil || *e.noted != s {
		e.noted = &s
		e.Note(s)
	}
}

// Write leaves the note below a root folder.
func (s State) Write(root string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = atomicfile.WriteNoSync(filepath.Join(root, StatePath), append(data, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("noting the state of the floating address: %w", err)
	}
	return nil
}

// Read reads the note. The error is fs.ErrNotExist where there is none.
func Read(root string) (State, error) {
	data, err := atomicfile.ReadFile(filepath.Join(root, StatePath), maxState)
	if err != nil {
		return State{}, err
	}
	var s State
	if err := json.Unmarshal(data, &s); err != nil {
		return State{}, fmt.Errorf("reading %s: %w", StatePath, err)
	}
	return s, nil
}
