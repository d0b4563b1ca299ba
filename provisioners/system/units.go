package system

import (
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// masked are units of Debian that have no purpose on a machine whose system is
// read-only and made elsewhere. Timers of packages would look for updates; some
// services would ask questions at the console, or write anew into /etc what the
// image has.
var masked = []string{
	// Updates and upkeep of packages.
	"apt-daily.timer", "apt-daily-upgrade.timer", "dpkg-db-backup.timer", "man-db.timer",
	// LVM snapshots of ext4.
	"e2scrub_all.timer", "e2scrub_reap.service",
	// A first boot is the identity's.
	"systemd-firstboot.service",
	// Accounts, caches and databases are made with the image.
	"ldconfig.service", "systemd-hwdb-update.service", "systemd-journal-catalog-update.service", "systemd-sysusers.service",
	"systemd-update-done.service",
	// Nothing is laid over the verified system.
	"systemd-confext.service", "systemd-sysext.service", "systemd-sysext.socket",
	// No shell without a login, no radio, no hibernation.
	"debug-shell.service", "systemd-rfkill.service", "systemd-rfkill.socket", "systemd-hibernate-clear.service",
	// The initrd grows the disk.
	"systemd-repart.service",
	// Views into the kernel for those who debug it. What wants configfs or FUSE
	// opens a device, and the kernel loads the module then; there is no seat with
	// a screen to wait for.
	"sys-kernel-debug.mount", "sys-kernel-tracing.mount", "sys-kernel-config.mount", "sys-fs-fuse-connections.mount",
	"modprobe@configfs.service", "modprobe@drm.service", "modprobe@fuse.service",
	// Rules of udev that a hypervisor would bring; nodes in /dev before there
	// could be users, which are there; leases of a DHCP server.
	"systemd-udev-load-credentials.service", "systemd-tmpfiles-setup-dev-early.service",
	"systemd-networkd-persistent-storage.service",
}

// noGenerators are programs that systemd would start at each boot to find what
// an image does not have: other partitions, hibernation, scripts of System V,
// TPMs, commands on the kernel line. systemd-ssh-generator would have sshd
// listen to the hypervisor (vsock) and on a local socket.
var noGenerators = []string{
	"systemd-gpt-auto-generator", "systemd-hibernate-resume-generator", "systemd-integritysetup-generator",
	"systemd-rc-local-generator", "systemd-run-generator", "systemd-ssh-generator", "systemd-system-update-generator",
	"systemd-sysv-generator", "systemd-tpm2-generator", "systemd-veritysetup-generator",
}

// units are those of the system that run, and those that do not.
func units(c *cluster.Cluster) []layer.Unit {
	list := []layer.Unit{
		{Name: "systemd-networkd.service", WantedBy: []string{"multi-user.target"}},
		{Name: "systemd-networkd.socket", WantedBy: []string{"sockets.target"}},
		{
			Name: "systemd-networkd-wait-online.service", WantedBy: []string{"network-online.target"},
			DropIns: map[string]string{"50-ingot.conf": waitOnline},
		},
		{Name: "systemd-resolved.service", WantedBy: []string{"sysinit.target"}},
		{Name: "systemd-timesyncd.service", WantedBy: []string{"sysinit.target"}},
		{Name: "getty@tty1.service", WantedBy: []string{"getty.target"}},
		{Name: "fstrim.timer", WantedBy: []string{"timers.target"}}, // gives thin disks their room back
	}
	if c.Def.Image.Debian < 13 { // where /tmp would be on the root, which is read-only
		list = append(list, layer.Unit{Name: "tmp.mount", Content: tmpMount, WantedBy: []string{"local-fs.target"}})
	}
	// A service whose log is not taken from it stands still, so the log is not the
	// last in the line behind a control plane that wants the whole processor.
	list = append(list, layer.Unit{Name: "systemd-journald.service", DropIns: map[string]string{"50-ingot.conf": "[Service]\nCPUWeight=500\n"}})
	// Firmware that is not UEFI has no store for the kernel's last words.
	list = append(list, layer.Unit{Name: "modprobe@efi_pstore.service", DropIns: map[string]string{
		"50-ingot.conf": "[Unit]\nConditionPathExists=/sys/firmware/efi\n",
	}})
	for _, name := range masked {
		list = append(list, layer.Unit{Name: name, Masked: true})
	}
	return list
}

// tmpMount is as Debian 13 has it.
const tmpMount = `[Unit]
Description=Temporary files
DefaultDependencies=no
Conflicts=umount.target
Before=local-fs.target umount.target
After=swap.target

[Mount]
What=tmpfs
Where=/tmp
Type=tmpfs
Options=mode=1777,strictatime,nosuid,nodev,size=50%%,nr_inodes=1m
`

// waitOnline takes one interface for enough: others may have no cable.
const waitOnline = `[Service]
ExecStart=
ExecStart=/usr/lib/systemd/systemd-networkd-wait-online --any --timeout=60
`
