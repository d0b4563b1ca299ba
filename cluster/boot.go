package cluster

import "github.com/ingot-k8s/ingot/node/boot/setting"

// Boot says what machines do that are started from the boot ISO. It is no part
// of what an image is made of.
type Boot struct {
	Install *BootDisk `yaml:"install,omitempty" jsonschema_description:"Have machines install the image to a disk, unless their node says something else."`
	Run     *BootDisk `yaml:"run,omitempty" jsonschema_description:"Have machines run from the boot ISO with their state on a disk, unless their node says something else."`
	Rescue  bool      `yaml:"rescue,omitempty" jsonschema_description:"Whether the boot ISO's menu offers a shell for root to whoever is at the console."`
}

// BootDisk is a rule for a disk.
type BootDisk struct {
	Disk string `yaml:"disk" jsonschema:"required" jsonschema_description:"The disk: /dev/disk/by-id/NAME, smallest, or first, which is by controller and port."`
}

// Install is the wish of a node to be installed by the boot ISO.
type Install struct {
	Disk      string `yaml:"disk" jsonschema:"required" jsonschema_description:"The disk: /dev/disk/by-id/NAME, smallest, or first, which is by controller and port."`
	Overwrite string `yaml:"overwrite,omitempty" jsonschema_description:"Serial number of the disk that may be overwritten, whatever it holds. Without it only an empty disk is written to."`
}

// BootSetting is what a node's identity says to the boot ISO: the node's own
// wish, else that of the cluster; nil without any.
func (c *Cluster) BootSetting(n *Node) *setting.Setting {
	d := &c.Def.Boot
	switch {
	case n.Spec.Install != nil:
		return &setting.Setting{Install: &setting.Install{Disk: n.Spec.Install.Disk, Overwrite: n.Spec.Install.Overwrite}}
	case n.Spec.Run != nil:
		return &setting.Setting{Run: &setting.Run{Disk: n.Spec.Run.Disk}}
	case d.Install != nil:
		return &setting.Setting{Install: &setting.Install{Disk: d.Install.Disk}}
	case d.Run != nil:
		return &setting.Setting{Run: &setting.Run{Disk: d.Run.Disk}}
	}
	return nil
}
