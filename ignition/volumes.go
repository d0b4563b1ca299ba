package ignition

import (
	"bytes"
	"encoding/base64"
	"slices"

	"github.com/ingot-k8s/ingot/ignition/configiso"
	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// configDrive is the volume that Ignition and cloud-init know from OpenStack.
func (f *forms) configDrive(meta, network []byte) ([]byte, error) {
	files := []configiso.File{
		{Path: "openstack/latest/user_data", Data: f.userData},
		{Path: "openstack/latest/meta_data.json", Data: meta},
	}
	if network != nil {
		files = append(files, configiso.File{Path: "openstack/latest/network_data.json", Data: network})
	}
	if f.bundle != nil {
		files = append(files, configiso.File{Path: bundleOnDrive, Data: f.bundle})
	}
	return f.volume(labelConfigDrive, files)
}

// noCloud is the volume that cloud-init knows by the label cidata. Without a
// static network its network-config is a comment, which cloud-init takes for
// none and asks DHCP.
func (f *forms) noCloud() ([]byte, error) {
	meta, err := document(noCloudData{InstanceID: f.instance, LocalHostname: f.id.FQDN})
	if err != nil {
		return nil, err
	}
	network := []byte("# The definition has no static network for this node: DHCP.\n")
	if plan := planOf(f.id.Network); plan != nil {
		if network, err = document(plan); err != nil {
			return nil, err
		}
	}
	return f.volume(labelNoCloud, []configiso.File{
		{Path: "user-data", Data: f.userData},
		{Path: "meta-data", Data: meta},
		{Path: "network-config", Data: network},
	})
}

// volume makes a volume of files, and of what the boot ISO goes by where the
// definition says anything to it.
func (f *forms) volume(label string, files []configiso.File) ([]byte, error) {
	if f.id.Boot != nil {
		data, err := f.id.Boot.Encode()
		if err != nil {
			return nil, err
		}
		files = append(files, configiso.File{Path: setting.Path, Data: data})
	}
	var b bytes.Buffer
	if err := configiso.Write(&b, configiso.Volume{Label: label, Time: f.stamp, Files: files}); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// guestinfo is a JSON object of VMware's keys and values, nil where a value is
// too long for VMware and the definition has no such target.
func (f *forms) guestinfo() ([]byte, error) {
	packed, err := compress(f.userData)
	if err != nil {
		return nil, err
	}
	userData := base64.StdEncoding.EncodeToString(packed)
	values := map[string]string{}
	if f.bundle != nil {
		values["guestinfo.ignition.config.data"] = userData
		values["guestinfo.ignition.config.data.encoding"] = "gzip+base64"
		values["guestinfo.ingot.identity.bundle"] = base64.StdEncoding.EncodeToString(f.bundle)
	} else {
		meta, err := document(noCloudData{
			InstanceID: f.instance, LocalHostname: f.id.FQDN, Network: planOf(f.id.Network), Redact: []string{"userdata"},
		})
		if err != nil {
			return nil, err
		}
		values["guestinfo.userdata"] = userData
		values["guestinfo.userdata.encoding"] = "gzip+base64"
		values["guestinfo.metadata"] = base64.StdEncoding.EncodeToString(meta)
		values["guestinfo.metadata.encoding"] = "base64"
	}
	for key, value := range values {
		if len(value) <= guestinfoLimit {
			continue
		}
		if slices.Contains(f.id.Targets, "esxi") {
			return nil, f.id.tooLarge(key, len(value), guestinfoLimit, "esxi")
		}
		return nil, nil
	}
	return document(values)
}
