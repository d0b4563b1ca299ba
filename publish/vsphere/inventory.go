package vsphere

import (
	"context"
	"fmt"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// machine is one that the server has, and that has our marks.
type machine struct {
	marks
	vm       *object.VirtualMachine
	name     string
	template bool // marked as one, on a vCenter
	power    types.VirtualMachinePowerState
	tools    bool // VMware's tools run in it, so that it can be asked to shut down
	address  string
	cpus     int
	memory   int // MiB
	firmware string
	devices  object.VirtualDeviceList
	path     object.DatastorePath // of its vmx file
	// guestinfo are names of variables that hold an identity.
	guestinfo []string
}

// inventory is what the server has.
type inventory struct {
	machines []machine       // of this cluster, in the order of the server
	taken    map[string]bool // names in our folder of what is not of this cluster
}

// look finds what is ours, anywhere in the datacenter, by its marks.
func (r *run) look(ctx context.Context) (*inventory, error) {
	v, err := view.NewManager(r.vim).CreateContainerView(ctx, r.place.datacenter.Reference(), []string{"VirtualMachine"}, true)
	if err != nil {
		return nil, fmt.Errorf("looking at the machines there are: %w", err)
	}
	defer func() {
		ctx, cancel := late(ctx)
		defer cancel()
		_ = v.Destroy(ctx) // the end of the session does it, too
	}()
	var all []mo.VirtualMachine
	// Nothing but what tells ours from others: there can be thousands.
	if err := v.Retrieve(ctx, []string{"VirtualMachine"}, []string{"name", "parent", "config.extraConfig"}, &all); err != nil {
		return nil, fmt.Errorf("looking at the machines there are: %w", err)
	}
	found := &inventory{taken: map[string]bool{}}
	folder := r.place.folder.Reference()
	var ours []types.ManagedObjectReference
	for _, vm := range all {
		var m marks
		if vm.Config != nil {
			m = marksOf(vm.Config.ExtraConfig)
		}
		if m.Cluster == r.Cluster && m.Node != "" {
			ours = append(ours, vm.Self)
		} else if vm.Parent != nil && *vm.Parent == folder {
			found.taken[vm.Name] = true
		}
	}
	found.machines, err = r.details(ctx, ours)
	return found, err
}

// details gets all that is to be known of machines.
func (r *run) details(ctx context.Context, refs []types.ManagedObjectReference) ([]machine, error) {
	var machines []machine
	for _, ref := range refs {
		m, err := r.detail(ctx, ref)
		if isFault[types.ManagedObjectNotFound](err) {
			continue // somebody has just removed it
		}
		if err != nil {
			return nil, fmt.Errorf("looking at a machine: %w", err)
		}
		machines = append(machines, m)
	}
	return machines, nil
}

func (r *run) detail(ctx context.Context, ref types.ManagedObjectReference) (machine, error) {
	vm := object.NewVirtualMachine(r.vim, ref)
	var o mo.VirtualMachine
	if err := vm.Properties(ctx, ref, []string{"name", "config", "runtime.powerState", "guest"}, &o); err != nil {
		return machine{}, err
	}
	m := machine{vm: vm, name: o.Name, power: o.Runtime.PowerState}
	if c := o.Config; c != nil {
		m.marks = marksOf(c.ExtraConfig)
		m.template = c.Template
		m.cpus, m.memory = int(c.Hardware.NumCPU), int(c.Hardware.MemoryMB)
		m.firmware = c.Firmware
		m.devices = c.Hardware.Device
		m.path.FromString(c.Files.VmPathName)
		for _, o := range c.ExtraConfig {
			if v := o.GetOptionValue(); v != nil && isIdentity(v.Key) && v.Value != "" {
				m.guestinfo = append(m.guestinfo, v.Key)
			}
		}
	}
	if g := o.Guest; g != nil {
		m.address = g.IpAddress
		m.tools = g.ToolsRunningStatus == string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
	}
	return m, nil
}

// templates are what nodes are made from, of any image.
func (i *inventory) templates() []machine {
	var out []machine
	for _, m := range i.machines {
		if m.Node == noNode {
			out = append(out, m)
		}
	}
	return out
}

// nodes are the machines of a node; more than one if an interruption left one.
func (i *inventory) nodes(name string) []machine {
	var out []machine
	for _, m := range i.machines {
		if m.Node == name {
			out = append(out, m)
		}
	}
	return out
}

// disk is the machine's only disk; nil if there is none yet.
func (m *machine) disk() *types.VirtualDisk {
	for _, d := range m.devices {
		if disk, ok := d.(*types.VirtualDisk); ok {
			return disk
		}
	}
	return nil
}

// diskGiB is the size of the disk; 0 if there is none.
func (m *machine) diskGiB() int {
	disk := m.disk()
	if disk == nil {
		return 0
	}
	return int(disk.CapacityInKB >> 20)
}

// cdrom is the CD drive; nil if there is none.
func (m *machine) cdrom() *types.VirtualCdrom {
	for _, d := range m.devices {
		if cd, ok := d.(*types.VirtualCdrom); ok {
			return cd
		}
	}
	return nil
}

// iso is the file in the CD drive; empty if there is none.
func (m *machine) iso() string {
	cd := m.cdrom()
	if cd == nil {
		return ""
	}
	if b, ok := cd.Backing.(*types.VirtualCdromIsoBackingInfo); ok {
		return b.FileName
	}
	return ""
}

// adapter is the network adapter; nil if there is none.
func (m *machine) adapter() types.BaseVirtualEthernetCard {
	for _, d := range m.devices {
		if card, ok := d.(types.BaseVirtualEthernetCard); ok {
			return card
		}
	}
	return nil
}
