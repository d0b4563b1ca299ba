package vsphere

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// made is a machine in the making.
type made struct {
	machine
	copied string // datastore path of a disk that was copied for it
}

// addMachine makes a machine and starts it.
func (r *run) addMachine(j *job, w *wanted) {
	m := &made{}
	if r.Where.Identity == cluster.VSphereISO {
		j.add(r.sendISO(w)...)
	}
	if r.standalone() {
		j.add(r.create(m, w), r.copyDisk(m, w), r.extendDisk(m, w))
	} else {
		j.add(r.clone(m, w))
	}
	j.add(r.configure(m, w), r.finish(m, w), r.powerOn(m, w.Node))
	j.after = func(i *publish.Item) { i.ID = m.vm.Reference().Value }
}

func (r *run) machineMarks(w *wanted, state string) marks {
	return marks{Cluster: r.Cluster, Image: r.Image.ID, Node: w.Node, State: state, Identity: w.identity.sum}
}

// sizeOf is what a machine is made with from the start.
func (r *run) sizeOf(w *wanted) types.VirtualMachineConfigSpec {
	return types.VirtualMachineConfigSpec{
		NumCPUs: int32(w.Size.CPUs), MemoryMB: int64(w.Size.MemoryMiB),
		ExtraConfig: r.machineMarks(w, stateMaking).options(),
	}
}

func (r *run) body(w *wanted) map[string]any {
	return map[string]any{
		"processors": w.Size.CPUs, "memoryMiB": w.Size.MemoryMiB, "datastore": r.place.datastore.Name(),
		"folder": r.place.folder.InventoryPath, "marks": r.machineMarks(w, stateMaking),
	}
}

// clone makes a machine from the template, on a vCenter.
func (r *run) clone(m *made, w *wanted) step {
	body := r.body(w)
	body["template"] = r.templateName()
	return step{publish.Call{Method: "CloneVM_Task", Target: w.Node, Body: body}, func(ctx context.Context, say report) error {
		config := r.sizeOf(w)
		pool, datastore := r.place.pool.Reference(), r.place.datastore.Reference()
		spec := types.VirtualMachineCloneSpec{
			Location: types.VirtualMachineRelocateSpec{Pool: &pool, Datastore: &datastore},
			Config:   &config,
		}
		if r.place.host != nil {
			host := r.place.host.Reference()
			spec.Location.Host = &host
		}
		task, err := r.template.vm.Clone(ctx, r.place.folder, w.Node, spec)
		return r.settle(ctx, m, task, err, say)
	}}
}

// create makes a machine without a disk, on a single host.
func (r *run) create(m *made, w *wanted) step {
	return step{publish.Call{Method: "CreateVM_Task", Target: w.Node, Body: r.body(w)}, func(ctx context.Context, say report) error {
		config := r.sizeOf(w)
		config.Name = w.Node
		config.Files = &types.VirtualMachineFileInfo{VmPathName: r.place.datastore.Path("")}
		template, err := r.hardware(ctx)
		if err != nil {
			return err
		}
		config.Version, config.GuestId = template.Version, template.GuestId
		scsi, err := object.VirtualDeviceList{}.CreateSCSIController("pvscsi")
		if err != nil {
			return err
		}
		config.DeviceChange = add(scsi)
		task, err := r.place.folder.CreateVM(ctx, config, r.place.pool, nil)
		return r.settle(ctx, m, task, err, say)
	}}
}

// hardware is the configuration of the template.
func (r *run) hardware(ctx context.Context) (*types.VirtualMachineConfigInfo, error) {
	var o mo.VirtualMachine
	if err := r.template.vm.Properties(ctx, r.template.vm.Reference(), []string{"config"}, &o); err != nil {
		return nil, fmt.Errorf("looking at the template: %w", err)
	}
	return o.Config, nil
}

// settle waits for a machine to be there, and looks at it.
func (r *run) settle(ctx context.Context, m *made, task *object.Task, err error, say report) error {
	result, err := r.wait(ctx, task, err, say)
	if err != nil {
		return err
	}
	ref, ok := result.(types.ManagedObjectReference)
	if !ok {
		return fmt.Errorf("the server gives %T in place of a machine", result)
	}
	m.machine, err = r.detail(ctx, ref)
	return err
}

// copyDisk copies the disk of the template into the machine's folder.
func (r *run) copyDisk(m *made, w *wanted) step {
	return step{publish.Call{Method: "CopyVirtualDisk_Task", Target: w.Node, Body: map[string]any{"template": r.templateName()}}, func(ctx context.Context, say report) error {
		from := r.template.disk()
		if from == nil {
			return fmt.Errorf("the template %s has no disk", r.templateName())
		}
		backing, ok := from.Backing.(types.BaseVirtualDeviceFileBackingInfo)
		if !ok {
			return fmt.Errorf("the disk of the template %s is no file", r.templateName())
		}
		m.copied = m.diskPath()
		dc := r.place.datacenter
		task, err := object.NewVirtualDiskManager(r.vim).CopyVirtualDisk(ctx, backing.GetVirtualDeviceFileBackingInfo().FileName, dc, m.copied, dc,
			&types.VirtualDiskSpec{DiskType: string(types.VirtualDiskTypeThin), AdapterType: string(types.VirtualDiskAdapterTypeLsiLogic)}, false)
		_, err = r.wait(ctx, task, err, say)
		return err
	}}
}

// diskPath is where the disk of a machine is copied to.
func (m *machine) diskPath() string {
	p := m.path
	p.Path = path.Join(path.Dir(p.Path), "disk.vmdk")
	return p.String()
}

// extendDisk makes a copied disk as large as it should be.
func (r *run) extendDisk(m *made, w *wanted) step {
	return step{publish.Call{Method: "ExtendVirtualDisk_Task", Target: w.Node, Body: map[string]any{"diskGiB": w.Size.DiskGiB}}, func(ctx context.Context, say report) error {
		task, err := object.NewVirtualDiskManager(r.vim).ExtendVirtualDisk(ctx, m.copied, r.place.datacenter, int64(w.Size.DiskGiB)<<20, nil)
		_, err = r.wait(ctx, task, err, say)
		return err
	}}
}

// configure makes a machine what it should be.
func (r *run) configure(m *made, w *wanted) step {
	body := map[string]any{
		"diskGiB": w.Size.DiskGiB, "network": r.Where.Network, "firmware": r.Where.Firmware, "disk.EnableUUID": "TRUE",
	}
	if w.MAC != "" {
		body["mac"] = w.MAC
	}
	if r.Where.Identity == cluster.VSphereISO {
		body["cdrom"] = r.isoPath(w.Node)
	} else {
		body["guestinfo"] = bytesOf(int64(len(w.identity.data)))
	}
	return step{publish.Call{Method: "ReconfigVM_Task", Target: w.Node, Body: body}, func(ctx context.Context, say report) error {
		spec := types.VirtualMachineConfigSpec{Firmware: r.Where.Firmware}
		var err error
		if spec.DeviceChange, err = r.devices(m, w); err != nil {
			return err
		}
		spec.ExtraConfig = []types.BaseOptionValue{&types.OptionValue{Key: "disk.EnableUUID", Value: "TRUE"}}
		if r.Where.Identity == cluster.VSphereGuestinfo {
			values, err := w.identity.guestinfo()
			if err != nil {
				return err
			}
			spec.ExtraConfig = append(spec.ExtraConfig, values...)
		}
		task, err := m.vm.Reconfigure(ctx, spec)
		_, err = r.wait(ctx, task, err, say)
		return err
	}}
}

// finish has a machine start from its disk, which the server knows by a key
// only when it is connected, and says that the machine is whole.
func (r *run) finish(m *made, w *wanted) step {
	ready := r.machineMarks(w, stateReady)
	return step{publish.Call{Method: "ReconfigVM_Task", Target: w.Node, Body: map[string]any{"boot": "disk", "marks": ready}}, func(ctx context.Context, say report) error {
		var err error
		if m.machine, err = r.detail(ctx, m.vm.Reference()); err != nil {
			return err
		}
		task, err := m.vm.Reconfigure(ctx, types.VirtualMachineConfigSpec{
			BootOptions: &types.VirtualMachineBootOptions{BootOrder: m.devices.BootOrder([]string{object.DeviceTypeDisk})},
			ExtraConfig: ready.options(),
		})
		_, err = r.wait(ctx, task, err, say)
		return err
	}}
}

// guestinfo are the variables of a guestinfo.json.
func (i identity) guestinfo() ([]types.BaseOptionValue, error) {
	var values map[string]string
	if err := json.Unmarshal(i.data, &values); err != nil {
		return nil, fmt.Errorf("reading guestinfo.json: not a JSON object of text") // the cause would show a part of it
	}
	var out []types.BaseOptionValue
	for _, key := range slices.Sorted(maps.Keys(values)) {
		out = append(out, &types.OptionValue{Key: key, Value: values[key]})
	}
	return out, nil
}

// powerOn starts a machine.
func (r *run) powerOn(m *made, node string) step {
	return step{publish.Call{Method: "PowerOnVM_Task", Target: node}, func(ctx context.Context, say report) error {
		task, err := m.vm.PowerOn(ctx)
		if _, err = r.wait(ctx, task, err, say); err != nil {
			return err
		}
		return m.vm.WaitForPowerState(ctx, types.VirtualMachinePowerStatePoweredOn)
	}}
}

// shutdown is how long a machine may take to shut down by itself. The longest
// unit of ours, etcd, has 90 s.
const shutdown = 3 * time.Minute

// stop brings a running machine down: gently where something in it listens.
func (r *run) stop(m machine) []step {
	if m.power != types.VirtualMachinePowerStatePoweredOn {
		return nil
	}
	if !m.tools {
		return []step{r.powerOff(m)}
	}
	return []step{{publish.Call{Method: "ShutdownGuest", Target: m.name}, func(ctx context.Context, say report) error {
		if err := m.vm.ShutdownGuest(ctx); err != nil {
			return err
		}
		waiting, cancel := context.WithTimeout(ctx, shutdown)
		defer cancel()
		if err := m.vm.WaitForPowerState(waiting, types.VirtualMachinePowerStatePoweredOff); err == nil || ctx.Err() != nil {
			return err
		}
		return r.powerOff(m).do(ctx, say)
	}}}
}

// powerOff takes a machine's power away.
func (r *run) powerOff(m machine) step {
	return step{publish.Call{Method: "PowerOffVM_Task", Target: m.name}, func(ctx context.Context, say report) error {
		task, err := m.vm.PowerOff(ctx)
		_, err = r.wait(ctx, task, err, say)
		return err
	}}
}

// destroy removes a machine or template with its disk.
func (r *run) destroy(m machine) []step {
	var steps []step
	if m.power == types.VirtualMachinePowerStatePoweredOn {
		steps = append(steps, r.powerOff(m))
	}
	if m.State == stateMaking && r.standalone() && m.disk() == nil {
		steps = append(steps, r.deleteDisk(m)) // copied, and not connected yet
	}
	return append(steps, step{publish.Call{Method: "Destroy_Task", Target: m.name}, func(ctx context.Context, say report) error {
		task, err := m.vm.Destroy(ctx)
		_, err = r.wait(ctx, task, err, say)
		return err
	}})
}

// deleteDisk removes a disk that is on no machine, if it is there.
func (r *run) deleteDisk(m machine) step {
	return step{publish.Call{Method: "DeleteVirtualDisk_Task", Target: m.name}, func(ctx context.Context, say report) error {
		task, err := object.NewVirtualDiskManager(r.vim).DeleteVirtualDisk(ctx, m.diskPath(), r.place.datacenter)
		if _, err = r.wait(ctx, task, err, say); isFault[types.FileNotFound](err) {
			return nil
		}
		return err
	}}
}
