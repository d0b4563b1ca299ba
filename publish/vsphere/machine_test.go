package vsphere

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// machine finds a machine of the simulator.
func (w *world) machine(t *testing.T, name string) *simulator.VirtualMachine {
	t.Helper()
	for _, o := range w.Model.Map().All("VirtualMachine") {
		if vm := o.(*simulator.VirtualMachine); vm.Name == name {
			return vm
		}
	}
	t.Fatalf("there is no machine %s", name)
	return nil
}

// option is a setting of a machine.
func option(vm *simulator.VirtualMachine, key string) any {
	for _, o := range vm.Config.ExtraConfig {
		if v := o.GetOptionValue(); v.Key == key {
			return v.Value
		}
	}
	return nil
}

// file reads a file of the datastore.
func (w *world) file(t *testing.T, path string) []byte {
	t.Helper()
	ds := w.Model.Map().Any("Datastore").(*simulator.Datastore)
	data, err := os.ReadFile(filepath.Join(ds.Summary.Url, path))
	if err != nil {
		return nil
	}
	return data
}

// TestMachine looks at a machine as it was made.
func TestMachine(t *testing.T) {
	eachModel(t, func(t *testing.T, w *world) {
		w.cfg.Machines[0].MAC = "00:50:56:01:02:03"
		w.publish(t)
		vm := w.machine(t, "master0")
		devices := object.VirtualDeviceList(vm.Config.Hardware.Device)
		disk := devices.SelectByType((*types.VirtualDisk)(nil))
		cards := devices.SelectByType((*types.VirtualVmxnet3)(nil))
		if len(disk) != 1 || len(cards) != 1 {
			t.Fatalf("got %d disks and %d adapters of type vmxnet3, want one of each", len(disk), len(cards))
		}
		if _, ok := devices.FindByKey(disk[0].GetVirtualDevice().ControllerKey).(*types.ParaVirtualSCSIController); !ok {
			t.Error("the disk is not on a paravirtual controller")
		}
		card := cards[0].(*types.VirtualVmxnet3)
		cd := devices.SelectByType((*types.VirtualCdrom)(nil))[0].(*types.VirtualCdrom)
		var boot string
		if order := vm.Config.BootOptions.BootOrder; len(order) > 0 {
			boot = fmt.Sprintf("%T", order[0])
		}
		want(t, "the machine", []any{
			vm.Config.Hardware.NumCPU, vm.Config.Hardware.MemoryMB, disk[0].(*types.VirtualDisk).CapacityInKB, vm.Config.Firmware,
			option(vm, "disk.EnableUUID"), card.Backing.(*types.VirtualEthernetCardNetworkBackingInfo).DeviceName, card.MacAddress, card.AddressType,
			cd.Backing.(*types.VirtualCdromIsoBackingInfo).FileName, cd.Connectable.StartConnected, cd.Connectable.Connected, vm.Runtime.PowerState, boot,
		}, []any{
			int32(4), int32(4096), int64(20 << 20), "efi", "TRUE", "VM Network", "00:50:56:01:02:03", "manual",
			"[LocalDS_0] prod/master0/config.iso", true, true, types.VirtualMachinePowerStatePoweredOn, "*types.VirtualMachineBootOptionsBootableDiskDevice",
		})
		want(t, "the ISO", string(w.file(t, "prod/master0/config.iso")), "master0"+keyMaterial)
	})
}

// TestGuestinfo gives the identity without a drive, and takes it away.
func TestGuestinfo(t *testing.T) {
	eachModel(t, func(t *testing.T, w *world) {
		w.cfg.Where.Identity = cluster.VSphereGuestinfo
		w.cfg.Machines = w.cfg.Machines[:1]
		values := map[string]string{"guestinfo.ignition.config.data": keyMaterial, "guestinfo.ignition.config.data.encoding": "base64"}
		data, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		write(t, w.cfg.Machines[0].Identity, data)
		s := w.publish(t)
		want(t, "calls", slices.Contains(methodsOf(s), "PUT"), false)
		noSecret(t, s)
		vm := w.machine(t, "master0")
		for key, value := range values {
			want(t, key, option(vm, key), any(value))
		}
		w.cfg.DetachISO = true
		want(t, "items", states(w.publish(t)), []string{"template prod-" + imageA + " kept", "machine master0 changed"})
		for key := range values {
			want(t, key+" afterwards", option(vm, key), nil)
		}
		want(t, "items of another run", states(w.publish(t)), []string{"template prod-" + imageA + " kept", "machine master0 kept"})
	})
	w := newWorld(t, simulator.ESX())
	w.cfg.Where.Identity = cluster.VSphereGuestinfo
	err := w.fails(t.Context(), t)
	noSecret(t, err.Error())
	if !strings.Contains(err.Error(), "reading guestinfo.json: not a JSON object of text") {
		t.Errorf("got %v for an identity that is none", err)
	}
}

// TestDetach takes the ISOs away, with the keys on them.
func TestDetach(t *testing.T) {
	eachModel(t, func(t *testing.T, w *world) {
		w.cfg.DetachISO = true
		first := w.publish(t)
		want(t, "items of new machines", states(first)[1:], []string{"machine master0 created", "machine worker0 created"})
		want(t, "the ISO of a new machine", len(w.file(t, "prod/master0/config.iso")) > 0, true)
		w.cfg.DryRun = true
		dry := w.publish(t)
		w.cfg.DryRun = false
		w.Forget(nil)
		s := w.publish(t)
		want(t, "calls", w.Calls(), methodsOf(dry))
		want(t, "items", states(s)[1:], []string{"machine master0 changed", "machine worker0 changed"})
		for _, line := range w.state(t) {
			if strings.Contains(line, "config.iso") || strings.HasSuffix(line, "prod/master0") {
				t.Errorf("%s: is still there", line)
			}
		}
		m := machine{devices: w.machine(t, "master0").Config.Hardware.Device}
		want(t, "the ISO in the drive", m.iso(), "")
		want(t, "items of another run", states(w.publish(t))[1:], []string{"machine master0 kept", "machine worker0 kept"})
	})
}

// TestReplace changes what machines should be like.
func TestReplace(t *testing.T) {
	for what, change := range map[string]struct {
		do   func(*testing.T, *world)
		note string
	}{
		"image":    {func(t *testing.T, w *world) { w.cfg.Image = w.ova(t, imageB) }, "image is " + imageA + ", should be " + imageB},
		"size":     {func(_ *testing.T, w *world) { w.cfg.Machines[0].Size.CPUs = 8 }, "processors is 4, should be 8"},
		"memory":   {func(_ *testing.T, w *world) { w.cfg.Machines[0].Size.MemoryMiB = 8192 }, "memory in MiB is 4096, should be 8192"},
		"disk":     {func(_ *testing.T, w *world) { w.cfg.Machines[0].Size.DiskGiB = 30 }, "disk in GiB is 20, should be 30"},
		"firmware": {func(_ *testing.T, w *world) { w.cfg.Where.Firmware = "bios" }, "firmware is efi, should be bios"},
		"identity": {func(t *testing.T, w *world) { write(t, w.cfg.Machines[0].Identity, []byte("another")) }, "its identity has changed"},
		"MAC":      {func(_ *testing.T, w *world) { w.cfg.Machines[0].MAC = "00:50:56:00:00:09" }, "should be 00:50:56:00:00:09"},
	} {
		t.Run(what, func(t *testing.T) {
			eachModel(t, func(t *testing.T, w *world) {
				w.cfg.Machines = w.cfg.Machines[:1]
				w.publish(t)
				id := w.machine(t, "master0").Self
				change.do(t, w)

				s := w.publish(t)
				told := s.Items[1]
				want(t, "a machine that differs", told.State, publish.Kept)
				if !strings.Contains(told.Note, change.note) || !strings.Contains(told.Note, "--replace") {
					t.Errorf("got note %q, want %q and what to do", told.Note, change.note)
				}
				want(t, "the machine", w.machine(t, "master0").Self, id)

				w.cfg.Replace, w.cfg.DryRun = true, true
				dry := w.publish(t)
				w.cfg.DryRun = false
				w.Forget(nil)
				s = w.publish(t)
				want(t, "calls", w.Calls(), methodsOf(dry))
				want(t, "a machine that is replaced", s.Items[1].State, publish.Replaced)
				if w.machine(t, "master0").Self == id {
					t.Error("the machine is the old one")
				}
				if last := w.publish(t); last.Items[1].State != publish.Kept || last.Items[1].Note != "" || len(last.Calls) > 0 {
					t.Errorf("got %+v after that, want no more to do", last.Items[1])
				}
			})
		})
	}
}

// TestControllers has three controllers to be replaced: a run does it to one,
// and to none while another is missing.
func TestControllers(t *testing.T) {
	eachModel(t, func(t *testing.T, w *world) {
		w.cfg.Machines = nil
		for _, name := range []string{"master0", "master1", "master2"} {
			m := w.node(t, name, 2)
			m.Controller = true
			w.cfg.Machines = append(w.cfg.Machines, m)
		}
		w.publish(t)
		for i := range w.cfg.Machines {
			w.cfg.Machines[i].Size.CPUs = 4
		}
		w.cfg.Replace = true
		for _, now := range [][]string{{"replaced", "kept", "kept"}, {"kept", "replaced", "kept"}, {"kept", "kept", "replaced"}} {
			want(t, "machines", states(w.publish(t))[1:], []string{"machine master0 " + now[0], "machine master1 " + now[1], "machine master2 " + now[2]})
		}
		for i := range w.cfg.Machines {
			w.cfg.Machines[i].Size.CPUs = 2
		}
		if _, err := w.destination(t).Delete(t.Context(), publish.Removal{Machines: true, Nodes: []string{"master1"}}); err != nil {
			t.Fatal(err)
		}
		s := w.publish(t)
		want(t, "machines", states(s)[1:], []string{"machine master0 kept", "machine master1 created", "machine master2 kept"})
		if note := s.Items[1].Note; !strings.Contains(note, "when the others are healthy") {
			t.Errorf("got note %q, want what to do", note)
		}
	})
}

// TestStopped starts a machine that somebody has stopped.
func TestStopped(t *testing.T) {
	eachModel(t, func(t *testing.T, w *world) {
		w.publish(t)
		w.machine(t, "worker0").Runtime.PowerState = types.VirtualMachinePowerStatePoweredOff
		w.Forget(nil)
		s := w.publish(t)
		want(t, "calls", w.Calls(), []string{"PowerOnVM_Task"})
		want(t, "the machine", s.Items[2].State, publish.Changed)
	})
}

// TestForeign has machines of others with our names. They are not touched, and
// nothing else is done.
func TestForeign(t *testing.T) {
	for _, name := range []string{"worker0", "prod-" + imageA} {
		t.Run(name, func(t *testing.T) {
			eachModel(t, func(t *testing.T, w *world) {
				other := w.Model.Map().Any("VirtualMachine").(*simulator.VirtualMachine)
				other.Name = name
				for _, replace := range []bool{false, true} {
					w.cfg.Replace = replace
					if err := w.fails(t.Context(), t); !strings.Contains(err.Error(), "that is not of the cluster prod") {
						t.Errorf("got %v", err)
					}
				}
				s, err := w.destination(t).Delete(t.Context(), publish.Removal{Machines: true})
				if err != nil || len(s.Items) != 0 {
					t.Errorf("deleting: got %v, %v, want nothing", s.Items, err)
				}
				want(t, "calls", w.Calls(), nil)
			})
		})
	}
}

// TestDamaged has images that are not what they should be.
func TestDamaged(t *testing.T) {
	for name, spoil := range map[string]struct {
		do   func(w *world, data []byte) []byte
		want string
	}{
		"one bit of the disk":       {func(_ *world, d []byte) []byte { d[len(d)/2] ^= 1; return d }, "is damaged or of another bake"},
		"one bit of the descriptor": {func(_ *world, d []byte) []byte { d[600] ^= 1; return d }, "does not have the SHA-256 of the manifest"},
		"cut":                       {func(_ *world, d []byte) []byte { return d[:len(d)/3] }, "unexpected EOF"},
		"no archive":                {func(*world, []byte) []byte { return bytes.Repeat([]byte("x"), 4096) }, "archive/tar"},
		"empty":                     {func(*world, []byte) []byte { return nil }, "not an OVA of ours"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, simulator.ESX())
			data, err := os.ReadFile(w.cfg.Image.OVA)
			if err != nil {
				t.Fatal(err)
			}
			write(t, w.cfg.Image.OVA, spoil.do(w, data))
			if err := w.fails(t.Context(), t); !strings.Contains(err.Error(), spoil.want) || !strings.Contains(err.Error(), w.cfg.Image.OVA) {
				t.Errorf("got %v, want %s", err, spoil.want)
			}
			want(t, "calls", w.Calls(), nil)
		})
	}
	t.Run("changed while it is sent", func(t *testing.T) {
		w := newWorld(t, simulator.ESX())
		image, err := readOVA(w.cfg.Image.OVA)
		if err != nil {
			t.Fatal(err)
		}
		image.sums[image.disk] = strings.Repeat("0", 64)
		disk, err := image.open(func(int64, int64) {})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := new(bytes.Buffer).ReadFrom(disk); err != nil {
			t.Fatal(err)
		}
		if err := disk.close(); err == nil || !strings.Contains(err.Error(), "was changed meanwhile") {
			t.Errorf("got %v", err)
		}
	})
}

// TestDisk wants a disk that the image does not fit into.
func TestDisk(t *testing.T) {
	w := newWorld(t, simulator.ESX())
	w.cfg.Machines[1].Size.DiskGiB = 0
	if err := w.fails(t.Context(), t); !strings.Contains(err.Error(), "machine worker0: a disk of 0 GiB is smaller than the image, which wants 1 GiB") {
		t.Errorf("got %v", err)
	}
	want(t, "calls", w.Calls(), nil)
}

// spoken keeps all that a progress was told.
type spoken struct{ bytes.Buffer }

func (s *spoken) Begin(step string)               { _, _ = fmt.Fprintln(s, "begin", step) }
func (s *spoken) Advance(step string, a, b int64) { _, _ = fmt.Fprintln(s, "advance", step, a, b) }
func (s *spoken) Say(step, text string)           { _, _ = fmt.Fprintln(s, "say", step, text) }
func (s *spoken) End(step string, _ time.Duration, _ bool, _ int64, err error) {
	_, _ = fmt.Fprintln(s, "end", step, err)
}

// noSecret looks for what nobody may see.
func noSecret(t *testing.T, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"hunter2", "PRIVATE KEY"} {
		if bytes.Contains(text, []byte(secret)) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
}

// TestSecrets looks for the password and for keys in all that is said, when it
// works and when it does not.
func TestSecrets(t *testing.T) {
	eachModel(t, func(t *testing.T, w *world) {
		said := new(spoken)
		w.cfg.Progress = said
		s := w.publish(t)
		noSecret(t, s)
		noSecret(t, said.String())
		if !strings.Contains(said.String(), "advance template prod-"+imageA) {
			t.Error("the upload has no progress")
		}
		w.Model.Service.AddFaultRule(&simulator.FaultInjectionRule{
			MethodName: "*", ObjectType: "*", ObjectName: "*", Probability: 1, FaultType: simulator.FaultTypeGeneric, MaxCount: -1, Enabled: true,
		})
		err := w.fails(t.Context(), t)
		noSecret(t, err.Error())
		noSecret(t, fmt.Sprintf("%+v", err))
		noSecret(t, said.String())
	})
}

// TestDelete removes what there is, in parts and as a whole.
func TestDelete(t *testing.T) {
	eachModel(t, func(t *testing.T, w *world) {
		before := w.state(t)
		w.publish(t)
		w.cfg.Image = w.ova(t, imageB)
		w.publish(t)
		whole := w.state(t)
		list, err := w.destination(t).List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want(t, "what there is", states(list), []string{
			"template prod-" + imageA + " found", "machine master0 found", "machine worker0 found", "template prod-" + imageB + " found",
			"config ISO [LocalDS_0] prod/master0/config.iso found", "config ISO [LocalDS_0] prod/worker0/config.iso found",
		})
		remove := func(what publish.Removal, items ...string) {
			t.Helper()
			w.cfg.DryRun = true
			dry, err := w.destination(t).Delete(t.Context(), what)
			if err != nil {
				t.Fatal(err)
			}
			w.cfg.DryRun = false
			w.Forget(nil)
			s, err := w.destination(t).Delete(t.Context(), what)
			if err != nil {
				t.Fatal(err)
			}
			want(t, "items", states(s), items)
			want(t, "calls", w.Calls(), methodsOf(dry))
		}
		remove(publish.Removal{Images: []string{"none"}})
		want(t, "the inventory", w.state(t), whole)
		remove(publish.Removal{Images: []string{imageB}}, "template prod-"+imageB+" deleted")
		remove(publish.Removal{Machines: true, Nodes: []string{"worker0"}},
			"machine worker0 deleted", "config ISO [LocalDS_0] prod/worker0/config.iso deleted")
		remove(publish.Removal{Machines: true},
			"template prod-"+imageA+" deleted", "machine master0 deleted", "config ISO [LocalDS_0] prod/master0/config.iso deleted")
		want(t, "the inventory after all", w.state(t), before)
		remove(publish.Removal{Machines: true})
	})
}

// TestStrange has files of others beside ours. They stay.
func TestStrange(t *testing.T) {
	w := newWorld(t, simulator.ESX())
	w.publish(t)
	ds := w.Model.Map().Any("Datastore").(*simulator.Datastore)
	write(t, filepath.Join(ds.Summary.Url, "prod/worker0/notes.txt"), []byte("mine"))
	if _, err := w.destination(t).Delete(t.Context(), publish.Removal{Machines: true}); err != nil {
		t.Fatal(err)
	}
	want(t, "a file of somebody else", string(w.file(t, "prod/worker0/notes.txt")), "mine")
	want(t, "the ISO beside it", w.file(t, "prod/worker0/config.iso"), nil)
}
