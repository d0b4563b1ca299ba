package vsphere

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/publish"
	"github.com/vmware/govmomi/vim25/types"
)

// Kinds of items.
const (
	kindTemplate = "template"
	kindMachine  = "machine"
	kindISO      = "config ISO"
)

// planPublish says what is missing for the image and the machines. Whatever
// keeps a run from its end is found here, before anything is changed.
func (r *run) planPublish(ctx context.Context) ([]*job, error) {
	t, err := r.planTemplate(ctx)
	if err != nil {
		return nil, err
	}
	jobs := []*job{t}
	if r.shelf != nil {
		item, err := r.planLibrary(ctx)
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, item)
	}
	var errs []error
	for _, m := range r.Machines {
		r.memberGone = r.memberGone || m.Controller && r.whole(m.Node) == nil
	}
	for _, m := range r.Machines {
		j, err := r.planMachine(m)
		if err != nil {
			errs = append(errs, fmt.Errorf("machine %s: %w", m.Node, err))
			continue
		}
		jobs = append(jobs, j)
	}
	return jobs, errors.Join(errs...)
}

// planMachine says what is to be done for one node.
func (r *run) planMachine(m Machine) (*job, error) {
	identity, err := r.readIdentity(m)
	if err != nil {
		return nil, err
	}
	want := &wanted{Machine: m, identity: identity}
	j := &job{name: "machine " + m.Node, item: publish.Item{Kind: kindMachine, Name: m.Node, Where: r.place.where()}}
	old := r.whole(m.Node)
	for _, found := range r.found.nodes(m.Node) {
		if old == nil || found.vm.Reference() != old.vm.Reference() {
			j.add(r.destroy(found)...) // what an interrupted run left
		}
	}
	switch old {
	case nil:
		if r.found.taken[m.Node] {
			return nil, fmt.Errorf("there is a machine %q already that is not of the cluster %s; rename it, or name another folder in publish.vsphere.folder", m.Node, r.Cluster)
		}
		if err := r.fits(m); err != nil {
			return nil, err
		}
		if len(j.steps) > 0 {
			j.item.Note = "an interrupted run left a part of it, which was removed"
		}
		j.item.State = publish.Created
		r.addMachine(j, want)
	default:
		if err := r.planOld(j, want, old); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// whole is the machine of a node that is ready, or nil.
func (r *run) whole(node string) *machine {
	all := r.found.nodes(node)
	if i := slices.IndexFunc(all, func(m machine) bool { return m.State == stateReady }); i >= 0 {
		return &all[i]
	}
	return nil
}

// planOld says what is to be done with a machine that is there.
func (r *run) planOld(j *job, want *wanted, old *machine) error {
	j.item.ID, j.item.Note, j.item.State = old.vm.Reference().Value, old.address, publish.Kept
	differs := r.differences(want, old)
	switch {
	case len(differs) > 0 && r.Replace && (!want.Controller || !r.memberGone):
		r.memberGone = r.memberGone || want.Controller
		if err := r.fits(want.Machine); err != nil {
			return err
		}
		j.item.State, j.item.Note = publish.Replaced, strings.Join(differs, "; ")
		j.add(r.stop(*old)...)
		j.add(r.destroy(machine{vm: old.vm, name: old.name})...)
		r.addMachine(j, want)
		return nil
	case len(differs) > 0 && r.Replace:
		j.item.Note = strings.Join(differs, "; ") + "; run it again for this controller when the others are healthy"
	case len(differs) > 0:
		j.item.Note = strings.Join(differs, "; ") + "; --replace makes it anew"
	}
	if old.power != types.VirtualMachinePowerStatePoweredOn {
		j.item.State, j.item.Note = publish.Changed, join(j.item.Note, "started")
		made := &made{machine: *old}
		j.add(r.powerOn(made, old.name))
		return nil
	}
	if steps := r.detach(*old); r.DetachISO && len(steps) > 0 {
		j.item.State, j.item.Note = publish.Changed, join(j.item.Note, "identity taken away")
		j.add(steps...)
	}
	return nil
}

// join puts two notes together.
func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// fits reports a size that the image does not go into.
func (r *run) fits(m Machine) error {
	if r.image == nil {
		return nil // the template is there, and no OVA is needed
	}
	if have := int64(m.Size.DiskGiB) << 30; have < r.image.capacity {
		return fmt.Errorf("a disk of %d GiB is smaller than the image, which wants %d GiB", m.Size.DiskGiB, (r.image.capacity+1<<30-1)>>30)
	}
	return nil
}

// differences says in what a machine is not as it should be.
func (r *run) differences(want *wanted, have *machine) []string {
	var out []string
	differs := func(what string, have, want any) {
		if have != want {
			out = append(out, fmt.Sprintf("%s is %v, should be %v", what, have, want))
		}
	}
	differs("image", have.Image, r.Image.ID)
	if want.identity.sum != "" && have.Identity != want.identity.sum {
		out = append(out, "its identity has changed")
	}
	differs("processors", have.cpus, want.Size.CPUs)
	differs("memory in MiB", have.memory, want.Size.MemoryMiB)
	differs("disk in GiB", have.diskGiB(), want.Size.DiskGiB)
	differs("firmware", have.firmware, r.Where.Firmware)
	if card := have.adapter(); card == nil || !sameNetwork(card.GetVirtualEthernetCard().Backing, r.place.backing) {
		out = append(out, fmt.Sprintf("network is another than %q", r.Where.Network))
	} else if mac := card.GetVirtualEthernetCard().MacAddress; want.MAC != "" && !strings.EqualFold(mac, want.MAC) {
		differs("MAC address", mac, want.MAC)
	}
	return out
}

// sameNetwork compares what adapters are connected to.
func sameNetwork(a, b types.BaseVirtualDeviceBackingInfo) bool {
	switch a := a.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		b, ok := b.(*types.VirtualEthernetCardNetworkBackingInfo)
		return ok && a.DeviceName == b.DeviceName
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		b, ok := b.(*types.VirtualEthernetCardDistributedVirtualPortBackingInfo)
		return ok && a.Port.PortgroupKey == b.Port.PortgroupKey
	case *types.VirtualEthernetCardOpaqueNetworkBackingInfo:
		b, ok := b.(*types.VirtualEthernetCardOpaqueNetworkBackingInfo)
		return ok && a.OpaqueNetworkId == b.OpaqueNetworkId
	}
	return false
}

// wanted is a machine as it should be.
type wanted struct {
	Machine
	identity identity
}

// identity is what a machine is told of itself. It holds private keys.
type identity struct {
	data []byte
	sum  string // SHA-256 in hexadecimal; empty where there is no file yet, in a dry run
}

// maxIdentity bounds an identity, in bytes: a config ISO has some 400 KB.
const maxIdentity = 16 << 20

func (r *run) readIdentity(m Machine) (identity, error) {
	data, err := atomicfile.ReadFile(m.Identity, maxIdentity)
	if r.DryRun && errors.Is(err, fs.ErrNotExist) {
		return identity{}, nil
	}
	if err != nil {
		return identity{}, fmt.Errorf("reading its identity: %w", err)
	}
	sum := sha256.Sum256(data)
	return identity{data, hex.EncodeToString(sum[:])}, nil
}

// size is that of a file in bytes; 0 where there is none.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}
