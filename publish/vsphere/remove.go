package vsphere

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/publish"
	"github.com/vmware/govmomi/vapi/library"
	"github.com/vmware/govmomi/vim25/types"
)

// identityKeys are beginnings of guestinfo variables that hold identities.
var identityKeys = []string{"guestinfo.ingot.", "guestinfo.ignition.", "guestinfo.userdata", "guestinfo.metadata"}

// isIdentity reports a variable of an identity.
func isIdentity(key string) bool {
	return slices.ContainsFunc(identityKeys, func(begin string) bool { return strings.HasPrefix(key, begin) })
}

// detach takes the identity away from a machine that has read it.
func (r *run) detach(m machine) []step {
	var spec types.VirtualMachineConfigSpec
	var body []string
	iso := m.iso() == r.isoPath(m.Node)
	if iso {
		spec.DeviceChange = emptyDrive(m)
		body = append(body, "cdrom")
	}
	for _, key := range m.guestinfo {
		spec.ExtraConfig = append(spec.ExtraConfig, &types.OptionValue{Key: key, Value: ""}) // which removes it
		body = append(body, key)
	}
	var steps []step
	if len(body) > 0 {
		steps = append(steps, step{publish.Call{Method: "ReconfigVM_Task", Target: m.name, Body: map[string]any{"empty": body}}, func(ctx context.Context, say report) error {
			task, err := m.vm.Reconfigure(ctx, spec)
			_, err = r.wait(ctx, task, err, say)
			return err
		}})
	}
	if slices.Contains(r.files.isos, m.Node) {
		steps = append(steps, r.deleteISO(m.Node)...)
	}
	return steps
}

// deleteISO removes a config ISO, and its folder where nothing else is in it.
func (r *run) deleteISO(node string) []step {
	file := r.isoFile(node)
	steps := []step{r.deleteFile(file)}
	if !r.files.strange[path.Dir(file)] {
		steps = append(steps, r.deleteFile(path.Dir(file)))
	}
	return steps
}

// planList tells what there is.
func (r *run) planList(context.Context) ([]*job, error) {
	var jobs []*job
	for _, m := range r.found.machines {
		jobs = append(jobs, &job{item: r.itemOf(m, publish.Found)})
	}
	for _, node := range r.files.isos {
		jobs = append(jobs, &job{item: publish.Item{Kind: kindISO, Name: r.isoPath(node), Where: r.place.where(), State: publish.Found}})
	}
	for _, i := range r.shelf.ours(r.Cluster) {
		jobs = append(jobs, &job{item: r.libraryItem(i, publish.Found)})
	}
	return jobs, nil
}

func (r *run) libraryItem(i library.Item, state publish.State) publish.Item {
	item := publish.Item{Kind: kindItem, Name: i.Name, ID: i.ID, Where: r.Where.ContentLibrary, State: state}
	if libraryMarks(i).State != stateReady {
		item.Note = "unfinished"
	}
	return item
}

func (r *run) itemOf(m machine, state publish.State) publish.Item {
	item := publish.Item{Kind: kindMachine, Name: m.name, ID: m.vm.Reference().Value, Where: r.place.where(), State: state}
	if m.Node == noNode {
		item.Kind = kindTemplate
	} else {
		item.Note = join("image "+m.Image, strings.ToLower(strings.TrimPrefix(string(m.power), "powered")))
		if m.address != "" {
			item.Note = join(item.Note, m.address)
		}
	}
	if m.State != stateReady {
		item.Note = join(item.Note, "unfinished")
	}
	return item
}

// planDelete says what is to be removed.
func (r *run) planDelete(_ context.Context, what publish.Removal) ([]*job, error) {
	var jobs []*job
	left := 0
	for _, m := range r.found.machines {
		j := &job{item: r.itemOf(m, publish.Deleted)}
		switch {
		case m.Node == noNode && len(what.Nodes) == 0 && (len(what.Images) == 0 || slices.Contains(what.Images, m.Image)):
			j.name = kindTemplate + " " + m.name
		case m.Node != noNode && what.Machines && (len(what.Nodes) == 0 || slices.Contains(what.Nodes, m.Node)):
			j.name = kindMachine + " " + m.name
		default:
			left++
			continue
		}
		j.add(r.destroy(m)...)
		jobs = append(jobs, j)
	}
	for _, i := range r.shelf.ours(r.Cluster) {
		if len(what.Nodes) == 0 && (len(what.Images) == 0 || slices.Contains(what.Images, libraryMarks(i).Image)) {
			j := &job{name: kindItem + " " + i.Name, item: r.libraryItem(i, publish.Deleted)}
			j.add(r.deleteItem(i))
			jobs = append(jobs, j)
		}
	}
	if !what.Machines {
		return jobs, nil
	}
	for _, node := range r.files.isos {
		if len(what.Nodes) > 0 && !slices.Contains(what.Nodes, node) {
			left++
			continue
		}
		j := &job{name: kindISO + " " + node, item: publish.Item{Kind: kindISO, Name: r.isoPath(node), Where: r.place.where(), State: publish.Deleted}}
		j.add(r.deleteISO(node)...)
		jobs = append(jobs, j)
	}
	if left == 0 && len(r.files.strange) == 0 && len(r.files.isos) > 0 {
		last := jobs[len(jobs)-1]
		last.add(r.deleteFile(r.Cluster))
	}
	return jobs, nil
}
