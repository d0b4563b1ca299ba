package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"go.yaml.in/yaml/v3"
)

// IndexesFile is the name of the ledger beside cluster.yaml.
const IndexesFile = "indexes.yaml"

// Indexes is the ledger of node indexes: which name has which index, for the
// life of the cluster. It is what makes derivation stable: a node that was
// ever given an index keeps it, whatever is added to or removed from the
// definition around it, and the index of a removed node is not given to
// another one. Nodes take the lowest free index, spares the highest, so that
// neither is in the way of the other.
type Indexes map[string]int

// maxLedger bounds the ledger's size: 5,500 lines of at most 63+8 bytes.
const maxLedger = 512 << 10

// LoadIndexes reads the ledger of the cluster in dir. Without one it gives an
// empty ledger.
func LoadIndexes(dir string) (Indexes, error) {
	path := filepath.Join(dir, IndexesFile)
	data, err := atomicfile.ReadFile(path, maxLedger)
	if errors.Is(err, fs.ErrNotExist) {
		return Indexes{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading index ledger: %w", err)
	}
	ledger := Indexes{}
	if err := yaml.Unmarshal(data, &ledger); err != nil {
		return nil, fmt.Errorf("reading index ledger %s: %w", path, err)
	}
	owner := make(map[int]string, len(ledger))
	for _, name := range ledger.names() {
		i := ledger[name]
		if i < 1 || i > maxIndex {
			return nil, fmt.Errorf("reading index ledger %s: index %d of %q is not in 1 to %d", path, i, name, maxIndex)
		}
		if other, taken := owner[i]; taken {
			return nil, fmt.Errorf("reading index ledger %s: %q and %q both have index %d", path, other, name, i)
		}
		owner[i] = name
	}
	return ledger, nil
}

// Encode writes the ledger as YAML, ordered by index.
func (x Indexes) Encode() []byte {
	var b strings.Builder
	b.WriteString("# Which node has which index, for the life of the cluster. Written by ingot; commit it\n" +
		"# with the definition. Lines of removed nodes stay, so that no other node gets their addresses.\n")
	for _, name := range x.names() {
		fmt.Fprintf(&b, "%s: %d\n", name, x[name])
	}
	return []byte(b.String())
}

// Save writes the ledger into dir, if it differs from what is there.
func (x Indexes) Save(dir string) error {
	old, err := LoadIndexes(dir)
	if err != nil {
		return err
	}
	same := len(old) == len(x)
	for name, i := range x {
		if was, ok := old[name]; ok && was != i {
			return fmt.Errorf("writing index ledger: %q has index %d there and %d here; another run has changed it, try again", name, was, i)
		} else if !ok {
			same = false
		}
	}
	if same {
		return nil
	}
	if err := atomicfile.Write(filepath.Join(dir, IndexesFile), x.Encode(), 0o644); err != nil {
		return fmt.Errorf("writing index ledger: %w", err)
	}
	return nil
}

func (x Indexes) names() []string {
	names := make([]string, 0, len(x))
	for name := range x {
		names = append(names, name)
	}
	sort.Slice(names, func(a, b int) bool {
		if x[names[a]] != x[names[b]] {
			return x[names[a]] < x[names[b]]
		}
		return names[a] < names[b]
	})
	return names
}

// errFull says that the ranges have no room for another node.
var errFull = errors.New("no free index")

// assign returns a ledger that has every node and spare in it: those of x as
// they are, the others with free indexes.
func (x Indexes) assign(nodes, spares []string, r ranges) (Indexes, error) {
	out := make(Indexes, len(x)+len(nodes)+len(spares))
	taken := make(map[int]bool, len(x))
	for name, i := range x {
		out[name], taken[i] = i, true
	}
	_, highest := r.capacity()
	give := func(names []string, from, to, step int) error {
		i := from
		for _, name := range names {
			if _, has := out[name]; has {
				continue
			}
			for i != to && (taken[i] || !r.usable(i)) {
				i += step
			}
			if i == to {
				return fmt.Errorf("%w for node %q", errFull, name)
			}
			out[name], taken[i] = i, true
		}
		return nil
	}
	if err := give(nodes, 1, highest+1, 1); err != nil {
		return nil, err
	}
	return out, give(spares, highest, 0, -1)
}
