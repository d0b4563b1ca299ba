package ovf_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	vmware "github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/vim25/types"
)

// TestGovmomi has VMware's library read descriptors and say what machine it
// would make of them.
func TestGovmomi(t *testing.T) {
	eachDescriptor(t, func(t *testing.T, name string, descriptor []byte) {
		envelope, err := vmware.Unmarshal(bytes.NewReader(descriptor))
		if err != nil {
			t.Fatal(err)
		}
		spec, err := envelope.ToConfigSpec()
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{
			"defaults":   "prod-1a2b vmx-17 debian11_64Guest efi 2 4096",
			"bios":       "lab.x_1 vmx-21 debian12_64Guest bios 8 16384",
			"properties": "prod-1a2b vmx-17 debian11_64Guest efi 2 4096",
		}[name]
		if got := fmt.Sprint(spec.Name, " ", spec.Version, " ", spec.GuestId, " ", spec.Firmware, " ", spec.NumCPUs, " ", spec.MemoryMB); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		wantDevices := []string{
			"*types.ParaVirtualSCSIController", "*types.VirtualIDEController", "*types.VirtualCdrom on *types.VirtualIDEController",
			"*types.VirtualDisk on *types.ParaVirtualSCSIController", "*types.VirtualVmxnet3",
		}
		if diff := cmp.Diff(wantDevices, devices(spec)); diff != "" {
			t.Errorf("devices: -want +got\n%s", diff)
		}
		if !slices.ContainsFunc(spec.ExtraConfig, func(o types.BaseOptionValue) bool {
			return o.GetOptionValue().Key == "disk.EnableUUID" && o.GetOptionValue().Value == "TRUE"
		}) {
			t.Errorf("got extra config %v, want disk.EnableUUID", spec.ExtraConfig)
		}
	})
}

// devices lists types of devices, with those of the controllers they are on.
func devices(spec types.VirtualMachineConfigSpec) []string {
	byKey := map[int32]string{}
	for _, change := range spec.DeviceChange {
		d := change.GetVirtualDeviceConfigSpec().Device
		byKey[d.GetVirtualDevice().Key] = fmt.Sprintf("%T", d)
	}
	var list []string
	for _, change := range spec.DeviceChange {
		d := change.GetVirtualDeviceConfigSpec().Device
		text := fmt.Sprintf("%T", d)
		if parent, ok := byKey[d.GetVirtualDevice().ControllerKey]; ok {
			text += " on " + parent
		}
		list = append(list, text)
	}
	return list
}

// TestGovmomiProperties checks what a person is asked for at deploy time.
func TestGovmomiProperties(t *testing.T) {
	eachDescriptor(t, func(t *testing.T, name string, descriptor []byte) {
		if name != "properties" {
			return
		}
		envelope, err := vmware.Unmarshal(bytes.NewReader(descriptor))
		if err != nil {
			t.Fatal(err)
		}
		hardware := envelope.VirtualSystem.VirtualHardware[0]
		if hardware.Transport == nil || *hardware.Transport != "com.vmware.guestInfo" {
			t.Errorf("got transport %v", hardware.Transport)
		}
		var got []string
		for _, p := range envelope.VirtualSystem.Product[0].Property {
			got = append(got, fmt.Sprintf("%s: asked %v, hidden %v", p.Key, *p.UserConfigurable, p.Password != nil && *p.Password))
		}
		want := []string{
			"guestinfo.ignition.config.data: asked true, hidden true",
			"guestinfo.ignition.config.data.encoding: asked true, hidden false",
			"user-data: asked true, hidden false",
		}
		if !slices.Equal(got, want) {
			t.Errorf("got properties %q, want %q", got, want)
		}
	})
}
