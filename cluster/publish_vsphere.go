package cluster

import "slices"

// Where a machine on vSphere finds its identity.
const (
	VSphereISO       = "iso"       // a config ISO in its CD drive
	VSphereGuestinfo = "guestinfo" // settings of the machine itself
)

// PublishVSphere says where the machines of a cluster run on a vCenter or on a
// single ESXi host, and what they are like.
type PublishVSphere struct {
	Server         string        `yaml:"server" jsonschema:"required" jsonschema_description:"Address of the vCenter or of the ESXi host, https://host or https://host:port. User and password come from the environment or from a file."`
	CAFile         string        `yaml:"caFile,omitempty" jsonschema_description:"PEM file with the authority of the server's certificate, relative to the definition. Default: the authorities that this machine trusts."`
	Thumbprint     string        `yaml:"thumbprint,omitempty" jsonschema_description:"SHA-256 of the server's certificate, as hexadecimal digits, also with colons between them (SHA-1 where the server shows no other). Only this certificate is then accepted."`
	Datacenter     string        `yaml:"datacenter,omitempty" jsonschema_description:"Datacenter. Default: the only one."`
	Datastore      string        `yaml:"datastore,omitempty" jsonschema_description:"Datastore for the image, the machines and their config ISOs. Default: the only one."`
	Cluster        string        `yaml:"cluster,omitempty" jsonschema_description:"Cluster of hosts, or single host of a vCenter, whose resources the machines use. Default: the only one."`
	Host           string        `yaml:"host,omitempty" jsonschema_description:"Host that machines are made on, for a cluster that does not choose hosts by itself (DRS is off). Default: the cluster chooses."`
	ResourcePool   string        `yaml:"resourcePool,omitempty" jsonschema_description:"Resource pool. Default: that of the cluster or host."`
	Folder         string        `yaml:"folder,omitempty" jsonschema_description:"Folder of the machines and of the template; it must exist. Default: the datacenter's own."`
	Network        string        `yaml:"network,omitempty" jsonschema_description:"Network of the machines: a port group of a host or of a distributed switch. Default: VM Network."`
	ContentLibrary string        `yaml:"contentLibrary,omitempty" jsonschema_description:"Content library of the vCenter, which then holds the OVA too; it must exist. Default: none."`
	Firmware       string        `yaml:"firmware,omitempty" jsonschema:"enum=efi,enum=bios" jsonschema_description:"Firmware of the machines. Default: efi."`
	Identity       string        `yaml:"identity,omitempty" jsonschema:"enum=iso,enum=guestinfo" jsonschema_description:"How a machine gets its identity: a config ISO in its CD drive, or guestinfo variables. Default: iso."`
	Machine        VSphereSize   `yaml:"machine,omitempty" jsonschema_description:"Size of every machine."`
	Nodes          []string      `yaml:"nodes,omitempty" jsonschema_description:"Nodes that have their machines there. Default: all but the spares."`
	Sizes          []VSphereNode `yaml:"sizes,omitempty" jsonschema_description:"Machines of other sizes."`
}

// VSphereSize is the size of machines.
type VSphereSize struct {
	CPUs      int `yaml:"cpus,omitempty" jsonschema:"minimum=1,maximum=768" jsonschema_description:"Virtual processors. Default: 2."`
	MemoryMiB int `yaml:"memoryMiB,omitempty" jsonschema:"minimum=1024,maximum=25165824" jsonschema_description:"Memory in MiB, a multiple of 4. Default: 4096."`
	DiskGiB   int `yaml:"diskGiB,omitempty" jsonschema:"minimum=4,maximum=63488" jsonschema_description:"Disk in GiB, at least that of the image. Default: 20."`
}

// VSphereNode is the size of one machine; what is not given is as for all.
type VSphereNode struct {
	Name      string `yaml:"name" jsonschema:"required" jsonschema_description:"Name of the node."`
	CPUs      int    `yaml:"cpus,omitempty" jsonschema:"minimum=1,maximum=768" jsonschema_description:"Virtual processors. Default: as for every machine."`
	MemoryMiB int    `yaml:"memoryMiB,omitempty" jsonschema:"minimum=1024,maximum=25165824" jsonschema_description:"Memory in MiB, a multiple of 4. Default: as for every machine."`
	DiskGiB   int    `yaml:"diskGiB,omitempty" jsonschema:"minimum=4,maximum=63488" jsonschema_description:"Disk in GiB. Default: as for every machine."`
}

// applyDefaults fills in what is not given.
func (p *PublishVSphere) applyDefaults() {
	orStr(&p.Network, "VM Network")
	orStr(&p.Firmware, "efi")
	orStr(&p.Identity, VSphereISO)
	orInt(&p.Machine.CPUs, 2)
	orInt(&p.Machine.MemoryMiB, 4096)
	orInt(&p.Machine.DiskGiB, 20)
}

// Size is the size of a node's machine.
func (p *PublishVSphere) Size(node string) VSphereSize {
	size := p.Machine
	if i := slices.IndexFunc(p.Sizes, func(n VSphereNode) bool { return n.Name == node }); i >= 0 {
		n := p.Sizes[i]
		if n.CPUs > 0 {
			size.CPUs = n.CPUs
		}
		if n.MemoryMiB > 0 {
			size.MemoryMiB = n.MemoryMiB
		}
		if n.DiskGiB > 0 {
			size.DiskGiB = n.DiskGiB
		}
	}
	return size
}

// Has reports whether a node has its machine there.
func (p *PublishVSphere) Has(n *Node) bool {
	return len(p.Nodes) == 0 && !n.Spare || slices.Contains(p.Nodes, n.Name)
}
