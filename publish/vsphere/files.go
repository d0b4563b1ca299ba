package vsphere

import (
	"bytes"
	"context"
	"fmt"
	"path"

	"github.com/ingot-k8s/ingot/publish"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// isoName is the name of a config ISO on the datastore.
const isoName = "config.iso"

// isoFile is the path of a node's config ISO on the datastore.
func (r *run) isoFile(node string) string { return path.Join(r.Cluster, node, isoName) }

// isoPath is isoFile with the datastore.
func (r *run) isoPath(node string) string { return r.place.datastore.Path(r.isoFile(node)) }

// sendISO brings a node's config ISO to the datastore.
func (r *run) sendISO(w *wanted) []step {
	dir := r.place.datastore.Path(path.Dir(r.isoFile(w.Node)))
	return []step{
		{publish.Call{Method: "MakeDirectory", Target: dir}, func(ctx context.Context, _ report) error {
			err := object.NewFileManager(r.vim).MakeDirectory(ctx, dir, r.place.datacenter, true)
			if isFault[types.FileAlreadyExists](err) {
				return nil
			}
			return err
		}},
		{publish.Call{Method: "PUT", Target: r.isoPath(w.Node), Body: bytesOf(size(w.Identity))}, func(ctx context.Context, say report) error {
			n := int64(len(w.identity.data))
			upload := soap.DefaultUpload
			upload.ContentLength = n
			say(0, n)
			return r.place.datastore.Upload(ctx, bytes.NewReader(w.identity.data), r.isoFile(w.Node), &upload)
		}},
	}
}

// lookForISOs finds the config ISOs that the datastore has of the cluster.
func (r *run) lookForISOs(ctx context.Context) (*files, error) {
	browser, err := r.place.datastore.Browser(ctx)
	if err != nil {
		return nil, fmt.Errorf("looking into the datastore: %w", err)
	}
	root := r.place.datastore.Path(r.Cluster)
	task, err := browser.SearchDatastoreSubFolders(ctx, root, &types.HostDatastoreBrowserSearchSpec{MatchPattern: []string{"*"}})
	result, err := r.wait(ctx, task, err, func(int64, int64) {})
	if isFault[types.FileNotFound](err) {
		return &files{}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("looking into %s: %w", root, err)
	}
	found, ok := result.(types.ArrayOfHostDatastoreBrowserSearchResults)
	if !ok {
		return nil, fmt.Errorf("looking into %s: the server gives %T", root, result)
	}
	return r.filesOf(found.HostDatastoreBrowserSearchResults), nil
}

// files is what the datastore has in the cluster's folder.
type files struct {
	isos    []string // nodes, in the order of the server
	strange map[string]bool
	folders int // below the cluster's
	there   bool
}

// filesOf tells config ISOs from what others have put beside them.
func (r *run) filesOf(results []types.HostDatastoreBrowserSearchResults) *files {
	f := &files{strange: map[string]bool{}, there: true}
	for _, result := range results {
		var p object.DatastorePath
		p.FromString(result.FolderPath)
		dir := path.Clean(p.Path)
		node := path.Base(dir)
		if dir != r.Cluster {
			f.folders++
		}
		for _, info := range result.File {
			name := info.GetFileInfo().Path
			_, folder := info.(*types.FolderFileInfo)
			switch {
			case folder:
			case path.Dir(dir) == r.Cluster && name == isoName:
				f.isos = append(f.isos, node)
			default:
				f.strange[dir] = true
			}
		}
	}
	return f
}

// deleteFile removes a file or an empty folder of the datastore.
func (r *run) deleteFile(name string) step {
	target := r.place.datastore.Path(name)
	return step{publish.Call{Method: "DeleteDatastoreFile_Task", Target: target}, func(ctx context.Context, say report) error {
		task, err := object.NewFileManager(r.vim).DeleteDatastoreFile(ctx, target, r.place.datacenter)
		if _, err = r.wait(ctx, task, err, say); isFault[types.FileNotFound](err) {
			return nil
		}
		return err
	}}
}
