package vcsim

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// returned is the task in an answer.
var returned = regexp.MustCompile(`<returnval type="Task">([^<]+)</returnval>`)

// whole gives the client its answer when the server has done all that belongs
// to it. Without that, a machine's folder is removed some time after the machine,
// and perhaps from under the next one.
func (s *Server) whole(body []byte, w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := httptest.NewRecorder()
	next.ServeHTTP(answer, r)
	if call, err := simulator.UnmarshalBody(types.TypeFunc(), body); err == nil {
		if found := returned.FindSubmatch(answer.Body.Bytes()); found != nil {
			s.after(call, types.ManagedObjectReference{Type: "Task", Value: string(found[1])})
		}
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the client may be gone
}

// after waits for a task, and has the simulator clone as a vCenter does, with
// the size and the settings that the request has for the clone: it puts them
// into a copy of what it then uses, and so they are lost.
func (s *Server) after(call *simulator.Method, ref types.ManagedObjectReference) {
	task, ok := s.Model.Map().Get(ref).(*simulator.Task)
	if !ok {
		return
	}
	task.Wait()
	s.waitTasks()
	req, isClone := call.Body.(*types.CloneVM_Task)
	template, isMachine := s.Model.Map().Get(call.This).(*simulator.VirtualMachine)
	clone, isDone := task.Info.Result.(types.ManagedObjectReference)
	if isClone && isMachine && isDone && req.Spec.Config != nil {
		s.resemble(clone, template, req.Spec.Config)
	}
}

// Settle waits until the server has done all that it was asked for, also by
// clients that did not wait for the answer.
func (s *Server) Settle() {
	s.changing.Lock()
	defer s.changing.Unlock()
	s.waitTasks()
}

// waitTasks waits for the end of every task there is.
func (s *Server) waitTasks() {
	m, ok := s.Model.Map().Get(*s.Model.ServiceContent.TaskManager).(*simulator.TaskManager)
	if !ok {
		return
	}
	for _, ref := range m.RecentTask {
		if task, ok := s.Model.Map().Get(ref).(*simulator.Task); ok {
			task.Wait()
		}
	}
}

// resemble gives a clone the settings of its template, and those of its own.
func (s *Server) resemble(clone types.ManagedObjectReference, template *simulator.VirtualMachine, spec *types.VirtualMachineConfigSpec) {
	vm, ok := s.Model.Map().Get(clone).(*simulator.VirtualMachine)
	if !ok {
		return
	}
	s.Model.Map().WithLock(&simulator.Context{Map: s.Model.Map()}, vm, func() {
		vm.Config.ExtraConfig = slices.Clone(template.Config.ExtraConfig)
		for _, o := range spec.ExtraConfig {
			set(vm, o.GetOptionValue())
		}
		vm.Config.Firmware = template.Config.Firmware
		vm.Config.Hardware.NumCPU, vm.Config.Hardware.MemoryMB = spec.NumCPUs, int32(spec.MemoryMB)
	})
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
