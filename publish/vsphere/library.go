package vsphere

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/publish"
	"github.com/vmware/govmomi/vapi/library"
	"github.com/vmware/govmomi/vapi/rest"
	"github.com/vmware/govmomi/vim25/soap"
)

const kindItem = "library item"

// shelf is the content library of the definition.
type shelf struct {
	*library.Manager
	rest    *rest.Client
	library *library.Library
	items   []library.Item // all that are in it
}

// findLibrary finds the content library; nil where the definition has none.
func (r *run) findLibrary(ctx context.Context) (*shelf, error) {
	name := r.Where.ContentLibrary
	if name == "" {
		return nil, nil // most have none
	}
	if r.standalone() {
		return nil, errors.New("publish.vsphere.contentLibrary: a single ESXi host has no content libraries")
	}
	s := &shelf{rest: rest.NewClient(r.vim)}
	if err := s.rest.Login(ctx, r.user); err != nil {
		return nil, fmt.Errorf("logging in for content libraries: %w", err)
	}
	s.Manager = library.NewManager(s.rest)
	all, err := s.GetLibraries(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing content libraries: %w", err)
	}
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
		if l.Name == name {
			s.library = &l
		}
	}
	if s.library == nil {
		slices.Sort(names)
		return nil, fmt.Errorf("publish.vsphere.contentLibrary: %q is not there (there is: %s)", name, strings.Join(names, ", "))
	}
	if s.items, err = s.GetLibraryItems(ctx, s.library.ID); err != nil {
		return nil, fmt.Errorf("listing the items of %s: %w", name, err)
	}
	return s, nil
}

// description carries our marks: items have no settings.
func (r *run) description(image, state string) *string {
	text := fmt.Sprintf("%s=%s %s=%s %s=%s", markCluster, r.Cluster, markImage, image, markState, state)
	return &text
}

// libraryMarks are the marks of an item; the zero value if it is not ours.
func libraryMarks(i library.Item) marks {
	var m marks
	if i.Description == nil {
		return m
	}
	for _, word := range strings.Fields(*i.Description) {
		switch key, value, _ := strings.Cut(word, "="); key {
		case markCluster:
			m.Cluster = value
		case markImage:
			m.Image = value
		case markState:
			m.State = value
		}
	}
	return m
}

// planLibrary says what is to be done for the content library.
func (r *run) planLibrary(ctx context.Context) (*job, error) {
	name := r.templateName()
	j := &job{name: kindItem + " " + name, item: publish.Item{Kind: kindItem, Name: name, Where: r.Where.ContentLibrary, State: publish.Kept}}
	for _, i := range r.shelf.items {
		m := libraryMarks(i)
		switch {
		case m.Cluster == r.Cluster && m.Image == r.Image.ID && m.State == stateReady:
			j.item.ID = i.ID
			return j, nil
		case m.Cluster == r.Cluster && m.Image == r.Image.ID:
			j.add(r.deleteItem(i))
		case i.Name == name:
			return nil, fmt.Errorf("the content library %s has an item %q that is not of the cluster %s", r.Where.ContentLibrary, name, r.Cluster)
		}
	}
	if err := r.readImage(ctx); err != nil {
		return nil, err
	}
	j.item.State = publish.Created
	r.addItem(j)
	return j, nil
}

// shelving is an item in the making.
type shelving struct {
	r       *run
	id      string
	session string
}

func (r *run) addItem(j *job) {
	s := &shelving{r: r}
	name := r.templateName()
	j.add(
		step{publish.Call{Method: "POST", Target: "content/library/item", Body: map[string]any{
			"library": r.Where.ContentLibrary, "name": name, "description": r.description(r.Image.ID, stateMaking),
		}}, s.create},
		step{publish.Call{Method: "POST", Target: "content/library/item/update-session", Body: name}, s.begin},
	)
	text := func(report) (io.Reader, func() error, error) {
		return bytes.NewReader(r.image.descriptor), func() error { return nil }, nil
	}
	disk := func(say report) (io.Reader, func() error, error) {
		d, err := r.image.open(say)
		if err != nil {
			return nil, nil, err
		}
		return d, d.close, nil
	}
	j.add(s.file(r.image.name, int64(len(r.image.descriptor)), text)...)
	j.add(s.file(r.image.disk, r.image.diskSize, disk)...)
	j.add(
		step{publish.Call{Method: "POST", Target: "content/library/item/update-session?~action=complete", Body: name}, s.complete},
		step{publish.Call{Method: "PATCH", Target: "content/library/item", Body: map[string]any{
			"name": name, "description": r.description(r.Image.ID, stateReady),
		}}, func(ctx context.Context, _ report) error {
			return r.shelf.UpdateLibraryItem(ctx, &library.Item{ID: s.id, Name: name, Description: r.description(r.Image.ID, stateReady)})
		}},
	)
	j.failed = s.cancel
	j.after = func(i *publish.Item) { i.ID = s.id }
}

func (s *shelving) create(ctx context.Context, _ report) (err error) {
	s.id, err = s.r.shelf.CreateLibraryItem(ctx, library.Item{
		Name: s.r.templateName(), Type: library.ItemTypeOVF, LibraryID: s.r.shelf.library.ID, Description: s.r.description(s.r.Image.ID, stateMaking),
	})
	return err
}

func (s *shelving) begin(ctx context.Context, _ report) (err error) {
	s.session, err = s.r.shelf.CreateLibraryItemUpdateSession(ctx, library.Session{LibraryItemID: s.id})
	return err
}

// file sends a file of the archive.
func (s *shelving) file(name string, size int64, open func(report) (io.Reader, func() error, error)) []step {
	var to *url.URL
	return []step{
		{publish.Call{Method: "POST", Target: "content/library/item/updatesession/file", Body: name}, func(ctx context.Context, _ report) error {
			file, err := s.r.shelf.AddLibraryItemFile(ctx, s.session, library.UpdateFile{
				Name: name, SourceType: "PUSH", Size: size, Checksum: &library.Checksum{Algorithm: "SHA256", Checksum: s.r.image.sums[name]},
			})
			if err != nil {
				return err
			}
			to, err = url.Parse(file.UploadEndpoint.URI)
			return err
		}},
		{publish.Call{Method: "PUT", Target: name, Body: bytesOf(size)}, func(ctx context.Context, say report) error {
			content, end, err := open(say)
			if err != nil {
				return err
			}
			upload := soap.DefaultUpload
			upload.ContentLength = size
			upload.Headers = map[string]string{"vmware-api-session-id": s.session}
			err = s.r.shelf.rest.Upload(ctx, content, to, &upload)
			return errors.Join(err, end())
		}},
	}
}

// complete has the server check what it got.
func (s *shelving) complete(ctx context.Context, _ report) error {
	if err := s.r.shelf.CompleteLibraryItemUpdateSession(ctx, s.session); err != nil {
		return err
	}
	err := s.r.shelf.WaitOnLibraryItemUpdateSession(ctx, s.session, time.Second, nil)
	s.session = ""
	return err
}

// cancel gives up what was begun.
func (s *shelving) cancel(ctx context.Context) {
	if s.session == "" {
		return
	}
	ctx, cancel := late(ctx)
	defer cancel()
	_ = s.r.shelf.CancelLibraryItemUpdateSession(ctx, s.session) // the marks tell the next run, whatever comes of it
}

// deleteItem removes an item with its files.
func (r *run) deleteItem(i library.Item) step {
	return step{publish.Call{Method: "DELETE", Target: "content/library/item/" + i.ID}, func(ctx context.Context, _ report) error {
		return r.shelf.DeleteLibraryItem(ctx, &i)
	}}
}

// ours are the items of the cluster.
func (s *shelf) ours(cluster string) []library.Item {
	if s == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(s.items), func(i library.Item) bool { return libraryMarks(i).Cluster != cluster })
}
