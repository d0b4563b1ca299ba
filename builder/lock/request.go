package lock

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// Request is one Debian package that an image is to have.
type Request struct {
	Name string
	Path string // field of the definition that names it; empty for Ingot's own
}

// wanted is one package of Ingot's own choice. A nil when means always.
type wanted struct {
	name string
	when func(d *cluster.Definition) bool
}

// base is the one list of what images have from Debian besides the essential
// packages and the components; what these depend on comes with them.
var base = []wanted{
	// The system.
	{"systemd", nil},
	{"systemd-sysv", nil}, // /sbin/init
	{"udev", nil},
	{"dbus", nil},
	{"systemd-resolved", nil},
	{"systemd-timesyncd", nil},
	{"passwd", nil}, // accounts are made when the image is
	{"kmod", nil},
	{"procps", nil}, // sysctl
	{"mount", nil},  // kubelet mounts volumes with it
	{"ca-certificates", nil},
	{"tzdata", func(d *cluster.Definition) bool { return d.System.Timezone != "" }},
	{"openssh-server", func(d *cluster.Definition) bool { return len(d.Access.SSHKeys) > 0 }},
	{"sudo", func(d *cluster.Definition) bool { return len(d.Access.SSHKeys) > 0 && d.Access.User != "root" }},
	{"open-vm-tools", func(d *cluster.Definition) bool { return slices.Contains(d.Image.Targets, "esxi") }},

	// The kernel and what finds, checks and grows the disk. Debian's kernels want
	// a maker of initrds; dracut is one, which is never run (package initrd).
	{"linux-image-cloud-amd64", func(d *cluster.Definition) bool { return d.Image.Kernel == "cloud" }},
	{"linux-image-amd64", func(d *cluster.Definition) bool { return d.Image.Kernel != "cloud" }},
	{"dracut", nil},
	{"cryptsetup-bin", nil},
	{"dmsetup", nil},                // with udev's rules for what is verified
	{"systemd-cryptsetup", since13}, // in 12 a part of systemd
	{"systemd-repart", since13},     // likewise
	{"e2fsprogs", nil},              // the state partition is made on the machine

	// What reads the identity.
	{"ignition", ignition},
	{"cloud-init", func(d *cluster.Definition) bool { return !ignition(d) }},

	// The network.
	{"iproute2", nil},
	{"nftables", nil},
	{"iptables", nil}, // CNI's bridge and portmap call it
	{"conntrack", nil},
}

// componentPackages are the packages of components whose source is debian.
var componentPackages = map[string][]string{
	"etcd":          {"etcd-server", "etcd-client"},
	"containerd":    {"containerd"},
	"runc":          {"runc"},
	"cni":           {"containernetworking-plugins"},
	"tinc":          {"tinc"},
	"haproxy":       {"haproxy"},
	"node-exporter": {"prometheus-node-exporter"},
}

func since13(d *cluster.Definition) bool { return d.Image.Debian >= 13 }

func ignition(d *cluster.Definition) bool { return d.Provisioning == cluster.ProvisioningIgnition }

// Requests lists the Debian packages of a cluster's image, ordered by name,
// each once.
func Requests(c *cluster.Cluster) []Request {
	var out []Request
	for _, w := range base {
		if w.when == nil || w.when(&c.Def) {
			out = append(out, Request{Name: w.name})
		}
	}
	for _, component := range c.Def.ImageComponents() {
		if component.Source != cluster.SourceDebian {
			continue
		}
		for _, name := range componentPackages[component.Name] {
			out = append(out, Request{Name: name})
		}
	}
	for i, name := range c.Def.Image.Packages {
		same := func(r Request) bool { return r.Name == name }
		if !slices.ContainsFunc(out, same) {
			out = append(out, Request{Name: name, Path: fmt.Sprintf("image.packages[%d]", i)})
		}
	}
	sort.Slice(out, func(a, b int) bool { return out[a].Name < out[b].Name })
	return out
}

// requested are the names of what a cluster's image asks for.
func requested(c *cluster.Cluster) []string {
	var names []string
	for _, r := range Requests(c) {
		names = append(names, r.Name)
	}
	return names
}

// Fits reports whether the lock has what the definition asks for, and no more.
func (l *Lock) Fits(c *cluster.Cluster) bool {
	return l.Debian.Release == c.Def.Image.Debian && slices.Equal(l.Debian.Requested, requested(c)) && l.hasBoot() && l.programsFit(c) &&
		slices.Equal(l.Images, preloaded(c))
}

// BootPackages lists what boot loaders are taken from: GRUB for BIOS and what
// makes its image, GRUB for UEFI and, for machines with Secure Boot, what starts
// it, all as Debian has signed them.
func BootPackages() []string {
	return []string{"grub-common", "grub-efi-amd64-signed", "grub-pc-bin", "shim-helpers-amd64-signed", "shim-signed"}
}

// hasBoot reports whether the lock has what boot loaders are taken from.
func (l *Lock) hasBoot() bool {
	for _, name := range BootPackages() {
		if !slices.ContainsFunc(l.Debian.Boot, func(p Package) bool { return p.Name == name }) {
			return false
		}
	}
	return true
}

// preloaded are the container images of the definition, which names their
// digests, in the order of a lock.
func preloaded(c *cluster.Cluster) []Image {
	var out []Image
	for _, s := range c.Def.Image.Preload {
		named, digest, _ := strings.Cut(s, "@")
		out = append(out, Image{Reference: named, Digest: digest})
	}
	sortImages(out)
	return out
}

// PackagesOf lists the packages of a component whose source is debian.
func PackagesOf(component string) []string { return slices.Clone(componentPackages[component]) }

// Version is that of the first of the packages that is there; empty if none is.
func (d *Debian) Version(names ...string) string {
	for _, name := range names {
		for _, p := range d.Packages {
			if p.Name == name {
				return p.Version
			}
		}
	}
	return ""
}
