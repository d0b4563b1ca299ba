package ignition

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"

	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// Consumer is a program that takes configs from volumes or user data.
type Consumer struct {
	Name    string `json:"name"`
	Applies bool   `json:"applies"` // whether it finds this and applies it
	Why     string `json:"why"`     // by what it finds it, or what is in the way
}

// content is what user data are, by their first bytes.
type content string

const (
	contentIgnition    content = "Ignition config"
	contentCloudConfig content = "cloud-config"
	contentScript      content = "script"
	contentMultipart   content = "MIME message"
	contentEmpty       content = "empty user data"
	contentUnknown     content = "unknown user data"
)

// contentOf tells user data as cloud-init does (documentation, "User data
// formats"), and Ignition configs as coreos-cloudinit does (config/ignition.go):
// a JSON object with ignition.version.
func contentOf(data []byte) content {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	header := strings.TrimRightFunc(string(line[:min(len(line), 80)]), unicode.IsSpace)
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return contentEmpty
	case header == "#cloud-config":
		return contentCloudConfig
	case strings.HasPrefix(header, "#!"):
		return contentScript
	case strings.HasPrefix(strings.ToLower(header), "content-type: multipart"):
		return contentMultipart
	}
	var ign struct {
		Ignition *struct {
			Version *string `json:"version"`
		} `json:"ignition"`
	}
	if len(data) <= maxConfig && json.Unmarshal(data, &ign) == nil && ign.Ignition != nil {
		return contentIgnition
	}
	return contentUnknown
}

// Names of the consumers.
const (
	consumerIgnition  = "Ignition, platform openstack"
	consumerDrive     = "cloud-init, ConfigDrive"
	consumerNoCloud   = "cloud-init, NoCloud"
	consumerCoreOS    = "coreos-cloudinit"
	consumerUnpacker  = "the identity's own unpacker"
	consumerBoot      = "the boot ISO"
	consumerUserData  = "Ignition, as user data"
	consumerCloudData = "cloud-init, as user data"
)

// volumeConsumers says who finds a volume. The rules are those of the programs:
// Ignition internal/providers/openstack, which waits for a device of the label
// in lower case or capitals; cloud-init's ds-identify and its data sources,
// likewise; coreos-cloudinit's units/90-configdrive.rules, lower case only.
func volumeConsumers(label string, files map[string][]byte, drive, seed content) []Consumer {
	isDrive := label == labelConfigDrive || label == strings.ToUpper(labelConfigDrive)
	isSeed := label == labelNoCloud || label == strings.ToUpper(labelNoCloud)
	has := func(path string) bool { _, ok := files[path]; return ok }
	labelled := fmt.Sprintf("label %q and %s", label, openStackUserData)
	list := []Consumer{
		judge(consumerIgnition, labelled,
			check{!isDrive, "label is not config-2 or CONFIG-2"},
			check{!has(openStackUserData), "there is no " + openStackUserData},
			check{drive != contentIgnition, fmt.Sprintf("%s is no Ignition config but: %s", openStackUserData, drive)}),
		judge(consumerDrive, fmt.Sprintf("label %q and %s", label, openStackMetaData),
			check{!isDrive, "label is not config-2 or CONFIG-2"},
			check{!has(openStackMetaData), "there is no " + openStackMetaData},
			check{!has(openStackUserData), "there is no " + openStackUserData},
			check{!isCloudContent(drive), fmt.Sprintf("it finds the drive and applies nothing of it: %s", drive)}),
		judge(consumerNoCloud, fmt.Sprintf("label %q, %s and %s", label, noCloudUserData, noCloudMetaData),
			check{!isSeed, "label is not cidata or CIDATA"},
			check{!has(noCloudUserData), "there is no " + noCloudUserData},
			check{!has(noCloudMetaData), "there is no " + noCloudMetaData},
			check{!isCloudContent(seed), fmt.Sprintf("it finds the volume and applies nothing of it: %s", seed)}),
		judge(consumerCoreOS, labelled+"; it knows no runcmd",
			check{label != labelConfigDrive, "label is not config-2"},
			check{!has(openStackUserData), "there is no " + openStackUserData},
			check{drive == contentIgnition, "it finds the drive and leaves Ignition configs alone"},
			check{drive != contentCloudConfig && drive != contentScript, fmt.Sprintf("it applies cloud-configs and scripts: %s", drive)}),
	}
	if has(bundleOnDrive) {
		list = append(list, judge(consumerUnpacker, fmt.Sprintf("label %q and %s", label, bundleOnDrive),
			check{!isDrive && !isSeed, "label is not config-2, CONFIG-2, cidata or CIDATA"}))
	}
	if has(setting.Path) {
		list = append(list, judge(consumerBoot, fmt.Sprintf("label %q and %s", label, setting.Path),
			check{!isDrive && !isSeed, "label is not config-2, CONFIG-2, cidata or CIDATA"}))
	}
	return list
}

func isCloudContent(c content) bool {
	return c == contentCloudConfig || c == contentScript || c == contentMultipart
}

// check is a reason why a consumer does not apply something.
type check struct {
	fails bool
	why   string
}

// judge takes the first reason that there is.
func judge(name, finds string, checks ...check) Consumer {
	for _, c := range checks {
		if c.fails {
			return Consumer{Name: name, Why: c.why}
		}
	}
	return Consumer{Name: name, Applies: true, Why: finds}
}

func unpackerOf(format string, args ...any) Consumer {
	return Consumer{Name: consumerUnpacker, Applies: true, Why: fmt.Sprintf(format, args...)}
}

// userDataConsumers says who takes a bare file as user data. Few of Ignition's
// providers unpack gzip, and OpenStack's and DigitalOcean's do not.
func userDataConsumers(kind content, packed bool) []Consumer {
	return []Consumer{
		judge(consumerUserData, "a platform or fw_cfg that hands it on as it is",
			check{kind != contentIgnition, "it is no Ignition config but: " + string(kind)},
			check{packed, "it is packed by gzip, which most platforms' providers do not unpack"}),
		judge(consumerCloudData, "a platform that hands it on as it is",
			check{!isCloudContent(kind), "it is not for cloud-init but: " + string(kind)}),
	}
}

// guestinfoConsumers says who takes VMware's keys.
func guestinfoConsumers(found map[string]content) []Consumer {
	ign, cloud := found["guestinfo.ignition.config.data"], found["guestinfo.userdata"]
	return []Consumer{
		judge("Ignition, platform vmware", "guestinfo.ignition.config.data",
			check{ign == "", "there is no guestinfo.ignition.config.data that can be read"},
			check{ign != contentIgnition, "guestinfo.ignition.config.data is no Ignition config but: " + string(ign)}),
		judge("cloud-init, VMware", "guestinfo.userdata",
			check{cloud == "", "there is no guestinfo.userdata that can be read"},
			check{!isCloudContent(cloud), "guestinfo.userdata is not for cloud-init but: " + string(cloud)}),
	}
}
