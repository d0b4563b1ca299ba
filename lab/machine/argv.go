package machine

import (
	"strconv"
	"strings"
)

// Argv returns QEMU's arguments, the program first, for a machine whose
// folder is QEMU's working folder. It looks at nothing but the Config:
// defaults that depend on the host are what Start fills in before.
func Argv(c Config) []string {
	c = c.withDefaults()
	argv := []string{
		qemuSystem, "-name", c.Name,
		"-no-user-config", "-nodefaults", "-display", "none",
		"-machine", "pc",
		"-smp", strconv.Itoa(c.CPUs), "-m", strconv.Itoa(c.Memory),
	}
	argv = append(argv, c.Accel.argv(c.CPUs)...)
	argv = append(argv,
		"-rtc", "base="+c.clock(),
		"-object", "rng-random,id=rng0,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng0",
		"-chardev", "socket,id=serial0,path="+serialSocket+",server=on,wait=off,logfile="+ConsoleLog+",logappend=on",
		"-serial", "chardev:serial0",
		"-chardev", "socket,id=qmp0,path="+qmpSocket+",server=on,wait=off",
		"-mon", "chardev=qmp0,mode=control",
		"-boot", "strict=on")
	if c.NoReboot {
		argv = append(argv, "-no-reboot")
	}
	argv = append(argv, c.firmwareArgv()...)
	argv = append(argv, c.diskArgv()...)
	argv = append(argv, c.cdromArgv()...)
	argv = append(argv, c.stickArgv()...)
	for _, f := range c.FWCfg {
		argv = append(argv, "-fw_cfg", "name="+value(f.Name)+",file="+value(f.File))
	}
	for i, n := range c.Nets {
		argv = append(argv, c.netArgv(n, i)...)
	}
	return argv
}

// clock is the time that the machine's clock begins with, as QEMU takes it.
func (c Config) clock() string {
	if c.Clock.IsZero() {
		return "utc"
	}
	return c.Clock.UTC().Format("2006-01-02T15:04:05")
}

// value is a value in one of QEMU's lists of options, where a comma ends it.
func value(s string) string { return strings.ReplaceAll(s, ",", ",,") }

func (c Config) firmwareArgv() []string {
	if c.Firmware != UEFI {
		return nil
	}
	return []string{
		"-drive", "if=pflash,unit=0,format=raw,readonly=on,file=" + value(c.Flash.Code),
		"-drive", "if=pflash,unit=1,format=raw,file=" + varsFile,
	}
}

func (c Config) diskArgv() []string {
	var argv []string
	if !c.Disk.none() {
		device := "virtio-blk-pci,drive=disk0,bootindex=1"
		if c.Disk.Serial != "" {
			device += ",serial=" + value(c.Disk.Serial)
		}
		argv = append(argv, "-drive", "if=none,id=disk0,format=qcow2,discard=unmap,file="+DiskFile, "-device", device)
	}
	if c.Direct.Kernel != "" {
		argv = append(argv, "-kernel", c.Direct.Kernel)
		if c.Direct.Initrd != "" {
			argv = append(argv, "-initrd", c.Direct.Initrd)
		}
		argv = append(argv, "-append", c.Direct.Line)
	}
	return argv
}

// cdrom and stick are the names of drives' devices, counted from 0.
func cdrom(i int) string { return "cdrom" + strconv.Itoa(i) }
func stick(i int) string { return "stick" + strconv.Itoa(i) }

// named is the end of a device's options. What comes before the disk when the
// machine starts is first of all.
func (c Config) named(id string) string {
	if c.Boot == id {
		return ",id=" + id + ",bootindex=0"
	}
	return ",id=" + id
}

func (c Config) cdromArgv() []string {
	var argv []string
	if c.CDBus == SCSI && len(c.CDROMs) > 0 {
		argv = append(argv, "-device", "virtio-scsi-pci,id=scsi0")
	}
	for i, iso := range c.CDROMs {
		n := strconv.Itoa(i)
		device := "ide-cd,bus=ide." + strconv.Itoa(i/2) + ",unit=" + strconv.Itoa(i%2)
		if c.CDBus == SCSI {
			device = "scsi-cd,bus=scsi0.0"
		}
		argv = append(argv,
			"-drive", "if=none,id=cd"+n+",media=cdrom,format=raw,readonly=on,file="+value(iso),
			"-device", device+",drive=cd"+n+c.named(cdrom(i)))
	}
	return argv
}

func (c Config) stickArgv() []string {
	var argv []string
	if len(c.Sticks) > 0 {
		argv = append(argv, "-device", "qemu-xhci,id=usb0")
	}
	for i, image := range c.Sticks {
		n := strconv.Itoa(i)
		argv = append(argv,
			"-drive", "if=none,id=usb"+n+"disk,format=raw,readonly=on,file="+value(image),
			"-device", "usb-storage,bus=usb0.0,removable=on,drive=usb"+n+"disk"+c.named(stick(i)))
	}
	return argv
}

func netdev(i int) string { return "net" + strconv.Itoa(i) }

func (c Config) netArgv(n Net, i int) []string {
	id := netdev(i)
	var options strings.Builder
	switch n.Kind {
	case User:
		// restrict: neither the host nor anything beyond it can be reached.
		options.WriteString("user,id=" + id + ",restrict=on")
		for _, f := range n.Forward {
			options.WriteString(",hostfwd=tcp:127.0.0.1:" + strconv.Itoa(f.Host) + "-:" + strconv.Itoa(f.Guest))
		}
		for _, r := range n.Reach {
			options.WriteString(",guestfwd=tcp:" + r.Address + "-cmd:" + value(r.Command))
		}
		if n.File != "" {
			options.WriteString(",bootfile=" + value(n.File))
		}
	case Multicast:
		options.WriteString("socket,id=" + id + ",mcast=" + value(n.Group) + ",localaddr=127.0.0.1")
	case Datagram:
		options.WriteString("dgram,id=" + id + ",local.type=unix,local.path=" + value(n.Local) +
			",remote.type=unix,remote.path=" + value(n.Remote))
	}
	device := "virtio-net-pci,netdev=" + id
	if n.MAC != "" {
		device += ",mac=" + n.MAC
	}
	if c.Boot == id {
		device += ",bootindex=0"
	}
	return []string{"-netdev", options.String(), "-device", device}
}
