package ignition

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/epoch"
)

// OutFile is one file of a node's output folder.
type OutFile struct {
	Name string
	Data []byte
	Mode fs.FileMode
}

// Names of output files.
const (
	NameUserData    = "user_data"         // for config drives and QEMU; self-contained for cloud-init only
	NameInline      = "user_data.inline"  // Ignition with everything in it, for platforms that have nothing but user data
	NameBundle      = "identity.bundle"   // what user_data of Ignition leaves out: all secrets
	NameMetaData    = "meta_data.json"    // OpenStack form
	NameNetworkData = "network_data.json" // OpenStack form
	NameConfigISO   = "config.iso"        // config drive
	NameNoCloudISO  = "cidata.iso"        // cloud-init NoCloud
	NameGuestinfo   = "guestinfo.json"    // VMware keys and values
)

// outputNames are all names that a node's folder may have from us.
var outputNames = []string{
	NameUserData, NameInline, NameBundle, NameMetaData, NameNetworkData, NameConfigISO, NameNoCloudISO, NameGuestinfo,
}

// Labels of the volumes.
const (
	labelConfigDrive = "config-2"
	labelNoCloud     = "cidata"
)

// bundleOnDrive is where the unpacker looks on a drive.
const bundleOnDrive = "ingot/identity.bundle"

// Outputs gives everything that a machine may be given of an identity. What it
// is stamped with is SOURCE_DATE_EPOCH, or else the identity's own time, so the
// same identity gives the same bytes. The error is a *[TooLargeError] where a
// target of the definition would not take it.
func Outputs(id *Identity) ([]OutFile, error) { return new(Renderer).Outputs(id) }

// Outputs is the function [Outputs], faster for many nodes.
func (r *Renderer) Outputs(id *Identity) ([]OutFile, error) {
	stamp, err := epoch.FromEnv(os.LookupEnv, id.Time)
	if err != nil {
		return nil, err
	}
	outs, err := r.outputs(id, stamp)
	if err != nil {
		return nil, fmt.Errorf("identity of node %q: %w", id.Node, err)
	}
	return outs, nil
}

// Size is how large the form of an identity is that holds all of it, in bytes;
// 0 where there is none.
func Size(outs []OutFile) int {
	size := 0
	for _, f := range outs {
		if f.Name == NameInline || f.Name == NameUserData && size == 0 {
			size = len(f.Data)
		}
	}
	return size
}

// forms are the renderings that the files of a node are made of.
type forms struct {
	id       *Identity
	stamp    time.Time
	userData []byte // what a drive has
	inline   []byte // with everything in it; the same for cloud-init
	bundle   []byte // what user_data leaves out; nil for cloud-init
	instance string
}

func (r *Renderer) outputs(id *Identity, stamp time.Time) ([]OutFile, error) {
	f := &forms{id: id, stamp: stamp}
	bundle, err := id.Bundle()
	if err != nil {
		return nil, err
	}
	switch id.Provisioning {
	case cluster.ProvisioningIgnition:
		f.bundle = bundle
		var configs [][]byte
		if configs, err = r.ignition(id.envelope(bundle), fetchPath, bundlePath); err == nil {
			f.inline, f.userData = configs[0], configs[1]
		}
	case cluster.ProvisioningCloudInit:
		f.inline, err = renderCloudConfig(id, id.envelope(bundle).without(fetchPath))
		f.userData = f.inline
	default:
		err = fmt.Errorf("unknown provisioning %q (%s, %s)", id.Provisioning, cluster.ProvisioningIgnition, cluster.ProvisioningCloudInit)
	}
	if err != nil {
		return nil, err
	}
	return f.files()
}

// files puts the forms into files, in the order of [outputNames].
func (f *forms) files() ([]OutFile, error) {
	network, err := f.network()
	if err != nil {
		return nil, err
	}
	f.instance = instanceID(f.inline, network)
	meta, err := document(metaData{UUID: f.instance, Name: f.id.Node, Hostname: f.id.FQDN, AvailabilityZone: f.id.Zone})
	if err != nil {
		return nil, err
	}
	outs := []OutFile{{NameUserData, f.userData, modeSecret}}
	if f.bundle != nil {
		if len(f.inline) <= digitalOceanLimit {
			outs = append(outs, OutFile{NameInline, f.inline, modeSecret})
		}
		outs = append(outs, OutFile{NameBundle, f.bundle, modeSecret})
	}
	outs = append(outs, OutFile{NameMetaData, meta, modePublic})
	if network != nil {
		outs = append(outs, OutFile{NameNetworkData, network, modePublic})
	}
	if err := f.checkLimits(); err != nil {
		return nil, err
	}
	iso, err := f.configDrive(meta, network)
	if err != nil {
		return nil, err
	}
	outs = append(outs, OutFile{NameConfigISO, iso, modeSecret})
	if f.bundle == nil {
		if iso, err = f.noCloud(); err != nil {
			return nil, err
		}
		outs = append(outs, OutFile{NameNoCloudISO, iso, modeSecret})
	}
	guestinfo, err := f.guestinfo()
	if err != nil {
		return nil, err
	}
	if guestinfo != nil {
		outs = append(outs, OutFile{NameGuestinfo, guestinfo, modeSecret})
	}
	return outs, nil
}

// network is network_data.json. cloud-init takes a document without links for
// the wish to have no network at all, so a machine with DHCP gets none; nothing
// on a machine with Ignition reads it for its network.
func (f *forms) network() ([]byte, error) {
	if f.id.Network == nil && f.bundle == nil {
		return nil, nil
	}
	data, err := openStackNetwork(f.id.Network)
	if err != nil {
		return nil, err
	}
	return document(data)
}

// checkLimits holds what has to go through user data against its limits.
func (f *forms) checkLimits() error {
	if f.bundle != nil && len(f.userData) > UserDataLimit {
		return f.id.tooLarge(NameUserData, len(f.userData), UserDataLimit, "")
	}
	if slices.Contains(f.id.Targets, "digitalocean") && len(f.inline) > digitalOceanLimit {
		name := NameUserData
		if f.bundle != nil {
			name = NameInline
		}
		return f.id.tooLarge(name, len(f.inline), digitalOceanLimit, "digitalocean")
	}
	return nil
}
