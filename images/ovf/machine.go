// Package ovf describes virtual machines in the Open Virtualization Format
// (DMTF DSP0243, version 1.1), as ESXi 7 and newer import them.
package ovf

import (
	"fmt"
	"regexp"
)

// Firmware is how a machine boots.
type Firmware string

// The kinds of firmware.
const (
	EFI  Firmware = "efi" // without Secure Boot
	BIOS Firmware = "bios"
)

// Machine is a virtual machine with one disk, on a paravirtual SCSI controller,
// one vmxnet3 network adapter and a CD-ROM drive for the config ISO.
type Machine struct {
	// Name is that of the machine and of its files: letters, digits, dots,
	// hyphens and underscores, at most 80.
	Name string
	// Description is for people.
	Description string
	CPUs        int // 0 means 2
	MemoryMiB   int // a multiple of 4; 0 means 4096
	Firmware    Firmware
	// Hardware is the version of the virtual hardware; 0 means 17, which ESXi
	// 7.0 has.
	Hardware int
	// GuestID is VMware's name for the operating system; empty means
	// debian11_64Guest, the newest Debian that ESXi 7.0 knows.
	GuestID string
	// Network is the name of the network that is mapped at deploy time; empty
	// means VM Network.
	Network string
	// Properties are what a person or program sets at deploy time. The machine
	// finds them in the guestinfo variable ovfEnv.
	Properties []Property
}

// Property is a setting for one machine. The keys are those of the software in
// the machine that reads them.
type Property struct {
	Key, Label, Description string
	// Secret has it not shown.
	Secret bool
}

// IgnitionProperties are what Ignition reads from the OVF environment.
func IgnitionProperties() []Property {
	return []Property{
		{Key: "guestinfo.ignition.config.data", Label: "Ignition config", Secret: true,
			Description: "The identity of this node, unless it is on a config ISO"},
		{Key: "guestinfo.ignition.config.data.encoding", Label: "Encoding of the Ignition config",
			Description: "base64, gzip+base64 or empty"},
	}
}

// Disk is the machine's disk. Sizes are in bytes.
type Disk struct {
	File      string // a streamOptimized VMDK
	FileSize  int64
	Capacity  int64
	Populated int64 // of the capacity
}

var (
	validName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$`)
	validID   = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	validKey  = regexp.MustCompile(`^[^.:\s][^:\s]*$`) // DSP0243, 9.5.1 forbids colons
)

// Limits of what ESXi 7.0 (hardware 17) to 8.0 have.
const (
	defaultHardware = 17
	newestHardware  = 22
)

// withDefaults checks a machine and fills in what is not set.
func (m Machine) withDefaults() (Machine, error) {
	if m.CPUs == 0 {
		m.CPUs = 2
	}
	if m.MemoryMiB == 0 {
		m.MemoryMiB = 4096
	}
	if m.Firmware == "" {
		m.Firmware = EFI
	}
	if m.Hardware == 0 {
		m.Hardware = defaultHardware
	}
	if m.GuestID == "" {
		m.GuestID = "debian11_64Guest"
	}
	if m.Network == "" {
		m.Network = "VM Network"
	}
	switch {
	case !validName.MatchString(m.Name):
		return m, fmt.Errorf("name %q: must have up to 80 letters, digits, dots, hyphens and underscores and begin with a letter or digit", m.Name)
	case m.CPUs < 0:
		return m, fmt.Errorf("%d processors: must be positive", m.CPUs)
	case m.MemoryMiB < 0 || m.MemoryMiB%4 != 0:
		return m, fmt.Errorf("memory of %d MiB: must be a positive multiple of 4", m.MemoryMiB)
	case m.Firmware != EFI && m.Firmware != BIOS:
		return m, fmt.Errorf("firmware %q: must be efi or bios", m.Firmware)
	case m.Hardware < defaultHardware || m.Hardware > newestHardware:
		return m, fmt.Errorf("hardware version %d: must be from %d to %d", m.Hardware, defaultHardware, newestHardware)
	case !validID.MatchString(m.GuestID):
		return m, fmt.Errorf("guest ID %q: must be one of vSphere's, such as debian11_64Guest", m.GuestID)
	}
	keys := map[string]bool{}
	for _, p := range m.Properties {
		if !validKey.MatchString(p.Key) || keys[p.Key] {
			return m, fmt.Errorf("property %q: must be unique, without white space and colons", p.Key)
		}
		keys[p.Key] = true
	}
	return m, nil
}
