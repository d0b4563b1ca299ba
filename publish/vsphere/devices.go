package vsphere

import (
	"errors"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/types"
)

// devices says what is to be changed of the devices of a new machine.
func (r *run) devices(m *made, w *wanted) ([]types.BaseVirtualDeviceConfigSpec, error) {
	changes := r.diskChange(m, w)
	adapter, err := r.adapterChange(m, w)
	if err != nil {
		return nil, err
	}
	changes = append(changes, adapter...)
	if r.Where.Identity == cluster.VSphereISO {
		cd, err := r.cdromChange(m, w)
		if err != nil {
			return nil, err
		}
		changes = append(changes, cd...)
	}
	return changes, nil
}

func add(devices ...types.BaseVirtualDevice) []types.BaseVirtualDeviceConfigSpec {
	return change(types.VirtualDeviceConfigSpecOperationAdd, devices...)
}

func edit(devices ...types.BaseVirtualDevice) []types.BaseVirtualDeviceConfigSpec {
	return change(types.VirtualDeviceConfigSpecOperationEdit, devices...)
}

func change(op types.VirtualDeviceConfigSpecOperation, devices ...types.BaseVirtualDevice) []types.BaseVirtualDeviceConfigSpec {
	var out []types.BaseVirtualDeviceConfigSpec
	for _, d := range devices {
		out = append(out, &types.VirtualDeviceConfigSpec{Operation: op, Device: d})
	}
	return out
}

// diskChange makes a cloned disk larger, or connects one that was copied.
func (r *run) diskChange(m *made, w *wanted) []types.BaseVirtualDeviceConfigSpec {
	want := int64(w.Size.DiskGiB) << 20 // KiB
	if disk := m.disk(); disk != nil {
		if disk.CapacityInKB >= want {
			return nil
		}
		disk.CapacityInKB, disk.CapacityInBytes = want, want<<10
		return edit(disk)
	}
	controller := m.devices.PickController((*types.ParaVirtualSCSIController)(nil))
	disk := m.devices.CreateDisk(controller, r.place.datastore.Reference(), m.copied)
	disk.CapacityInKB = want
	return add(disk)
}

// adapterChange connects the network adapter.
func (r *run) adapterChange(m *made, w *wanted) ([]types.BaseVirtualDeviceConfigSpec, error) {
	device := m.adapter()
	missing := device == nil
	if missing {
		d, err := object.VirtualDeviceList{}.CreateEthernetCard("vmxnet3", r.place.backing)
		if err != nil {
			return nil, err
		}
		device = d.(types.BaseVirtualEthernetCard)
	}
	card := device.GetVirtualEthernetCard()
	card.Backing = r.place.backing
	card.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true}
	if w.MAC != "" {
		card.AddressType, card.MacAddress = string(types.VirtualEthernetCardMacTypeManual), w.MAC
	}
	if missing {
		return add(device.(types.BaseVirtualDevice)), nil
	}
	return edit(device.(types.BaseVirtualDevice)), nil
}

// cdromChange puts the config ISO into the drive, to be there at the start.
func (r *run) cdromChange(m *made, w *wanted) ([]types.BaseVirtualDeviceConfigSpec, error) {
	drive := m.cdrom()
	missing := drive == nil
	if missing {
		ide, err := m.devices.FindIDEController("")
		if err != nil {
			return nil, errors.New("the machine has no IDE controller for a CD drive")
		}
		if drive, err = m.devices.CreateCdrom(ide); err != nil {
			return nil, err
		}
	}
	drive.Backing = &types.VirtualCdromIsoBackingInfo{
		VirtualDeviceFileBackingInfo: types.VirtualDeviceFileBackingInfo{FileName: r.isoPath(w.Node)},
	}
	drive.Connectable = &types.VirtualDeviceConnectInfo{StartConnected: true, AllowGuestControl: true}
	if missing {
		return add(drive), nil
	}
	return edit(drive), nil
}

// emptyDrive takes the ISO out of the drive, also of a running machine.
func emptyDrive(m machine) []types.BaseVirtualDeviceConfigSpec {
	drive := m.cdrom()
	drive.Backing = &types.VirtualCdromRemotePassthroughBackingInfo{
		VirtualDeviceRemoteDeviceBackingInfo: types.VirtualDeviceRemoteDeviceBackingInfo{UseAutoDetect: types.NewBool(false)},
	}
	drive.Connectable = &types.VirtualDeviceConnectInfo{AllowGuestControl: true}
	return edit(drive)
}
