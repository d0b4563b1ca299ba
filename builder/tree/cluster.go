package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// ClusterOptions are what a cluster's tree is made of.
type ClusterOptions struct {
	Root    *Index        // of the tree that this one is laid over
	Entries []layer.Entry // as layer.Merge gives them
	Users   []layer.User  // as layer.Users gives them
	Date    time.Time     // of the lock; all files have it
}

// Cluster writes the tree of a cluster's layers as a tar stream, and tells what
// it has. On the machine it is laid over the root by overlayfs, where a folder
// has the attributes that it has in the upper tree: a folder that only leads to
// others gets those of the root. Owners' names are resolved, and accounts of
// layers are added to the root's.
func Cluster(ctx context.Context, w io.Writer, o ClusterOptions) (*Index, error) {
	if o.Root.Accounts == nil {
		return nil, errors.New("making the cluster's tree: the root's index has no accounts")
	}
	accounts, err := o.Root.Accounts.Add(o.Users, o.Date)
	if err != nil {
		return nil, fmt.Errorf("making the cluster's tree: %w", err)
	}
	t := entries{}
	var wrong []error
	for _, e := range o.Entries {
		made, err := over(o.Root, accounts, e)
		if err == nil {
			err = t.put(made)
		}
		wrong = append(wrong, err)
	}
	if len(o.Users) > 0 {
		wrong = append(wrong, t.addAccounts(o.Root, accounts))
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, fmt.Errorf("making the cluster's tree: %w", err)
	}
	if err := t.lead(o.Root); err != nil {
		return nil, fmt.Errorf("making the cluster's tree: %w", err)
	}
	nodes, err := t.write(ctx, w, o.Date)
	if err != nil {
		return nil, fmt.Errorf("writing the cluster's tree: %w", err)
	}
	return &Index{Format: indexFormat, Nodes: nodes, Accounts: accounts}, nil
}

// over makes the entry of a layer's entry that will lie over the root.
func over(root *Index, accounts *Accounts, e layer.Entry) (*entry, error) {
	out := &entry{Node: Node{Path: e.Path, Mode: bits(e.Mode)}}
	switch {
	case e.Mode.IsDir():
		out.Kind = KindFolder
	case e.Target != "":
		out.Kind, out.Target = KindLink, e.Target
	default:
		out.Kind = KindFile
		out.set(e.Content)
	}
	old, there := root.Find(e.Path)
	if there && (old.Kind == KindFolder) != (out.Kind == KindFolder) {
		return nil, fmt.Errorf("%s is a %s in the base, and a %s in a layer", e.Path, old.Kind, out.Kind)
	}
	if there && e.Implied {
		out.Node = old
		return out, nil
	}
	var errUser, errGroup error
	out.UID, errUser = accounts.user(e.User)
	out.GID, errGroup = accounts.group(e.Group)
	if err := errors.Join(errUser, errGroup); err != nil {
		return nil, fmt.Errorf("%s: %w", e.Path, err)
	}
	return out, nil
}

// addAccounts lays the files of accounts over the root's, with its modes.
func (t entries) addAccounts(root *Index, a *Accounts) error {
	var wrong []error
	for _, f := range a.files() {
		old, ok := root.Find(f.path)
		if !ok {
			return fmt.Errorf("the root has no %s", f.path)
		}
		e := &entry{Node: old}
		e.set([]byte(*f.text))
		wrong = append(wrong, t.put(e))
	}
	return errors.Join(wrong...)
}

// lead adds the folders that lead to what is there, with the root's attributes,
// and checks that the root has no links in their place.
func (t entries) lead(root *Index) error {
	if _, ok := t["/"]; !ok { // there is a root even of nothing
		t["/"] = folder("/", 0o755)
	}
	for _, p := range slices.Sorted(maps.Keys(t)) {
		parents(p, func(dir string) {
			if _, ok := t[dir]; ok {
				return
			}
			t[dir] = folder(dir, 0o755)
			if old, ok := root.Find(dir); ok {
				t[dir].Node = old
			}
		})
	}
	var wrong []error
	for _, p := range slices.Sorted(maps.Keys(t)) {
		if old, ok := root.Find(p); ok && t[p].Kind == KindFolder && old.Kind != KindFolder {
			wrong = append(wrong, fmt.Errorf("%s is a %s in the base, and a folder in a layer", p, old.Kind))
		}
	}
	return errors.Join(wrong...)
}
