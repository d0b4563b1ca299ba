package vsphere

import (
	"context"
	"errors"
	"fmt"

	"github.com/ingot-k8s/ingot/publish"
	"github.com/vmware/govmomi/nfc"
	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// templateName is the name of an image at the server.
func (r *run) templateName() string { return r.Cluster + "-" + r.Image.ID }

// planTemplate says what is to be done for the image.
func (r *run) planTemplate(ctx context.Context) (*job, error) {
	name := r.templateName()
	j := &job{name: "template " + name, item: publish.Item{Kind: kindTemplate, Name: name, Where: r.place.where(), State: publish.Kept}}
	for _, t := range r.found.templates() {
		if t.Image != r.Image.ID {
			continue
		}
		if t.State != stateReady {
			j.add(r.destroy(t)...)
			continue
		}
		r.template = &t
		j.item.ID = t.vm.Reference().Value
		if !t.template && !r.standalone() {
			j.item.State = publish.Changed
			j.add(r.markTemplate())
		}
		return j, nil
	}
	if r.found.taken[name] {
		return nil, fmt.Errorf("there is a machine %q already that is not of the cluster %s", name, r.Cluster)
	}
	if err := r.readImage(ctx); err != nil {
		return nil, err
	}
	j.item.State = publish.Created
	r.addImport(j)
	return j, nil
}

// readImage reads the OVA, and holds it against its checksum.
func (r *run) readImage(ctx context.Context) (err error) {
	if r.image != nil {
		return nil
	}
	image, err := readOVA(r.Image.OVA)
	if err != nil {
		return err
	}
	if err := image.check(ctx, r.Image.SHA256); err != nil {
		return err
	}
	r.image = image
	return nil
}

// transfer is an import that is under way.
type transfer struct {
	r       *run
	lease   *nfc.Lease
	info    *nfc.LeaseInfo
	updater *nfc.LeaseUpdater
}

// addImport brings the OVA to the server.
func (r *run) addImport(j *job) {
	t := &transfer{r: r}
	name := r.templateName()
	j.add(
		step{publish.Call{Method: "ImportVApp", Target: name, Body: map[string]any{
			"datastore": r.place.datastore.Name(), "folder": r.place.folder.InventoryPath, "network": r.Where.Network, "marks": r.imageMarks(stateMaking),
		}}, t.begin},
		step{publish.Call{Method: "POST", Target: r.image.disk, Body: bytesOf(r.image.diskSize)}, t.send},
		step{publish.Call{Method: "HttpNfcLeaseComplete", Target: name}, t.complete},
		step{publish.Call{Method: "ReconfigVM_Task", Target: name, Body: r.imageMarks(stateReady)}, func(ctx context.Context, say report) error {
			task, err := r.template.vm.Reconfigure(ctx, types.VirtualMachineConfigSpec{ExtraConfig: r.imageMarks(stateReady).options()})
			_, err = r.wait(ctx, task, err, say)
			return err
		}},
	)
	if !r.standalone() {
		j.add(r.markTemplate())
	}
	j.failed = t.abort
	j.after = func(i *publish.Item) { i.ID = r.template.vm.Reference().Value }
}

func (r *run) imageMarks(state string) marks {
	return marks{Cluster: r.Cluster, Image: r.Image.ID, Node: noNode, State: state}
}

// markTemplate keeps others from starting the template. A single host has no
// templates.
func (r *run) markTemplate() step {
	return step{publish.Call{Method: "MarkAsTemplate", Target: r.templateName()}, func(ctx context.Context, _ report) error {
		return r.template.vm.MarkAsTemplate(ctx)
	}}
}

// begin has the server make the machine and give a lease for its disk.
func (t *transfer) begin(ctx context.Context, _ report) error {
	spec, err := t.spec(ctx)
	if err != nil {
		return err
	}
	p := t.r.place
	if t.lease, err = p.pool.ImportVApp(ctx, spec.ImportSpec, p.folder, p.host); err != nil {
		return err
	}
	if t.info, err = t.lease.Wait(ctx, spec.FileItem); err != nil {
		return err
	}
	if len(t.info.Items) != 1 {
		return fmt.Errorf("the server wants %d files, and the image has one", len(t.info.Items))
	}
	t.updater = t.lease.StartUpdater(ctx, t.info)
	return nil
}

// spec has the server read the descriptor.
func (t *transfer) spec(ctx context.Context) (*types.OvfCreateImportSpecResult, error) {
	r := t.r
	spec, err := ovf.NewManager(r.vim).CreateImportSpec(ctx, string(r.image.descriptor), r.place.pool, r.place.datastore, &types.OvfCreateImportSpecParams{
		EntityName:       r.templateName(),
		DiskProvisioning: string(types.OvfCreateImportSpecParamsDiskProvisioningTypeThin),
		NetworkMapping:   []types.OvfNetworkMapping{{Name: r.image.envelope.Network.Networks[0].Name, Network: r.place.network.Reference()}},
	})
	if err != nil {
		return nil, fmt.Errorf("having the server read the descriptor: %w", err)
	}
	var errs []error
	for _, e := range spec.Error {
		errs = append(errs, errors.New(e.LocalizedMessage))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("the server does not take the descriptor: %w", errors.Join(errs...))
	}
	vm, ok := spec.ImportSpec.(*types.VirtualMachineImportSpec)
	if !ok {
		return nil, fmt.Errorf("the server makes a %T of the descriptor, want one machine", spec.ImportSpec)
	}
	vm.ConfigSpec.ExtraConfig = append(vm.ConfigSpec.ExtraConfig, r.imageMarks(stateMaking).options()...)
	return spec, nil
}

// send sends the disk.
func (t *transfer) send(ctx context.Context, say report) error {
	disk, err := t.r.image.open(say)
	if err != nil {
		return err
	}
	err = t.lease.Upload(ctx, t.info.Items[0], disk, soap.Upload{ContentLength: t.r.image.diskSize})
	if sum := disk.close(); err == nil {
		err = sum
	}
	return err
}

// complete ends the lease: the machine is then as good as any.
func (t *transfer) complete(ctx context.Context, _ report) error {
	t.updater.Done()
	t.updater = nil
	if err := t.lease.Complete(ctx); err != nil {
		return err
	}
	m, err := t.r.detail(ctx, t.info.Entity)
	t.r.template, t.lease = &m, nil
	return err
}

// abort tells the server that no more is coming, so that it removes what it has.
func (t *transfer) abort(ctx context.Context) {
	if t.updater != nil {
		t.updater.Done()
	}
	if t.lease == nil {
		return
	}
	ctx, cancel := late(ctx)
	defer cancel()
	_ = t.lease.Abort(ctx, nil) // the marks tell the next run, whatever comes of it
}

// bytesOf is a size in the body of a call, in place of what has it.
func bytesOf(n int64) string { return fmt.Sprintf("%d bytes", n) }
