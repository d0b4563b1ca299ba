package cluster

import (
	"slices"

	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// checkBoot looks at what machines do that are started from the boot ISO.
func (v *validator) checkBoot() {
	d := &v.def.Boot
	if d.Install != nil && d.Run != nil {
		v.errorf("boot.run", "machines cannot both be installed and run from the boot ISO; want one of boot.install and boot.run")
	}
	machines := len(v.def.Nodes) + v.def.Spares
	common := func(path string, disk *BootDisk) {
		if disk != nil && v.checkDisk(path+".disk", disk.Disk) && setting.Named(disk.Disk) && machines > 1 {
			v.warnf(path+".disk", "one disk by its id, for all of %d machines; give it to its node, and here smallest or first", machines)
		}
	}
	common("boot.install", d.Install)
	common("boot.run", d.Run)
	wanted := d.Install != nil || d.Run != nil || d.Rescue
	for i := range v.def.Nodes {
		n, path := &v.def.Nodes[i], element("nodes", i)
		wanted = wanted || n.Install != nil || n.Run != nil
		if n.Install != nil && n.Run != nil {
			v.errorf(join(path, "run"), "a machine cannot both be installed and run from the boot ISO; want one of install and run")
		}
		if n.Install != nil {
			at := join(path, "install")
			v.checkDisk(join(at, "disk"), n.Install.Disk)
			if s := n.Install.Overwrite; s != "" && setting.CheckSerial(s) != nil {
				v.errorf(join(at, "overwrite"), "%s is not a serial number; want that of the disk, as the machine shows it on its console", quoted(s))
			}
		}
		if n.Run != nil {
			v.checkDisk(join(join(path, "run"), "disk"), n.Run.Disk)
		}
	}
	if wanted && !slices.ContainsFunc(v.def.Image.Targets, func(s string) bool { return s != "digitalocean" }) {
		v.warnf("image.targets", "no machine of these targets is started from a boot ISO, so what is said for it has no use")
	}
}

// checkDisk checks a rule for a disk. An empty one was reported as missing.
func (v *validator) checkDisk(path, rule string) bool {
	if rule == "" {
		return false
	}
	err := setting.CheckRule(rule)
	if err != nil {
		v.errorf(path, "%s", err)
	}
	return err == nil
}
