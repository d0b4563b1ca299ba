package preflight

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// datasourceList is the setting of cloud-init that says where an identity is
// looked for, and in which order.
var datasourceList = regexp.MustCompile(`(?m)^datasource_list\s*:\s*\[([^\]]*)\]`)

// needed are cloud-init's datasources of which a target needs one.
var needed = map[string][]string{
	"qemu":         {"NoCloud", "ConfigDrive"},
	"metal":        {"NoCloud", "ConfigDrive"},
	"esxi":         {"VMware", "NoCloud", "ConfigDrive"},
	"digitalocean": {"ConfigDrive", "DigitalOcean"},
}

// datasources checks files of the definition that replace the image's own
// order of cloud-init's datasources.
func (k *checker) datasources() {
	if k.c.Def.Provisioning != cluster.ProvisioningCloudInit {
		return
	}
	for i, f := range k.c.Def.Files {
		if path.Dir(f.Path) != "/etc/cloud/cloud.cfg.d" && f.Path != "/etc/cloud/cloud.cfg" {
			continue
		}
		data := k.content(f)
		m := datasourceList.FindStringSubmatch(string(data))
		if m == nil {
			continue
		}
		var list []string
		for _, name := range strings.Split(m[1], ",") {
			list = append(list, strings.Trim(name, " \t\r\n\"'"))
		}
		k.datasourceOrder(fmt.Sprintf("files[%d]", i), list)
	}
}

func (k *checker) datasourceOrder(at string, list []string) {
	for _, target := range k.c.Def.Image.Targets {
		if !slices.ContainsFunc(needed[target], func(name string) bool { return slices.Contains(list, name) }) {
			k.errorf(at, "with this datasource_list cloud-init finds no identity on the target %s (%s)", target, strings.Join(needed[target], ", "))
		}
	}
	drive, none := slices.Index(list, "ConfigDrive"), slices.Index(list, "NoCloud")
	if k.is("digitalocean") && drive >= 0 && none >= 0 && none < drive {
		k.errorf(at, "DigitalOcean's Droplets do not work where datasource_list has NoCloud before ConfigDrive")
	}
}
