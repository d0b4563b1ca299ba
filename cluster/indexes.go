package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
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
	ledger, err := parseIndexes(data)
	if err != nil {
		return nil, fmt.Errorf("reading index ledger: %s:%w", path, err)
	}
	return ledger, nil
}

// parseIndexes reads the lines "name: index" of a ledger. It is YAML, but of
// so plain a form that reading it as lines is simpler, says the line of what
// is wrong, and takes every name for what is written.
func parseIndexes(data []byte) (Indexes, error) {
	ledger := Indexes{}
	owner := map[int]string{}
	number := 0
	for line := range strings.Lines(string(bytes.TrimPrefix(data, byteOrderMark))) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		for _, marker := range []string{"<<<<<<<", "=======", ">>>>>>>"} {
			if strings.HasPrefix(line, marker) {
				return nil, fmt.Errorf("%d: a merge conflict; both sides gave out indexes: keep the lines of the nodes that have their identities, and let the others get new ones", number)
			}
		}
		name, value, _ := strings.Cut(line, ":")
		i, err := strconv.Atoi(strings.TrimSpace(value))
		switch {
		case err != nil || !dnsLabel.MatchString(name):
			return nil, fmt.Errorf("%d: %s is not a line of a ledger; want \"name: index\"", number, quoted(line))
		case i < 1 || i > maxIndex:
			return nil, fmt.Errorf("%d: index %d of %q is not in 1 to %d", number, i, name, maxIndex)
		}
		if was, twice := ledger[name]; twice {
			return nil, fmt.Errorf("%d: %q is given twice, with index %d and %d", number, name, was, i)
		}
		if other, taken := owner[i]; taken {
			return nil, fmt.Errorf("%d: %q and %q both have index %d; take out the line of the one that has no identity yet", number, other, name, i)
		}
		ledger[name], owner[i] = i, name
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

// Save writes the ledger into dir, if it has more than what is there. A name
// that is there and not in x, or has another index, was written by another run
// since x was made: that is an error, and the file stays as it is.
func (x Indexes) Save(dir string) error {
	old, err := LoadIndexes(dir)
	if err != nil {
		return err
	}
	changed := len(old) != len(x)
	for name, was := range old {
		if i, ok := x[name]; !ok || i != was {
			return fmt.Errorf("writing index ledger %s: another run gave %q index %d meanwhile; try again", filepath.Join(dir, IndexesFile), name, was)
		}
	}
	if !changed {
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
// they are, the others with free indexes of at most highest.
func (x Indexes) assign(nodes, spares []string, r ranges, highest int) (Indexes, error) {
	out := make(Indexes, len(x)+len(nodes)+len(spares))
	taken := make(map[int]bool, len(x))
	for name, i := range x {
		out[name], taken[i] = i, true
	}
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
