package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// checker looks at one definition.
type checker struct {
	*diag.Report
	c *cluster.Cluster
}

func (k *checker) is(target string) bool { return slices.Contains(k.c.Def.Image.Targets, target) }

func (k *checker) errorf(path, format string, args ...any) {
	k.Errorf(k.c.Where(path), path, format, args...)
}

func (k *checker) warnf(path, format string, args ...any) {
	k.Warnf(k.c.Where(path), path, format, args...)
}

// Targets finds in a definition what its targets would not take (errors), or
// would do otherwise than may be meant (warnings), each at its place.
func Targets(c *cluster.Cluster) *diag.Report {
	k := &checker{Report: &diag.Report{}, c: c}
	if k.is("digitalocean") {
		k.digitalOcean()
	}
	if k.is("esxi") {
		k.esxi()
	}
	if k.is("metal") {
		k.metal()
	}
	k.kernelArgs()
	k.datasources()
	k.sizes()
	k.Sort()
	return k.Report
}

// digitalOcean checks what DigitalOcean's documentation of custom images says
// ("Custom Images", sections "Image Requirements" and "Limits").
func (k *checker) digitalOcean() {
	at := k.target("digitalocean")
	if len(k.c.Def.Access.SSHKeys) == 0 {
		k.warnf(at, "DigitalOcean asks for a way in by SSH and sets no passwords for custom images, and the definition has no access.sshKeys: "+
			"keys chosen when a Droplet is made are not installed by this image, so nobody can log in")
	}
	for i, n := range k.c.Def.Nodes {
		if a, err := netip.ParseAddr(n.Address); err == nil && a.Is6() {
			k.warnf(fmt.Sprintf("nodes[%d].address", i), "if this node is a Droplet: Droplets of custom images have no IPv6 address")
		}
		if n.Network == nil {
			continue
		}
		for j, face := range n.Network.Interfaces {
			if len(face.Addresses) > 0 && !face.DHCP {
				k.warnf(fmt.Sprintf("nodes[%d].network.interfaces[%d]", i, j),
					"if this node is a Droplet: DigitalOcean gives the addresses of custom images by DHCP, and others do not work")
			}
		}
	}
}

// esxi checks the virtual hardware. The drivers are those that Debian's kernel
// packages have (linux-image-cloud-amd64 6.1 and 6.12: no mptspi, e1000,
// e1000e; vmw_pvscsi, ahci, nvme and vmxnet3 are there).
func (k *checker) esxi() {
	if k.c.Def.Image.Kernel == "cloud" {
		k.warnf(k.where("image.kernel", "esxi"), "the cloud kernel finds disks on PVSCSI, SATA and NVMe controllers and VMXNET3 network adapters, which the OVA has; "+
			"a machine made by hand with an LSI Logic controller or an E1000 adapter would not find its disk or network: want kernel generic for such machines")
	}
}

func (k *checker) metal() {
	for _, p := range k.c.Def.Image.Packages {
		if strings.HasPrefix(p, "firmware-") || strings.HasSuffix(p, "-microcode") {
			return
		}
	}
	k.warnf(k.target("metal"), "images have Debian's archive area main only, so no firmware for network cards that load theirs from a file "+
		"(Broadcom bnx2 and bnx2x, some Intel and QLogic) and no microcode: such a card stays dead")
}

// target is the place of a target in the list; the list is not given where it
// is the default one.
func (k *checker) target(name string) string {
	return fmt.Sprintf("image.targets[%d]", slices.Index(k.c.Def.Image.Targets, name))
}

// where is a field, or the target where the definition does not have the
// field itself.
func (k *checker) where(path, target string) string {
	if at := k.target(target); k.c.Where(path) == k.c.Where("image") {
		return at
	}
	return path
}

// kernelArgs looks for words that take the console or the identity away.
func (k *checker) kernelArgs() {
	for i, arg := range k.c.Def.System.KernelArgs {
		path := fmt.Sprintf("system.kernelArgs[%d]", i)
		switch name, value, _ := strings.Cut(arg, "="); {
		case name == "console" && !strings.HasPrefix(value, "tty"):
			k.warnf(path, "the last console gets the messages of the first boot, and %q is neither a screen nor a serial line", value)
		case name == "console" && strings.HasPrefix(value, "ttyS") && k.is("digitalocean"):
			k.warnf(path, "DigitalOcean's console shows the screen (tty0): messages of the first boot go to %s, where nobody sees them", value)
		case name == "ds" && k.c.Def.Provisioning == cluster.ProvisioningCloudInit:
			k.warnf(path, "cloud-init then looks for its identity nowhere else, on no target")
		case name == "net.ifnames" && value == "0" && k.named():
			k.warnf(path, "interfaces are then called eth0 and so on, and nodes name theirs otherwise")
		}
	}
}

// named reports whether a node finds an interface by a predictable name.
func (k *checker) named() bool {
	for _, n := range k.c.Def.Nodes {
		if n.Network == nil {
			continue
		}
		for _, face := range n.Network.Interfaces {
			if face.MAC == "" && face.Name != "" && !strings.HasPrefix(face.Name, "eth") {
				return true
			}
		}
	}
	return false
}
