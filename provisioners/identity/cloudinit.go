package identity

import (
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// cloudConfigPath comes after what the package itself has there.
const cloudConfigPath = "/etc/cloud/cloud.cfg.d/99-ingot.cfg"

// addCloudInit has cloud-init read the identity and do nothing else.
func addCloudInit(l *layer.Layer, c *cluster.Cluster) {
	l.Packages = append(l.Packages, "cloud-init")
	l.Files = append(l.Files, layer.File{Path: cloudConfigPath, Content: []byte(cloudConfig(c))},
		// Its generator looks for drives before the kernel has found them all, and
		// would leave cloud-init out of the boot.
		layer.File{Path: "/etc/cloud/ds-identify.cfg", Content: []byte("policy: enabled\n")})
	stages := []string{"cloud-init-main", "cloud-init-local", "cloud-init-network", "cloud-config", "cloud-final"}
	if c.Def.Image.Debian < 13 { // cloud-init before 24.3
		stages = []string{"cloud-init-local", "cloud-init", "cloud-config", "cloud-final"}
	}
	for _, stage := range stages {
		l.Units = append(l.Units, layer.Unit{Name: stage + ".service", WantedBy: []string{"cloud-init.target"}})
		if stage == "cloud-init-local" {
			l.Units[len(l.Units)-1].DropIns = map[string]string{"50-ingot.conf": "# Drives must be there when it looks for them.\n" +
				"[Unit]\nWants=systemd-udev-settle.service\nAfter=systemd-udev-settle.service\n"}
		}
	}
	// Interfaces that are added later are no part of an identity.
	for _, name := range []string{"cloud-init-hotplugd.service", "cloud-init-hotplugd.socket"} {
		l.Units = append(l.Units, layer.Unit{Name: name, Masked: true})
	}
}

// datasources lists where an identity may come from, in the order in which it
// is looked for: drives first, then what is asked over the network. The list
// has the targets' own sources only, so that no machine waits for a metadata
// server that is not there. A config drive comes first: where NoCloud does,
// DigitalOcean says, its machines do not work ("Custom Images": requirements).
func datasources(c *cluster.Cluster) []string {
	list := []string{"ConfigDrive", "NoCloud"}
	if slices.Contains(c.Def.Image.Targets, "esxi") {
		list = append(list, "VMware")
	}
	if slices.Contains(c.Def.Image.Targets, "digitalocean") {
		list = append(list, "DigitalOcean")
	}
	return append(list, "None")
}

// cloudConfig is cloud-init's configuration. Of its modules only those are left
// that an identity uses. Its module ssh, which makes host keys and gives the
// provider's keys to a default user, is not among them: accounts and keys are
// those of the definition.
func cloudConfig(c *cluster.Cluster) string {
	return `datasource_list: [` + strings.Join(datasources(c), ", ") + `]
users: []
disable_root: true
ssh_pwauth: false
ssh_deletekeys: false
preserve_hostname: false
manage_etc_hosts: false
resize_rootfs: false
growpart: {mode: "off", devices: []}
apt: {preserve_sources_list: true}
package_update: false
package_upgrade: false
cloud_init_modules: [seed_random, write_files, set_hostname, update_hostname, users_groups]
cloud_config_modules: [runcmd]
cloud_final_modules: [write_files_deferred, scripts_user]
system_info:
  network:
    renderers: [networkd]
    activators: [networkd]
`
}
