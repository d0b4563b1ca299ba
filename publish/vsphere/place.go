package vsphere

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

// place is where things go: the objects that the definition names.
type place struct {
	datacenter *object.Datacenter
	datastore  *object.Datastore
	pool       *object.ResourcePool
	host       *object.HostSystem // nil: the server chooses
	folder     *object.Folder
	network    object.NetworkReference
	backing    types.BaseVirtualDeviceBackingInfo // of the network
}

// findPlace looks up all names of the definition. All that are wrong are told
// at once.
func (r *run) findPlace(ctx context.Context) (*place, error) {
	p, w := &place{}, &r.Where
	var err error
	if p.datacenter, err = one(ctx, "datacenter", w.Datacenter, datacenterPath, r.finder.DatacenterList); err != nil {
		return nil, err // all others are in it
	}
	r.finder.SetDatacenter(p.datacenter)
	var errs []error
	note := func(err error) { errs = append(errs, err) }
	p.datastore, err = one(ctx, "datastore", w.Datastore, datastorePath, r.finder.DatastoreList)
	note(err)
	p.pool, err = r.findPool(ctx)
	note(err)
	if w.Host != "" && !r.standalone() {
		p.host, err = one(ctx, "host", w.Host, hostPath, r.finder.HostSystemList)
		note(err)
	}
	p.folder, err = r.findFolder(ctx, p.datacenter)
	note(err)
	p.network, err = one(ctx, "network", w.Network, networkPath, r.finder.NetworkList)
	note(err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if p.backing, err = p.network.EthernetCardBackingInfo(ctx); err != nil {
		return nil, fmt.Errorf("looking up network %q: %w", w.Network, err)
	}
	return p, nil
}

// Paths of objects in the inventory.
func datacenterPath(o *object.Datacenter) string   { return o.InventoryPath }
func datastorePath(o *object.Datastore) string     { return o.InventoryPath }
func computePath(o *object.ComputeResource) string { return o.InventoryPath }
func poolPath(o *object.ResourcePool) string       { return o.InventoryPath }
func hostPath(o *object.HostSystem) string         { return o.InventoryPath }
func folderPath(o *object.Folder) string           { return o.InventoryPath }
func networkPath(o object.NetworkReference) string { return o.GetInventoryPath() }

// one finds the object of a name or path, or the only one where no name is
// given. An error lists what there is.
func one[T any](ctx context.Context, kind, name string, pathOf func(T) string, list func(context.Context, string) ([]T, error)) (T, error) {
	var none T
	all, err := list(ctx, "*")
	var missing *find.NotFoundError
	if err != nil && !errors.As(err, &missing) {
		return none, fmt.Errorf("listing every %s: %w", kind, err)
	}
	var names []string
	var found []T
	for _, o := range all {
		short := path.Base(pathOf(o))
		names = append(names, short)
		if name == "" || name == short || name == pathOf(o) {
			found = append(found, o)
		}
	}
	slices.Sort(names)
	there := "there is none"
	if len(names) > 0 {
		there = "there is: " + strings.Join(slices.Compact(names), ", ")
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		return none, fmt.Errorf("publish.vsphere.%s: more than one fits %q, name one (%s)", kind, name, there)
	case name == "":
		return none, fmt.Errorf("publish.vsphere.%s: %s", kind, there)
	}
	// In a folder of its own, or below another object.
	if deep, err := list(ctx, name); err == nil && len(deep) == 1 {
		return deep[0], nil
	}
	return none, fmt.Errorf("publish.vsphere.%s: %q is not there (%s)", kind, name, there)
}

// findPool finds the resource pool: the one that is named, or that of the
// cluster or host.
func (r *run) findPool(ctx context.Context) (*object.ResourcePool, error) {
	w := &r.Where
	compute := w.Cluster
	if compute == "" && w.ResourcePool != "" && strings.Contains(w.ResourcePool, "/") {
		return one(ctx, "resourcePool", w.ResourcePool, poolPath, r.finder.ResourcePoolList)
	}
	if r.standalone() {
		compute = ""
	}
	c, err := one(ctx, "cluster", compute, computePath, r.finder.ComputeResourceList)
	if err != nil {
		return nil, err
	}
	if w.ResourcePool != "" {
		below := func(ctx context.Context, name string) ([]*object.ResourcePool, error) {
			return r.finder.ResourcePoolList(ctx, path.Join(c.InventoryPath, "Resources", name))
		}
		return one(ctx, "resourcePool", w.ResourcePool, poolPath, below)
	}
	pool, err := c.ResourcePool(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking up the resource pool of %s: %w", c.InventoryPath, err)
	}
	return pool, nil
}

// findFolder finds the folder of the machines; without a name it is the
// datacenter's.
func (r *run) findFolder(ctx context.Context, dc *object.Datacenter) (*object.Folder, error) {
	folders, err := dc.Folders(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking up the folders of the datacenter: %w", err)
	}
	if r.Where.Folder == "" {
		return folders.VmFolder, nil
	}
	below := func(ctx context.Context, name string) ([]*object.Folder, error) {
		if !path.IsAbs(name) {
			name = path.Join(folders.VmFolder.InventoryPath, name)
		}
		return r.finder.FolderList(ctx, name)
	}
	return one(ctx, "folder", r.Where.Folder, folderPath, below)
}

// where names the place, for people.
func (p *place) where() string {
	return path.Base(p.datacenter.InventoryPath) + ", datastore " + p.datastore.Name()
}
