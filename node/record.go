package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/node/identity"
)

// What a decision leaves, below the root, until the machine goes down.
const (
	// okPath is there while the identity is accepted. It has the main facts of
	// the decision, for EnvironmentFile= and shells.
	okPath = "run/ingot/node.ok"
	// decisionPath has the whole decision, for status.
	decisionPath = identity.DecisionPath
)

// maxRecord bounds what is read of such a file, in bytes.
const maxRecord = 1 << 20

// record leaves the decision for others. Once a machine is refused, or the
// decision could not be noted, nothing finds it accepted any more.
func record(root string, d *identity.Decision) error {
	err := note(root, d)
	if err == nil && d.Accepted {
		return nil
	}
	if gone := os.Remove(filepath.Join(root, okPath)); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return fmt.Errorf("noting the decision: %w", err)
	}
	return nil
}

func note(root string, d *identity.Decision) error {
	data, err := json.MarshalIndent(d, "", " ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, filepath.Dir(okPath)), 0o755); err != nil {
		return err
	}
	if err := writeIfOther(filepath.Join(root, decisionPath), string(data)+"\n"); err != nil || !d.Accepted {
		return err
	}
	return writeIfOther(filepath.Join(root, okPath), okText(d))
}

// okText is the content of node.ok. No value has a character that an
// environment file would have to quote.
func okText(d *identity.Decision) string {
	return "INGOT_CLUSTER=" + d.Cluster +
		"\nINGOT_NODE=" + d.Node +
		"\nINGOT_INDEX=" + strconv.Itoa(d.Index) +
		"\nINGOT_ROLES=" + strings.Join(d.Roles, ",") +
		"\nINGOT_IMAGE=" + d.Image.ID + "\n" + nodePorts(d)
}

// nodePorts has kube-proxy serve NodePorts at every address of an edge. Its unit
// has them in the mesh alone where nothing else is said.
func nodePorts(d *identity.Decision) string {
	if !slices.Contains(d.Roles, "edge") {
		return ""
	}
	var all []string
	if slices.ContainsFunc(d.Addresses, netip.Addr.Is4) {
		all = append(all, "0.0.0.0/0")
	}
	if slices.ContainsFunc(d.Addresses, netip.Addr.Is6) {
		all = append(all, "::/0")
	}
	return "INGOT_NODEPORTS=" + strings.Join(all, ",") + "\n"
}

// writeIfOther makes a file that everyone may read have this content, and
// leaves one that has it alone.
func writeIfOther(path, content string) error {
	if data, err := atomicfile.ReadFile(path, maxRecord); err == nil && string(data) == content {
		return nil
	}
	return atomicfile.Write(path, []byte(content), 0o644)
}

// recorded reads what was decided last. The error is fs.ErrNotExist where
// nothing was.
func recorded(root string) (*identity.Decision, error) {
	data, err := atomicfile.ReadFile(filepath.Join(root, decisionPath), maxRecord)
	if err != nil {
		return nil, err
	}
	var d identity.Decision
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("reading %s: %w", decisionPath, err)
	}
	return &d, nil
}
