package vsphere

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/publish"
	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vapi/library"
	"github.com/vmware/govmomi/vapi/rest"
)

// libraries are those of the simulator.
func (w *world) libraries(t *testing.T) *library.Manager {
	t.Helper()
	c, err := govmomi.NewClient(t.Context(), w.URL, true)
	if err != nil {
		t.Fatal(err)
	}
	r := rest.NewClient(c.Client)
	if err := r.Login(t.Context(), w.URL.User); err != nil {
		t.Fatal(err)
	}
	return library.NewManager(r)
}

// shelved is a world with a content library.
func shelved(t *testing.T) (*world, *library.Manager) {
	t.Helper()
	w := newWorld(t, vCenter())
	m := w.libraries(t)
	ds := w.Model.Map().Any("Datastore").(*simulator.Datastore)
	if _, err := m.CreateLibrary(t.Context(), library.Library{
		Name: "images", Type: "LOCAL", Storage: []library.StorageBacking{{DatastoreID: ds.Self.Value, Type: "DATASTORE"}},
	}); err != nil {
		t.Fatal(err)
	}
	w.cfg.Where.ContentLibrary = "images"
	w.cfg.Machines = nil
	w.Forget(nil)
	return w, m
}

// itemsOf are the items of all libraries.
func itemsOf(t *testing.T, m *library.Manager) []string {
	t.Helper()
	all, err := m.GetLibraries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, l := range all {
		items, err := m.GetLibraryItems(t.Context(), l.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items {
			files, err := m.ListLibraryItemFiles(t.Context(), i.ID)
			if err != nil {
				t.Fatal(err)
			}
			line := i.Name + " " + libraryMarks(i).State
			for _, f := range files {
				line += " " + f.Name
			}
			out = append(out, line)
		}
	}
	return out
}

// TestLibrary brings the image to a content library, too.
func TestLibrary(t *testing.T) {
	name := "prod-" + imageA
	w, m := shelved(t)
	w.cfg.DryRun = true
	dry := w.publish(t)
	want(t, "items of a dry run", itemsOf(t, m), nil)
	w.cfg.DryRun = false
	w.Forget(nil)
	s := w.publish(t)
	want(t, "calls", w.Calls(), methodsOf(dry))
	want(t, "items", states(s), []string{"template " + name + " created", "library item " + name + " created"})
	whole := []string{name + " ready " + name + ".ovf " + name + "-disk1.vmdk"}
	want(t, "the library", itemsOf(t, m), whole)
	s = w.publish(t)
	want(t, "items of a second run", states(s), []string{"template " + name + " kept", "library item " + name + " kept"})
	want(t, "calls of a second run", methodsOf(s), nil)

	s, err := w.destination(t).List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want(t, "what there is", states(s), []string{"template " + name + " found", "library item " + name + " found"})
	if _, err := w.destination(t).Delete(t.Context(), publish.Removal{}); err != nil {
		t.Fatal(err)
	}
	want(t, "the library after all", itemsOf(t, m), nil)
}

// TestLibraryTrouble has each call of a run be interrupted, and runs again.
func TestLibraryTrouble(t *testing.T) {
	name := "prod-" + imageA
	w, m := shelved(t)
	for k := range len(w.publish(t).Calls) {
		if _, err := w.destination(t).Delete(t.Context(), publish.Removal{}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w.Forget(func(n int, _ string, _ http.ResponseWriter, next func()) {
			next()
			if n == k+1 {
				cancel()
			}
		})
		_, err := w.destination(t).Publish(ctx)
		cancel()
		w.Settle()
		w.Forget(nil)
		w.publish(t)
		want(t, "the library", itemsOf(t, m), []string{name + " ready " + name + ".ovf " + name + "-disk1.vmdk"})
		if t.Failed() {
			t.Fatalf("after an interruption of call %d: %v", k+1, err)
		}
	}
}

// TestLibraryErrors has libraries and items that are not as they should be.
func TestLibraryErrors(t *testing.T) {
	w, m := shelved(t)
	w.cfg.Where.ContentLibrary = "pictures"
	if err := w.fails(t.Context(), t); !strings.Contains(err.Error(), `publish.vsphere.contentLibrary: "pictures" is not there (there is: images)`) {
		t.Errorf("got %v", err)
	}
	w.cfg.Where.ContentLibrary = "images"
	l, err := m.GetLibraryByName(t.Context(), "images")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.CreateLibraryItem(t.Context(), library.Item{Name: "prod-" + imageA, Type: library.ItemTypeOVF, LibraryID: l.ID}); err != nil {
		t.Fatal(err)
	}
	if err := w.fails(t.Context(), t); !strings.Contains(err.Error(), "that is not of the cluster prod") {
		t.Errorf("got %v", err)
	}
	host := newWorld(t, simulator.ESX())
	host.cfg.Where.ContentLibrary = "images"
	if err := host.fails(t.Context(), t); !strings.Contains(err.Error(), "a single ESXi host has no content libraries") {
		t.Errorf("got %v", err)
	}
}
