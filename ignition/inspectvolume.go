package ignition

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/ignition/bundle"
	"github.com/ingot-k8s/ingot/ignition/configiso"
	"github.com/ingot-k8s/ingot/node/boot/setting"
	"go.yaml.in/yaml/v3"
)

// Places on volumes.
const (
	openStackUserData = "openstack/latest/user_data"
	openStackMetaData = "openstack/latest/meta_data.json"
	noCloudUserData   = "user-data"
	noCloudMetaData   = "meta-data"
)

// volume inspects a volume: both layouts, where it has both.
func (in *inspector) volume(v configiso.Volume) {
	in.Kind, in.Label = "ISO 9660 volume", v.Label
	files := map[string][]byte{}
	for _, f := range v.Files {
		files[f.Path] = f.Data
	}
	drive := content("")
	if data, ok := files[openStackUserData]; ok {
		in.Kind, drive = "config drive", contentOf(data)
		in.userData(openStackUserData, drive, data)
		in.readMetaData(files[openStackMetaData])
	}
	seed := content("")
	if data, ok := files[noCloudUserData]; ok {
		in.Kind, seed = "NoCloud volume", contentOf(data)
		in.userData(noCloudUserData, seed, data)
		in.readNoCloudData(files[noCloudMetaData])
	}
	if bundle, ok := files[bundleOnDrive]; ok {
		in.bundle = bundle
	}
	if data, ok := files[setting.Path]; ok {
		in.readBoot(data)
	}
	in.Consumers = volumeConsumers(v.Label, files, drive, seed)
	in.checkNames(v)
	in.applyBundle()
}

// checkNames finds labels and paths that are right but for their case.
func (in *inspector) checkNames(v configiso.Volume) {
	if !slices.Contains([]string{"config-2", "CONFIG-2", "cidata", "CIDATA"}, v.Label) {
		for _, right := range []string{labelConfigDrive, labelNoCloud} {
			if strings.EqualFold(v.Label, right) {
				in.warn("label is %q: nothing finds it; %q is looked for, in lower case or in capitals", v.Label, right)
				return
			}
		}
		in.warn("label is %q: nothing looks for that (%q, %q)", v.Label, labelConfigDrive, labelNoCloud)
	}
	known := []string{openStackUserData, openStackMetaData, "openstack/latest/network_data.json", noCloudUserData, noCloudMetaData, "network-config", bundleOnDrive, setting.Path}
	for _, f := range v.Files {
		for _, right := range known {
			if f.Path != right && strings.EqualFold(f.Path, right) {
				in.warn("file %q is not found: it is looked for as %q", f.Path, right)
			}
		}
	}
}

// readBoot says what the boot ISO would do with the machine.
func (in *inspector) readBoot(data []byte) {
	s, err := setting.Parse(data)
	switch {
	case err != nil:
		in.warn("%v: the boot ISO refuses it, and the machine does not start from there", err)
	case s.Install != nil && s.Install.Overwrite != "":
		in.Boot = fmt.Sprintf("install to the disk %s, and overwrite what it holds if its serial number is %s", s.Install.Disk, s.Install.Overwrite)
	case s.Install != nil:
		in.Boot = fmt.Sprintf("install to the disk %s, if it is empty", s.Install.Disk)
	case s.Run != nil:
		in.Boot = fmt.Sprintf("run, with the state on the disk that has it, or on the disk %s if it is empty", s.Run.Disk)
	}
}

func (in *inspector) readMetaData(data []byte) {
	if data == nil {
		in.warn("%s is missing: cloud-init passes over the drive", openStackMetaData)
		return
	}
	var m metaData
	if err := json.Unmarshal(data, &m); err != nil {
		in.warn("%s is not what OpenStack has: cloud-init passes over the drive", openStackMetaData)
		return
	}
	if m.UUID == "" {
		in.warn("%s has no uuid: cloud-init passes over the drive", openStackMetaData)
	}
	in.Instance = &Instance{ID: m.UUID, Hostname: m.Hostname, Zone: m.AvailabilityZone}
}

func (in *inspector) readNoCloudData(data []byte) {
	if data == nil {
		in.warn("%s is missing: cloud-init passes over the volume", noCloudMetaData)
		return
	}
	var m struct {
		ID       string `yaml:"instance-id"`
		Hostname string `yaml:"local-hostname"`
	}
	if err := yaml.Unmarshal(data, &m); err != nil {
		in.warn("%s is not YAML: cloud-init passes over the volume", noCloudMetaData)
		return
	}
	if m.ID == "" {
		in.warn("%s has no instance-id: cloud-init takes all such machines for one", noCloudMetaData)
	}
	in.Instance = &Instance{ID: m.ID, Hostname: m.Hostname}
}

// guestinfoOf reads a JSON object of VMware's keys, all of them text.
func guestinfoOf(data []byte) (map[string]string, bool) {
	values := map[string]string{}
	if !bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")) || json.Unmarshal(data, &values) != nil || len(values) == 0 {
		return nil, false
	}
	for key := range values {
		if !strings.HasPrefix(key, "guestinfo.") {
			return nil, false
		}
	}
	return values, true
}

// guestinfoValues inspects VMware's keys and values.
func (in *inspector) guestinfoValues(values map[string]string) {
	for key, value := range values {
		if len(value) > guestinfoLimit {
			in.warn("%q has %d bytes, and VMware takes at most %d", key, len(value), guestinfoLimit)
		}
	}
	slices.Sort(in.Warnings)
	found := map[string]content{}
	for _, key := range []string{"guestinfo.ignition.config.data", "guestinfo.userdata"} {
		value, ok := values[key]
		if !ok {
			continue
		}
		data, err := decodeGuestinfo(value, values[key+".encoding"])
		if err != nil {
			in.warn("%s: %v", key, err)
			continue
		}
		found[key] = contentOf(data)
		in.userData(key, found[key], data)
	}
	if value, ok := values["guestinfo.metadata"]; ok {
		if data, err := decodeGuestinfo(value, values["guestinfo.metadata.encoding"]); err != nil {
			in.warn("guestinfo.metadata: %v", err)
		} else {
			in.readNoCloudData(data)
		}
	}
	if value, ok := values["guestinfo.ingot.identity.bundle"]; ok {
		bundle, err := base64.StdEncoding.DecodeString(value)
		if err != nil {
			in.warn("guestinfo.ingot.identity.bundle is not base64")
		}
		in.bundle = bundle
	}
	in.Consumers = guestinfoConsumers(found)
	in.applyBundle()
}

// decodeGuestinfo knows the encodings that Ignition and cloud-init share.
func decodeGuestinfo(value, encoding string) ([]byte, error) {
	switch encoding {
	case "":
		return []byte(value), nil
	case "base64", "b64", "gzip+base64", "gz+base64", "gzip+b64", "gz+b64":
	default:
		return nil, fmt.Errorf("unknown encoding %.20q (base64, gzip+base64)", encoding)
	}
	data, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, fmt.Errorf("it is not base64, as its encoding says")
	}
	if strings.HasPrefix(encoding, "gz") {
		return bundle.Decompress(data, maxConfig)
	}
	return data, nil
}

// applyBundle adds what the unpacker would: the bundle that came along, or
// that the config itself brings, if it is the one that the config names.
func (in *inspector) applyBundle() {
	pinned := ""
	for _, f := range in.applied {
		switch f.Path {
		case pinPath:
			pinned, _, _ = strings.Cut(string(f.data), " ")
		case bundlePath:
			in.bundle = f.data
		}
	}
	if in.bundle == nil {
		if pinned != "" {
			in.warn("the identity's bundle is not in here: the machine must get %s from elsewhere", path.Base(bundlePath))
		}
		return
	}
	if got, _, _ := strings.Cut(pin(in.bundle), " "); pinned != "" && got != pinned {
		in.warn("the bundle is not the one that the config names, so the machine refuses it")
	}
	files, err := ReadBundle(in.bundle)
	if err != nil {
		in.warn("%v", err)
		return
	}
	for _, f := range files {
		in.applied = append(in.applied, appliedFile{
			FileInfo: FileInfo{Path: f.Path, Mode: fmt.Sprintf("%04o", f.Mode), Owner: strings.TrimPrefix(f.Owner, "?"), Size: len(f.Data), Source: "bundle"},
			data:     f.Data,
		})
	}
}
