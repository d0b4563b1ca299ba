package vspheretest

import (
	"fmt"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// handler gives the simulator what it lacks.
func (s *Server) handler(_ *simulator.Context, m *simulator.Method) (mo.Reference, types.BaseMethodFault) {
	if m.Name != "CloneVM_Task" {
		return nil, nil
	}
	if vm, ok := s.Model.Map().Get(m.This).(*simulator.VirtualMachine); ok {
		return &cloner{vm}, nil
	}
	return nil, nil
}

// cloner clones as a vCenter does, with the size and the settings that the
// request has for the clone: the simulator puts them into a copy of what it
// then uses.
type cloner struct{ *simulator.VirtualMachine }

// CloneVMTask is called by the simulator.
func (c *cloner) CloneVMTask(ctx *simulator.Context, req *types.CloneVM_Task) soap.HasFault {
	res := c.VirtualMachine.CloneVMTask(ctx, req)
	body, ok := res.(*methods.CloneVM_TaskBody)
	if !ok || body.Res == nil || req.Spec.Config == nil {
		return res
	}
	task, ok := ctx.Map.Get(body.Res.Returnval).(*simulator.Task)
	if !ok {
		return res
	}
	task.Wait()
	ref, ok := task.Info.Result.(types.ManagedObjectReference)
	if !ok {
		return res // it did not come to be
	}
	vm := ctx.Map.Get(ref).(*simulator.VirtualMachine)
	spec := req.Spec.Config
	ctx.WithLock(vm, func() {
		vm.Config.ExtraConfig = append(vm.Config.ExtraConfig, c.Config.ExtraConfig...)
		for _, o := range spec.ExtraConfig {
			set(vm, o.GetOptionValue())
		}
		vm.Config.Hardware.NumCPU, vm.Config.Hardware.MemoryMB = spec.NumCPUs, int32(spec.MemoryMB)
	})
	return res
}

// set sets one setting of a machine.
func set(vm *simulator.VirtualMachine, want *types.OptionValue) {
	kept := vm.Config.ExtraConfig[:0]
	for _, o := range vm.Config.ExtraConfig {
		if o.GetOptionValue().Key != want.Key {
			kept = append(kept, o)
		}
	}
	vm.Config.ExtraConfig = append(kept, want)
}

// describe is a machine in one line.
func describe(vm *simulator.VirtualMachine) string {
	line := fmt.Sprintf("machine %s template=%t %s", vm.Name, vm.Config.Template, vm.Runtime.PowerState)
	for _, key := range []string{"ingot.cluster", "ingot.image", "ingot.node", "ingot.state"} {
		for _, o := range vm.Config.ExtraConfig {
			if v := o.GetOptionValue(); v.Key == key {
				line += fmt.Sprintf(" %s=%v", strings.TrimPrefix(key, "ingot."), v.Value)
			}
		}
	}
	return line
}
