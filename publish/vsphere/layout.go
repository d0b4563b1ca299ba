package vsphere

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// Layout is all that [Destination.Publish] makes of a template on a vCenter, as
// data for another tool that makes it. Its JSON keys are the variables of
// deploy/terraform/vsphere. There is no secret in it.
type Layout struct {
	Template     string                   `json:"template"`
	Datacenter   string                   `json:"datacenter"`
	Datastore    string                   `json:"datastore"`
	Host         *string                  `json:"host"`          // null: the cluster chooses
	ResourcePool string                   `json:"resource_pool"` // path below the datacenter's hosts
	Folder       string                   `json:"folder"`        // path below the datacenter's machines; empty for the datacenter's own
	Network      string                   `json:"network"`
	Firmware     string                   `json:"firmware"`
	Identity     string                   `json:"identity"` // iso or guestinfo
	Nodes        map[string]MachineLayout `json:"nodes"`    // by name
}

// MachineLayout is the machine of a node.
type MachineLayout struct {
	CPUs      int               `json:"cpus"`
	MemoryMiB int               `json:"memory_mib"`
	DiskGiB   int               `json:"disk_gib"`
	MAC       *string           `json:"mac"`      // null: vSphere chooses
	Settings  map[string]string `json:"settings"` // by which Ingot knows the machine
	Identity  string            `json:"identity"` // path of the file
	ISO       string            `json:"iso"`      // its path on the datastore
}

// NewLayout gives the layout of machines that are made of an image of an id.
// Where their identities are, the machines say.
func NewLayout(name string, where cluster.PublishVSphere, image string, machines []Machine) (*Layout, error) {
	var missing []error
	for _, v := range []struct{ key, value string }{{"datacenter", where.Datacenter}, {"datastore", where.Datastore}, {"cluster", where.Cluster}} {
		if v.value == "" {
			missing = append(missing, fmt.Errorf("publish.vsphere.%s: not given; another tool has to be told its name", v.key))
		}
	}
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	r := &run{Config: Config{Cluster: name, Where: where, Image: Image{ID: image}}}
	l := &Layout{
		Template: r.templateName(), Datacenter: where.Datacenter, Datastore: where.Datastore, Host: given(where.Host),
		ResourcePool: path.Join(below(where.Cluster, where.Datacenter, "host"), "Resources", where.ResourcePool), Folder: below(where.Folder, where.Datacenter, "vm"),
		Network: where.Network, Firmware: where.Firmware, Identity: where.Identity, Nodes: map[string]MachineLayout{},
	}
	for _, m := range machines {
		l.Nodes[m.Node] = MachineLayout{
			CPUs: m.Size.CPUs, MemoryMiB: m.Size.MemoryMiB, DiskGiB: m.Size.DiskGiB, MAC: given(m.MAC),
			Settings: r.machineMarks(&wanted{Machine: m}, stateReady).settings(), Identity: m.Identity, ISO: r.isoFile(m.Node),
		}
	}
	return l, nil
}

// below is a path without the part of it that the server's inventory puts
// before it.
func below(name string, parents ...string) string {
	return strings.TrimPrefix(strings.TrimPrefix(name, "/"+path.Join(parents...)), "/")
}

// given is nil for a text that is empty.
func given(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
