// Package addons is what is known about applying the cluster's add-ons: the
// command line of kubectl, what it said, and the note that is left for others.
package addons

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Dir has the manifests of the image, by whose names they are in order.
const Dir = "/usr/lib/ingot/addons"

// StatePath has what came of them, until the machine goes down.
const StatePath = "/run/ingot/addons.json"

// maxState bounds what is read of the note, in bytes.
const maxState = 1 << 20

// State is what came of the add-ons so far.
type State struct {
	Applied  bool     `json:"applied"`
	Waiting  string   `json:"waiting,omitempty"`  // for what, before the first attempt
	Problems []string `json:"problems,omitempty"` // what kubectl complained about
	Attempts int      `json:"attempts"`
	// Time is that of the last attempt.
	Time time.Time `json:"time,omitzero"`
}

// Write leaves the note below a root folder.
func (s State) Write(root string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err == nil {
		err = atomicfile.WriteNoSync(filepath.Join(root, StatePath), append(data, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("noting the state of the add-ons: %w", err)
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

// Target is whom kubectl speaks to, as whom.
type Target struct {
	Program                     string // kubectl
	Server                      string // URL
	Authority, Certificate, Key string // files
	User                        string // impersonated, in the group system:masters
	Cache                       string // folder
}

// Apply is the command line that applies all manifests of a folder in the order
// of their names. One run does them all, because to start kubectl takes seconds
// on slow machines; it goes on after what it cannot apply.
func (t Target) Apply(dir string) []string {
	return []string{
		t.Program, "apply", "--server-side", "--force-conflicts", "--field-manager=ingot",
		"--kubeconfig=/dev/null", "--server=" + t.Server, "--tls-server-name=kubernetes",
		"--certificate-authority=" + t.Authority, "--client-certificate=" + t.Certificate, "--client-key=" + t.Key,
		"--as=" + t.User, "--as-group=system:masters", "--cache-dir=" + t.Cache,
		"--filename=" + dir,
	}
}

// mostProblems bounds the note: what is wrong with one add-on often comes once
// for each of its objects.
const mostProblems = 20

// Problems is what kubectl complained about, one a line, without its warnings.
func Problems(stderr string) []string {
	var out []string
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(strings.ReplaceAll(line, Dir+"/", ""))
		if line == "" || strings.HasPrefix(line, "Warning:") {
			continue
		}
		if len(out) == mostProblems {
			return append(out, "and more")
		}
		out = append(out, line)
	}
	return out
}
