package pki

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"golang.org/x/sync/errgroup"
)

// EnsureOptions say what to ensure.
type EnsureOptions struct {
	// Nodes are the names of the nodes to issue for; nil means all, and the spares.
	Nodes []string
	// Progress is told of every change when it is on the disk, never
	// concurrently; it may be nil.
	Progress func(Change)
}

// workersPerCPU keeps the processors busy while some nodes' files are on their
// way to the disk, which takes about as long as making a key.
const workersPerCPU = 4

// Ensure makes what is missing in the store and issues again what no longer
// matches the definition or ends soon; nothing else is touched, and a second
// run changes nothing. It returns the changes in the order of the definition,
// also those made before an error.
func (s *Store) Ensure(ctx context.Context, o EnsureOptions) ([]Change, error) {
	nodes, err := s.selectNodes(o.Nodes)
	if err != nil {
		return nil, err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.checkLedgerNotLost(); err != nil {
		return nil, err
	}
	if err := s.c.Indexes.Save(s.c.Dir); err != nil {
		return nil, err
	}
	r, err := s.begin(ctx, o.Progress)
	if err != nil {
		return r.changes, err
	}
	perNode := make([][]Change, len(nodes))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(workersPerCPU * runtime.GOMAXPROCS(0))
	for i, n := range nodes {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			made, err := r.node(ctx, n)
			perNode[i] = made
			r.tell(made)
			return err
		})
	}
	err = g.Wait()
	changes := r.changes
	for _, made := range perNode {
		changes = append(changes, made...)
	}
	return changes, err
}

func (s *Store) selectNodes(names []string) ([]*cluster.Node, error) {
	var out []*cluster.Node
	if names == nil {
		for i := range s.c.Nodes {
			out = append(out, &s.c.Nodes[i])
		}
	}
	for _, name := range names {
		n, ok := s.c.Node(name)
		if !ok {
			return nil, fmt.Errorf("key store: the definition has no node %q", name)
		}
		out = append(out, n)
	}
	for _, n := range out {
		if !validName(n.Name) {
			return nil, fmt.Errorf("key store: %q cannot be the name of a node", n.Name)
		}
	}
	return out, nil
}

// lock makes the store's folders, takes its lock, and clears away what runs
// that were killed left half-written.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	for _, dir := range []string{"", authoritiesDir, nodesDir, adminsDir} {
		path := filepath.Join(s.dir, dir)
		if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("key store: %w", err)
		}
		if info, err := os.Lstat(path); err != nil {
			return nil, fmt.Errorf("key store: %w", err)
		} else if !info.IsDir() {
			return nil, fmt.Errorf("key store: %s is not a folder", path)
		}
	}
	if unlock, err = lock(ctx, filepath.Join(s.dir, lockFile), s.waiting); err != nil {
		return nil, err
	}
	for _, dir := range []string{"", authoritiesDir, nodesDir, adminsDir} {
		left, _ := filepath.Glob(filepath.Join(s.dir, dir, ".*.tmp")) // the pattern is well-formed
		for _, path := range left {
			if err := os.Remove(path); err != nil {
				unlock()
				return nil, fmt.Errorf("key store: clearing away what a killed run left: %w", err)
			}
		}
	}
	return unlock, nil
}

// waiting tells a person why nothing happens.
func (s *Store) waiting() {
	s.o.Log.Warn(fmt.Sprintf("key store: %s: waiting for another run to end", s.dir))
}

// run is one run of [Store.Ensure] or of its kin, under the lock.
type run struct {
	s        *Store
	readers  *readers
	cas      map[Authority]*x509.Certificate
	made     map[Authority]AuthorityKey // authorities made by this run, whose keys need no decryption
	issuer   func() (Issuer, error)     // opened when first needed
	progress func(Change)
	changes  []Change // of everything but nodes

	mu sync.Mutex // for progress
}

// begin ensures all that nodes have in common. The run is never nil.
func (s *Store) begin(ctx context.Context, progress func(Change)) (*run, error) {
	r := &run{s: s, cas: map[Authority]*x509.Certificate{}, made: map[Authority]AuthorityKey{}, progress: progress}
	r.issuer = sync.OnceValues(func() (Issuer, error) { return r.openIssuer(ctx) })
	if err := r.ensureReaders(ctx); err != nil {
		return r, err
	}
	for _, a := range Authorities() {
		if err := r.ensureAuthority(ctx, a); err != nil {
			return r, err
		}
	}
	if err := r.checkDistinct(); err != nil {
		return r, err
	}
	if err := r.ensureShared(serviceAccount, s.newServiceAccount); err != nil {
		return r, err
	}
	return r, r.ensureShared(encryption, newEncryption)
}

// did records changes that are on the disk.
func (r *run) did(c ...Change) {
	r.changes = append(r.changes, c...)
	r.tell(c)
}

func (r *run) tell(changes []Change) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.progress != nil {
		for _, c := range changes {
			r.progress(c)
		}
	}
}

// save encrypts and writes a holder file.
func (r *run) save(holder string, public []entry, private secrets) error {
	h := &holderFile{cluster: r.s.c.Def.Name, holder: holder, clear: public}
	if private != nil {
		sealed, err := r.readers.seal(private)
		if err != nil {
			return r.at(holder, err)
		}
		h.sealed, h.readers = sealed, r.readers.fingerprint
	}
	return r.s.write(h)
}

// lifetime and renewBefore are those of the definition.
func (s *Store) lifetime() time.Duration    { return s.c.Def.PKI.CertLifetime.Std() }
func (s *Store) renewBefore() time.Duration { return s.c.Def.PKI.RenewBefore.Std() }
