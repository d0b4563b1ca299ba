package vsphere

import (
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
)

// TestNames has names that are not there. The error says what is.
func TestNames(t *testing.T) {
	w := newWorld(t, vCenter())
	for want, change := range map[string]func(*cluster.PublishVSphere){
		`publish.vsphere.datacenter: "DC9" is not there (there is: DC0)`:          func(p *cluster.PublishVSphere) { p.Datacenter = "DC9" },
		`publish.vsphere.datastore: "ssd" is not there (there is: LocalDS_0)`:     func(p *cluster.PublishVSphere) { p.Datastore = "ssd" },
		`publish.vsphere.cluster: "C9" is not there (there is: DC0_C0)`:           func(p *cluster.PublishVSphere) { p.Cluster = "C9" },
		`publish.vsphere.host: "esx9" is not there (there is: DC0_C0_H0)`:         func(p *cluster.PublishVSphere) { p.Host = "esx9" },
		`publish.vsphere.resourcePool: "rp" is not there (there is none)`:         func(p *cluster.PublishVSphere) { p.ResourcePool = "rp" },
		`publish.vsphere.folder: "k8s" is not there (there is none)`:              func(p *cluster.PublishVSphere) { p.Folder = "k8s" },
		`publish.vsphere.network: "lan" is not there (there is: DC0_DVPG0, DVS0,`: func(p *cluster.PublishVSphere) { p.Network = "lan" },
	} {
		t.Run(want, func(t *testing.T) {
			old := w.cfg.Where
			defer func() { w.cfg.Where = old }()
			change(&w.cfg.Where)
			if err := w.fails(t.Context(), t); !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
			want2 := w.Calls()
			if len(want2) > 0 {
				t.Errorf("calls were made: %v", want2)
			}
		})
	}
	w.cfg.Where.Datastore, w.cfg.Where.Network = "ssd", "lan"
	if err := w.fails(t.Context(), t); !strings.Contains(err.Error(), "datastore:") || !strings.Contains(err.Error(), "network:") {
		t.Errorf("got %v, want both at once", err)
	}
}

// TestPlaces publishes to places that are named in other ways.
func TestPlaces(t *testing.T) {
	for name, change := range map[string]func(*cluster.PublishVSphere){
		"distributed network": func(p *cluster.PublishVSphere) { p.Network = "DC0_DVPG0" },
		"host and pool":       func(p *cluster.PublishVSphere) { p.Host, p.ResourcePool = "DC0_C0_H0", "DC0_C0_RP1" },
		"paths": func(p *cluster.PublishVSphere) {
			p.Datacenter, p.Datastore, p.Network = "/DC0", "/DC0/datastore/LocalDS_0", "/DC0/network/VM Network"
		},
		"folder":   func(p *cluster.PublishVSphere) { p.Folder = "F0" },
		"firmware": func(p *cluster.PublishVSphere) { p.Firmware = "bios" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			model := vCenter()
			if name == "host and pool" {
				model.Pool = 1
			}
			w := newWorld(t, model)
			if name == "folder" {
				w.folder(t, "F0")
			}
			change(&w.cfg.Where)
			w.publish(t)
			s := w.publish(t)
			want(t, "items of a second run", states(s), []string{"template prod-" + imageA + " kept", "machine master0 kept", "machine worker0 kept"})
			want(t, "calls of it", len(s.Calls), 0)
			for _, i := range s.Items {
				want(t, "note of "+i.Name, i.Note, "")
			}
		})
	}
}

// folder makes a folder for machines.
func (w *world) folder(t *testing.T, name string) {
	t.Helper()
	dc := w.Model.Map().Any("Datacenter").(*simulator.Datacenter)
	c, err := govmomi.NewClient(t.Context(), w.URL, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := object.NewFolder(c.Client, dc.VmFolder).CreateFolder(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	w.Forget(nil)
}
