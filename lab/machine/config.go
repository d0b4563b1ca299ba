// Package machine is one QEMU machine: first a value, [Config], which says all
// that it is made of and can be printed as QEMU's arguments ([Argv]); then a
// running thing, [Machine], whose serial console is read and whose power is
// switched.
//
// Everything a machine writes is in one folder: what it changed on its disk,
// its firmware's settings, what it said, and its sockets. Started again with
// the same folder it is the same machine. Its image is never written to.
//
// A machine reaches no network but the loopback ports that are forwarded to
// it and the machines of its own segment. QEMU ends with the context that the
// machine was started with, and on Linux with the process that started it,
// however that ends.
package machine

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Names of the programs that are run.
const (
	qemuSystem = "qemu-system-x86_64"
	qemuImg    = "qemu-img"
)

// What a machine's folder holds. All are named relative to it, because paths
// of Unix sockets are limited to 107 bytes.
const (
	ConsoleLog = "serial.log" // what the machine said on its serial port, over all its starts
	QEMULog    = "qemu.log"   // what QEMU said about itself
	DiskFile   = "disk.qcow2" // what the machine changed on its disk, as long as it is the same machine

	serialSocket = "serial.sock"
	qmpSocket    = "qmp.sock"
	varsFile     = "vars.fd"
	lockFile     = "lock"
)

// Config is a machine. Paths of files are absolute or relative to the working
// folder of the caller.
type Config struct {
	Name     string   // in messages and in QEMU's process title: letters, digits, "-" and "."
	Dir      string   // the machine's folder, made if it is not there
	Firmware Firmware // empty means BIOS
	Flash    Flash    // for UEFI; empty means what FindFlash finds
	Accel    Accel    // empty means what FindAccel finds
	CPUs     int      // 0 means 2 with KVM, 1 without
	Memory   int      // in MiB; 0 means 2048
	Disk     Disk
	Direct   Direct // a kernel that QEMU starts itself
	CDROMs   []string
	CDBus    CDBus    // empty means IDE
	Sticks   []string // images on USB sticks, which the machine cannot write to
	Boot     string   // what is started from before the disk, counted from 0: "cdrom0", "stick0", "net0"; empty means nothing
	FWCfg    []FWCfg
	Nets     []Net
	Clock    time.Time // of the machine's hardware when it starts; zero means what the host's is
	Slow     int       // how many seconds of this host a second of the machine takes; 0 means 1, and with KVM there is no other
	NoReboot bool      // a reboot ends the machine, as panics do that reboot
}

// Firmware is what starts the machine.
type Firmware string

// The firmwares.
const (
	BIOS Firmware = "bios"
	UEFI Firmware = "uefi"
)

// Flash are the two files of a UEFI firmware: its code, and its settings as
// they leave the factory, of which each machine gets a copy.
type Flash struct{ Code, Vars string }

// Disk is the machine's disk: what an image has, and in the machine's folder
// what was changed since. Without an image it is an empty disk of Size, and
// without a size too the machine has no disk.
type Disk struct {
	Image  string
	Format string // raw, qcow2 or vmdk
	Size   int64  // in bytes, to which the disk grows; 0 means as it is, and smaller is refused
	Serial string // of up to 20 characters, by which the machine can name it; empty means none
}

func (d Disk) none() bool { return d.Image == "" && d.Size == 0 }

// Direct is a kernel that is started without a boot loader.
type Direct struct{ Kernel, Initrd, Line string }

// CDBus is what CD-ROM drives are attached to.
type CDBus string

// The buses for CD-ROM drives. A machine has room for four drives on IDE.
// There is no AHCI: Debian's cloud kernel has no driver for it.
const (
	IDE  CDBus = "ide"
	SCSI CDBus = "scsi" // virtio-scsi
)

// FWCfg is a file that the machine finds below
// /sys/firmware/qemu_fw_cfg/by_name. Names for general use begin with "opt/".
type FWCfg struct{ Name, File string }

// Net is a network interface (virtio-net).
type Net struct {
	Kind NetKind
	MAC  string // empty means QEMU's default, the same in every machine

	Forward []Forward // User: what is reachable from outside
	Reach   []Reach   // User: what is reachable from inside
	File    string    // User: what DHCP says to start from
	Group   string    // Multicast: its address and port
	Local   string    // Datagram: Unix socket of this end, made by QEMU
	Remote  string    // Datagram: Unix socket of the other end
}

// NetKind is what an interface is connected to.
type NetKind string

// The kinds of networks. None of them leads out of this host.
const (
	User      NetKind = "user"      // a network of its own, with DHCP, from which nothing can be reached
	Multicast NetKind = "multicast" // an Ethernet segment of all machines with the same group, over the loopback interface
	Datagram  NetKind = "datagram"  // frames through a pair of Unix sockets
)

// Forward makes a TCP port of the machine reachable on 127.0.0.1. Host 0 means
// any free port, which [Machine.Port] tells.
type Forward struct{ Guest, Host int }

// Reach is an IPv4 address and port, of 10.0.2.0/24, that the machine reaches: for
// each connection a program of this host is started, whose input and output it
// is. Its words are split as a shell does.
type Reach struct{ Address, Command string }

// withDefaults fills in what does not depend on the host.
func (c Config) withDefaults() Config {
	if c.Firmware == "" {
		c.Firmware = BIOS
	}
	if c.CDBus == "" {
		c.CDBus = IDE
	}
	if c.CPUs == 0 && c.Accel == KVM {
		c.CPUs = 2
	} else if c.CPUs == 0 {
		c.CPUs = 1
	}
	if c.Memory == 0 {
		c.Memory = 2048
	}
	return c
}

// maxIDE is how many drives QEMU's machine "pc" has room for.
const maxIDE = 4

// check finds what QEMU would not understand, or understand as something else.
func (c Config) check() error {
	name := func(r rune) bool {
		return r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	switch {
	case c.Name == "" || strings.ContainsFunc(c.Name, name):
		return fmt.Errorf("name %q: letters, digits, \"-\" and \".\" are allowed", c.Name)
	case c.Dir == "":
		return errors.New("no folder given")
	case !slices.Contains([]Firmware{BIOS, UEFI}, c.Firmware):
		return fmt.Errorf("unknown firmware %q (bios, uefi)", c.Firmware)
	case !slices.Contains([]Accel{"", TCG, KVM}, c.Accel):
		return fmt.Errorf("unknown acceleration %q (kvm, tcg)", c.Accel)
	case !slices.Contains([]CDBus{IDE, SCSI}, c.CDBus):
		return fmt.Errorf("unknown bus %q of CD-ROM drives (ide, scsi)", c.CDBus)
	case c.CDBus == IDE && len(c.CDROMs) > maxIDE:
		return fmt.Errorf("%d CD-ROM drives: there is room for %d on IDE", len(c.CDROMs), maxIDE)
	case c.Slow > 1 && c.Accel == KVM:
		return errors.New("with KVM the machine's clock cannot go slowly")
	case c.Slow > 1 && FakeTime() == "":
		return errors.New("libfaketime is not installed, without which the machine's clock cannot go slowly")
	case c.Slow < 0:
		return fmt.Errorf("a clock that is %d times slower: it must not be negative", c.Slow)
	case c.CPUs < 1 || c.Memory < 1:
		return fmt.Errorf("%d processors, %d MiB of memory: both must be positive", c.CPUs, c.Memory)
	case c.Disk.Image != "" && !slices.Contains([]string{"raw", "qcow2", "vmdk"}, c.Disk.Format):
		return fmt.Errorf("disk %q: unknown format %q (raw, qcow2, vmdk)", c.Disk.Image, c.Disk.Format)
	case c.Boot != "" && !c.hasDrive(c.Boot):
		return fmt.Errorf("nothing to start from: there is no drive or interface %q", c.Boot)
	case c.Direct.Kernel == "" && c.Direct != Direct{}:
		return errors.New("initrd or kernel line without a kernel")
	}
	for _, n := range c.Nets {
		if !slices.Contains([]NetKind{User, Multicast, Datagram}, n.Kind) {
			return fmt.Errorf("unknown kind %q of network (user, multicast, datagram)", n.Kind)
		}
		if n.Kind != User && (len(n.Forward)+len(n.Reach) > 0 || n.File != "") {
			return fmt.Errorf("a network of the kind %q has no forwards, no addresses and no DHCP of its own", n.Kind)
		}
	}
	return nil
}

// hasDrive is whether the machine has a CD-ROM drive, a stick or an interface of
// a name.
func (c Config) hasDrive(name string) bool {
	for i := range c.CDROMs {
		if cdrom(i) == name {
			return true
		}
	}
	for i := range c.Sticks {
		if stick(i) == name {
			return true
		}
	}
	for i := range c.Nets {
		if netdev(i) == name {
			return true
		}
	}
	return false
}

// absolute makes the paths of files independent of the working folder, since
// QEMU's is that of the machine.
func (c Config) absolute() (Config, error) {
	c.CDROMs, c.Sticks, c.FWCfg, c.Nets = slices.Clone(c.CDROMs), slices.Clone(c.Sticks), slices.Clone(c.FWCfg), slices.Clone(c.Nets)
	paths := []*string{&c.Dir, &c.Flash.Code, &c.Flash.Vars, &c.Disk.Image, &c.Direct.Kernel, &c.Direct.Initrd}
	for i := range c.CDROMs {
		paths = append(paths, &c.CDROMs[i])
	}
	for i := range c.Sticks {
		paths = append(paths, &c.Sticks[i])
	}
	for i := range c.FWCfg {
		paths = append(paths, &c.FWCfg[i].File)
	}
	for i := range c.Nets {
		paths = append(paths, &c.Nets[i].Local, &c.Nets[i].Remote)
	}
	for _, p := range paths {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return Config{}, fmt.Errorf("finding %q: %w", *p, err)
		}
		*p = abs
	}
	return c, nil
}
