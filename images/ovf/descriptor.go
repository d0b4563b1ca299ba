package ovf

import (
	"encoding/xml"
	"fmt"
)

// Name spaces: DSP0243, table 1, and VMware's own.
const (
	nsOVF  = "http://schemas.dmtf.org/ovf/envelope/1"
	nsRASD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData"
	nsVSSD = "http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_VirtualSystemSettingData"
	nsVMW  = "http://www.vmware.com/schema/ovf"

	diskFormat = "http://www.vmware.com/interfaces/specifications/vmdk.html#streamOptimized"
)

// Resource types of CIM_ResourceAllocationSettingData.
const (
	typeCPU      = 3
	typeMemory   = 4
	typeIDE      = 5
	typeSCSI     = 6
	typeEthernet = 10
	typeCD       = 15
	typeDisk     = 17
)

// debian64 is Debian of 64 bits in CIM_OperatingSystem.
const debian64 = 96

// Descriptor returns the OVF descriptor of a machine: XML, the same for the
// same machine and disk.
func Descriptor(m Machine, d Disk) ([]byte, error) {
	m, err := m.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("describing a machine: %w", err)
	}
	e := envelope{NS: nsOVF, OVF: nsOVF, RASD: nsRASD, VSSD: nsVSSD, VMW: nsVMW}
	e.File = file{Href: d.File, ID: "file1", Size: d.FileSize}
	e.Disks.Info = "The disk of the machine"
	disk := &e.Disks.Disk
	disk.Capacity, disk.Units, disk.Populated = d.Capacity, "byte", d.Populated
	disk.DiskID, disk.FileRef, disk.Format = "vmdisk1", e.File.ID, diskFormat
	e.Network.Info = "The networks of the machine"
	e.Network.Network.Name = m.Network
	e.Network.Network.Description = "The network that reaches the other nodes"
	e.System = m.system(disk.DiskID)
	b, err := xml.MarshalIndent(e, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("describing a machine: %w", err)
	}
	return append(append([]byte(xml.Header), b...), '\n'), nil
}

func (m Machine) system(diskID string) virtualSystem {
	s := virtualSystem{
		ID:       m.Name,
		Info:     "A machine",
		Name:     m.Name,
		OS:       osSection{ID: debian64, Type: m.GuestID, Info: "The operating system", Description: "Debian GNU/Linux (64-bit)"},
		Hardware: m.hardware(diskID),
	}
	if len(m.Properties) > 0 {
		s.Hardware.Transport = "com.vmware.guestInfo"
		s.Product = &productSection{Info: "What differs from machine to machine"}
		for _, p := range m.Properties {
			s.Product.Properties = append(s.Product.Properties, property{Key: p.Key, Password: p.Secret,
				Type: "string", UserConfigurable: true, Label: p.Label, Description: p.Description})
		}
	}
	if m.Description != "" {
		s.Annotation = &annotation{Info: "What this is", Annotation: m.Description}
	}
	return s
}

// hardware lists the devices. Controllers come before what is attached to them.
func (m Machine) hardware(diskID string) hardwareSection {
	h := hardwareSection{Info: "The virtual hardware"}
	h.System.ElementName = "Virtual Hardware Family"
	h.System.Identifier = m.Name
	h.System.Type = fmt.Sprintf("vmx-%d", m.Hardware)
	const (
		cpu = iota + 1
		memory
		scsi
		ide
		cd
		disk
		network
	)
	no, yes, zero := false, true, 0
	on := func(parent int) *int { return &parent }
	h.Items = []item{
		{InstanceID: cpu, ResourceType: typeCPU, ElementName: "Processors", VirtualQuantity: m.CPUs, AllocationUnits: "hertz * 10^6"},
		{InstanceID: memory, ResourceType: typeMemory, ElementName: "Memory", VirtualQuantity: m.MemoryMiB, AllocationUnits: "byte * 2^20"},
		{InstanceID: scsi, ResourceType: typeSCSI, ElementName: "SCSI controller 0", Address: &zero, ResourceSubType: "VirtualSCSI"},
		// Not SATA, for which Debian's cloud kernel has no driver.
		{InstanceID: ide, ResourceType: typeIDE, ElementName: "IDE 0", Address: &zero},
		{InstanceID: cd, ResourceType: typeCD, ElementName: "CD/DVD drive 1", Parent: on(ide), AddressOnParent: &zero,
			Required: "false", AutomaticAllocation: &no, ResourceSubType: "vmware.cdrom.remotepassthrough",
			Description: "For the config ISO"},
		{InstanceID: disk, ResourceType: typeDisk, ElementName: "Hard disk 1", Parent: on(scsi), AddressOnParent: &zero,
			HostResource: "ovf:/disk/" + diskID},
		{InstanceID: network, ResourceType: typeEthernet, ElementName: "Network adapter 1", AddressOnParent: on(7),
			AutomaticAllocation: &yes, Connection: m.Network, ResourceSubType: "VmxNet3"},
	}
	h.Config = []config{
		{Key: "firmware", Value: string(m.Firmware)},
		{Key: "tools.syncTimeWithHost", Value: "false"}, // time comes from the network
		{Key: "powerOpInfo.powerOffType", Value: "soft"},
		{Key: "powerOpInfo.resetType", Value: "soft"},
	}
	if m.Firmware == EFI {
		h.Config = append(h.Config, config{Key: "bootOptions.efiSecureBootEnabled", Value: "false"})
	}
	// Without it Linux has no /dev/disk/by-id for the disk.
	h.Extra = []config{{Key: "disk.EnableUUID", Value: "TRUE"}}
	return h
}
