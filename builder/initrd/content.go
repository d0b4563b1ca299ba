package initrd

// What the initrd has of the base. Programs bring their libraries along, paths
// may lead through symbolic links, and a path that ends in a slash stands for
// the whole folder.

// required is what no boot can do without.
var required = []string{
	// The system manager and what it starts.
	"/usr/lib/systemd/systemd",
	"/usr/lib/systemd/systemd-journald",
	"/usr/lib/systemd/systemd-modules-load",
	"/usr/lib/systemd/systemd-shutdown",
	"/usr/lib/systemd/systemd-udevd",
	"/usr/bin/systemctl",
	"/usr/bin/udevadm",
	"/usr/lib/x86_64-linux-gnu/libkmod.so.2", // is loaded when it is used

	// Devices.
	"/usr/bin/kmod",
	"/usr/sbin/modprobe",
	"/usr/sbin/dmsetup",
	"/usr/lib/udev/cdrom_id",
	"/usr/lib/udev/rules.d/50-udev-default.rules",
	"/usr/lib/udev/rules.d/60-block.rules",
	"/usr/lib/udev/rules.d/60-cdrom_id.rules",
	"/usr/lib/udev/rules.d/60-persistent-storage.rules",
	"/usr/lib/udev/rules.d/55-dm.rules",
	"/usr/lib/udev/rules.d/60-persistent-storage-dm.rules",
	"/usr/lib/udev/rules.d/95-dm-notify.rules",
	"/usr/lib/udev/rules.d/80-drivers.rules",
	"/usr/lib/udev/rules.d/99-systemd.rules",

	// The partitions.
	"/usr/lib/systemd/systemd-veritysetup",
	"/usr/lib/systemd/systemd-growfs",
	"/usr/bin/systemd-repart",
	"/usr/sbin/mkfs.ext4",
	"/usr/sbin/e2fsck",
	"/etc/mke2fs.conf",

	// What the scripts run.
	"/usr/bin/sh", "/usr/bin/cat", "/usr/bin/chmod", "/usr/bin/cp", "/usr/bin/mkdir", "/usr/bin/mount",
	"/usr/bin/readlink", "/usr/bin/rm", "/usr/bin/rmdir", "/usr/bin/sleep", "/usr/bin/sync", "/usr/bin/umount", "/usr/bin/head",

	// Names of users and groups, which rules for devices have.
	"/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/os-release",
}

// optional is taken where the base has it.
var optional = []string{
	"/usr/lib/systemd/systemd-executor",            // since systemd 255
	"/usr/lib/systemd/systemd-sysroot-fstab-check", // since systemd 254
	"/usr/lib/systemd/system-generators/systemd-fstab-generator",
	"/usr/lib/x86_64-linux-gnu/libcryptsetup.so.12",
	"/usr/lib/x86_64-linux-gnu/libzstd.so.1",
	"/usr/lib/x86_64-linux-gnu/liblzma.so.5", // modules are compressed with it
	"/usr/lib/udev/ata_id", "/usr/lib/udev/scsi_id",
	"/usr/lib/modprobe.d/",
}

// units are those of systemd that the boot goes through, with their names in
// the folders <unit>.wants of others.
var units = []string{
	"basic.target", "sysinit.target", "local-fs.target", "local-fs-pre.target", "paths.target", "slices.target",
	"sockets.target", "swap.target", "timers.target", "umount.target", "shutdown.target", "final.target",
	"reboot.target", "poweroff.target", "halt.target", "systemd-reboot.service", "systemd-poweroff.service", "systemd-halt.service",
	"emergency.target", "network-pre.target", "network.target",
	"initrd.target", "initrd-fs.target", "initrd-root-device.target", "initrd-root-fs.target", "initrd-usr-fs.target",
	"initrd-switch-root.target", "initrd-cleanup.service", "initrd-parse-etc.service", "initrd-switch-root.service",
	"initrd-udevadm-cleanup-db.service",
	"systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket",
	"systemd-modules-load.service", "systemd-udevd.service", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket",
	"systemd-udev-trigger.service",
}

// wants are links <target>.wants/<unit>.
var wants = map[string][]string{
	"sysinit.target": {"systemd-journald.service", "systemd-modules-load.service", "systemd-udevd.service", "systemd-udev-trigger.service"},
	"sockets.target": {"systemd-journald.socket", "systemd-journald-dev-log.socket", "systemd-udevd-control.socket", "systemd-udevd-kernel.socket"},
}

// initrdUnits are ours: whether the boot cannot go on without them.
var initrdUnits = map[string]string{
	"ingot-root.service": "requires", "ingot-state.service": "requires",
	"ingot-provision.service": "wants",
}

// ignitionEngine is where Debian has it.
const ignitionEngine = "/usr/lib/dracut/modules.d/30ignition/ignition"

// forIgnition is what its stage "files" runs.
var forIgnition = []string{
	"/usr/sbin/groupadd", "/usr/sbin/groupdel", "/usr/sbin/useradd", "/usr/sbin/userdel", "/usr/sbin/usermod",
}

// forNetwork is what asks a server of the platform.
var forNetwork = []string{
	"/usr/lib/systemd/systemd-networkd",
	"/usr/lib/systemd/network/99-default.link",
	"/usr/lib/systemd/system/systemd-networkd.service",
	"/usr/lib/systemd/system/systemd-networkd.socket",
	"/usr/lib/udev/rules.d/75-net-description.rules",
	"/usr/lib/udev/rules.d/80-net-setup-link.rules",
}

// forRescue is what a person at a rescue shell may want, as far as the base has
// it.
var forRescue = []string{
	"/usr/bin/bash", "/usr/bin/cmp", "/usr/bin/cut", "/usr/bin/date", "/usr/bin/dd", "/usr/bin/df", "/usr/bin/dmesg", "/usr/bin/du",
	"/usr/bin/echo", "/usr/bin/env", "/usr/bin/find", "/usr/bin/findmnt", "/usr/bin/free", "/usr/bin/grep", "/usr/bin/gzip",
	"/usr/bin/hexdump", "/usr/bin/ip", "/usr/bin/journalctl", "/usr/bin/kill", "/usr/bin/less", "/usr/bin/ln", "/usr/bin/ls",
	"/usr/bin/lsblk", "/usr/bin/more", "/usr/bin/mv", "/usr/bin/networkctl", "/usr/bin/od", "/usr/bin/ps", "/usr/bin/sed",
	"/usr/bin/sha256sum", "/usr/bin/sort", "/usr/bin/stat", "/usr/bin/tail", "/usr/bin/tar", "/usr/bin/touch", "/usr/bin/wc",
	"/usr/sbin/blkdiscard", "/usr/sbin/blkid", "/usr/sbin/blockdev", "/usr/sbin/losetup", "/usr/sbin/resize2fs", "/usr/sbin/sfdisk",
	"/usr/sbin/tune2fs", "/usr/sbin/wipefs", "/usr/share/terminfo/l/linux", "/usr/share/terminfo/v/vt220", "/lib/terminfo/l/linux", "/lib/terminfo/v/vt220",
}

// mustModules are needed on every machine.
var mustModules = []string{
	"dm_mod", "dm_verity", "squashfs", "overlay", "ext4", "loop", // repart makes file systems through a loop device
	"isofs", "cdrom", "sr_mod", "sd_mod", "virtio_blk", "virtio_scsi", "virtio_pci", "qemu_fw_cfg",
}

// mayModules are drivers of disks and CDs, and what is quicker with them, as
// far as the kernel has them.
var mayModules = []string{
	"nvme", "ahci", "ata_piix", "ata_generic", "vmw_pvscsi", "mptspi", "mptsas",
	"hv_vmbus", "hv_storvsc", "pci_hyperv", "xen_blkfront", "xen_scsifront", "xen_pcifront", "virtio_mmio", "virtio_rng",
	"autofs4", "ip_tables", // which systemd asks for
	"crc32c_intel", "crc32_pclmul", "crct10dif_pclmul", "sha256_ssse3",
	"vfat", "nls_ascii", "nls_cp437", "nls_utf8", "nls_iso8859_1", // config drives may be FAT
	// Machines of metal.
	"usb_storage", "uas", "xhci_pci", "ehci_pci", "ohci_pci", "uhci_hcd", "mmc_block", "sdhci_pci", "sdhci_acpi", "vmd",
	"aacraid", "arcmsr", "hpsa", "isci", "megaraid_sas", "mpt3sas", "mvsas", "pm80xx", "smartpqi", "sata_nv", "sata_sil24", "sata_via",
	"hid_generic", "usbhid", "i8042", "atkbd", // keys that turn a machine off
}

// netModules are drivers of network cards. r8169 does nothing without realtek,
// which no dependency names.
var netModules = []string{
	"virtio_net", "vmxnet3", "e1000", "e1000e", "hv_netvsc", "xen_netfront", "af_packet",
	"igb", "igc", "ixgbe", "i40e", "ice", "r8169", "realtek", "tg3", "bnxt_en", "mlx4_en", "mlx5_core", "ena",
}
