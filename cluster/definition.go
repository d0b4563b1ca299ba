package cluster

import "strings"

// APIVersion and Kind are the only accepted values of the first two keys of a
// cluster definition.
const (
	APIVersion = "ingot/v1"
	Kind       = "Cluster"
)

// Definition is the content of clusters/<name>/cluster.yaml: the one file a
// person edits. Every field that is not given gets a default (see
// [ApplyDefaults]); nothing that can be derived is typed.
//
// Struct tags: `yaml` names the key; `jsonschema` has the rules that a single
// value is checked by, and with `jsonschema_description` feeds [Schema] and
// [Reference].
type Definition struct {
	APIVersion   string     `yaml:"apiVersion" jsonschema:"required,enum=ingot/v1" jsonschema_description:"Version of this format."`
	Kind         string     `yaml:"kind" jsonschema:"required,enum=Cluster" jsonschema_description:"Always Cluster."`
	Name         string     `yaml:"name" jsonschema:"required" jsonschema_description:"Name of the cluster: a DNS label of at most 40 characters."`
	Domain       string     `yaml:"domain" jsonschema:"required" jsonschema_description:"DNS domain of the machines. The full name of a node is its name, a dot and the domain."`
	Kubernetes   Kubernetes `yaml:"kubernetes,omitempty" jsonschema_description:"Kubernetes version, address ranges and component settings."`
	Mesh         Mesh       `yaml:"mesh,omitempty" jsonschema_description:"The tinc mesh that is the cluster's network."`
	API          API        `yaml:"api,omitempty" jsonschema_description:"How the Kubernetes API is reached."`
	Edge         Edges      `yaml:"edge,omitempty" jsonschema_description:"The floating public address of the edges."`
	Etcd         Etcd       `yaml:"etcd,omitempty" jsonschema_description:"etcd tuning."`
	DNS          DNS        `yaml:"dns,omitempty" jsonschema_description:"Name resolution of pods and machines."`
	PKI          PKI        `yaml:"pki,omitempty" jsonschema_description:"Keys, certificate lifetimes and who signs."`
	Provisioning string     `yaml:"provisioning,omitempty" jsonschema:"enum=ignition,enum=cloud-init" jsonschema_description:"What reads the identity on the machine."`
	Identity     Identity   `yaml:"identity,omitempty" jsonschema_description:"What an identity carries besides the node's own keys and certificates."`
	Image        Image      `yaml:"image,omitempty" jsonschema_description:"The image of the cluster."`
	Components   Components `yaml:"components,omitempty" jsonschema_description:"Where the programs of the image come from. Kubernetes is always compiled from its source, in kubernetes.version."`
	System       System     `yaml:"system,omitempty" jsonschema_description:"Kernel and operating system settings of all nodes."`
	Features     Features   `yaml:"features,omitempty" jsonschema_description:"Optional parts, each on or off."`
	Access       Access     `yaml:"access,omitempty" jsonschema_description:"Who may log in."`
	Files        []File     `yaml:"files,omitempty" jsonschema_description:"Extra files on all nodes."`
	Units        []Unit     `yaml:"units,omitempty" jsonschema_description:"Extra systemd units on all nodes."`
	Addons       []string   `yaml:"addons,omitempty" jsonschema_description:"Kubernetes manifests, applied in this order: files or folders, relative to the definition."`
	Nodes        []NodeSpec `yaml:"nodes" jsonschema:"required,minItems=1" jsonschema_description:"The machines of the cluster."`
	Publish      Publish    `yaml:"publish,omitempty" json:"-" jsonschema_description:"Where the image and the machines are brought. It changes nothing in an image."`
	Boot         Boot       `yaml:"boot,omitempty" json:"-" jsonschema_description:"What machines do that are started from the boot ISO. It changes nothing in an image."`
	Spares       int        `yaml:"spares,omitempty" jsonschema:"minimum=0,maximum=1000" jsonschema_description:"Number of spare workers (spare0, spare1, ...) that can join later without a new image."`
}

// Kubernetes holds the version, the address ranges and settings of the components.
type Kubernetes struct {
	Version       string            `yaml:"version,omitempty" jsonschema_description:"Kubernetes version, with a leading v."`
	ServiceCIDR   string            `yaml:"serviceCIDR,omitempty" jsonschema_description:"Addresses of Services: one CIDR, or an IPv4 and an IPv6 CIDR with a comma between them."`
	PodCIDR       string            `yaml:"podCIDR,omitempty" jsonschema_description:"Addresses of pods, as serviceCIDR. Each node owns a /24 (IPv4) or a /64 (IPv6) of it."`
	ClusterDomain string            `yaml:"clusterDomain,omitempty" jsonschema_description:"DNS domain of Services."`
	NodePorts     string            `yaml:"nodePorts,omitempty" jsonschema_description:"Port range of NodePort Services, low-high."`
	Kubelet       Kubelet           `yaml:"kubelet,omitempty" jsonschema_description:"kubelet settings."`
	FeatureGates  map[string]bool   `yaml:"featureGates,omitempty" jsonschema_description:"Kubernetes feature gates."`
	ExtraArgs     ComponentArgs     `yaml:"extraArgs,omitempty" jsonschema_description:"Further flags of the components."`
	Labels        map[string]string `yaml:"labels,omitempty" jsonschema_description:"Labels of all nodes."`
}

// Kubelet holds settings of the kubelet.
type Kubelet struct {
	MaxPods        int               `yaml:"maxPods,omitempty" jsonschema:"minimum=1,maximum=250" jsonschema_description:"Most pods on one node."`
	Port           int               `yaml:"port,omitempty" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Port of the kubelet's API on the mesh address."`
	SystemReserved map[string]string `yaml:"systemReserved,omitempty" jsonschema_description:"Resources kept for the system: cpu, memory, ephemeral-storage, pid."`
	EvictionHard   map[string]string `yaml:"evictionHard,omitempty" jsonschema_description:"Hard eviction thresholds by signal."`
}

// ComponentArgs are further command line flags, without the leading dashes.
type ComponentArgs struct {
	APIServer         map[string]string `yaml:"apiserver,omitempty" jsonschema_description:"Flags of kube-apiserver."`
	ControllerManager map[string]string `yaml:"controllerManager,omitempty" jsonschema_description:"Flags of kube-controller-manager."`
	Scheduler         map[string]string `yaml:"scheduler,omitempty" jsonschema_description:"Flags of kube-scheduler."`
	Proxy             map[string]string `yaml:"proxy,omitempty" jsonschema_description:"Flags of kube-proxy."`
	Kubelet           map[string]string `yaml:"kubelet,omitempty" jsonschema_description:"Flags of the kubelet."`
}

// Mesh describes the tinc network.
type Mesh struct {
	CIDR      string `yaml:"cidr,omitempty" jsonschema_description:"Addresses of the nodes in the mesh: one CIDR, or an IPv4 and an IPv6 CIDR with a comma between them."`
	Port      int    `yaml:"port,omitempty" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Port that tincd listens on, TCP and UDP."`
	Interface string `yaml:"interface,omitempty" jsonschema_description:"Name of the network interface, at most 15 characters."`
	KeyBits   int    `yaml:"keyBits,omitempty" jsonschema:"enum=2048,enum=3072,enum=4096" jsonschema_description:"Size of the RSA keys of the nodes."`
	Cipher    string `yaml:"cipher,omitempty" jsonschema:"enum=aes-256-cbc,enum=aes-128-cbc,enum=chacha20" jsonschema_description:"Cipher of the data packets."`
	Digest    string `yaml:"digest,omitempty" jsonschema:"enum=sha256,enum=sha512" jsonschema_description:"Digest that authenticates the data packets."`
	MTU       int    `yaml:"mtu,omitempty" jsonschema:"minimum=1280,maximum=9000" jsonschema_description:"MTU of the mesh interface."`
}

// API describes how the Kubernetes API is reached.
type API struct {
	VIP       string   `yaml:"vip,omitempty" jsonschema_description:"Virtual address in the mesh that the controllers announce. Default: the last usable address of mesh.cidr."`
	Port      int      `yaml:"port,omitempty" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Port of kube-apiserver."`
	LocalPort int      `yaml:"localPort,omitempty" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Loopback port of the balancer on every node."`
	Names     []string `yaml:"names,omitempty" jsonschema_description:"DNS names of the API for clients outside. The first one stands in kubeconfigs."`
	Public    bool     `yaml:"public,omitempty" jsonschema_description:"Whether the API is open outside the mesh."`
}

// Edges says which public address moves between the edges, and what moves it.
// Both are given, or neither.
type Edges struct {
	FloatingAddress string `yaml:"floatingAddress,omitempty" jsonschema_description:"Public IP address that one of the edges holds, and that moves when this one fails."`
	Hook            string `yaml:"hook,omitempty" jsonschema_description:"Program that takes and releases the address: an executable file, relative to the definition, that the image has."`
}

// Etcd holds etcd's ports and tuning.
type Etcd struct {
	ClientPort        int      `yaml:"clientPort,omitempty" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Port for clients."`
	PeerPort          int      `yaml:"peerPort,omitempty" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Port for peers."`
	MetricsPort       int      `yaml:"metricsPort,omitempty" jsonschema:"minimum=1,maximum=65535" jsonschema_description:"Port of the metrics on the mesh address."`
	HeartbeatInterval Duration `yaml:"heartbeatInterval,omitempty" jsonschema_description:"Time between two heartbeats of the leader."`
	ElectionTimeout   Duration `yaml:"electionTimeout,omitempty" jsonschema_description:"Time without a heartbeat after which a follower stands for election."`
	QuotaMiB          int      `yaml:"quotaMiB,omitempty" jsonschema:"minimum=256,maximum=8192" jsonschema_description:"Largest size of the database in MiB."`
	SnapshotCount     int      `yaml:"snapshotCount,omitempty" jsonschema:"minimum=1000" jsonschema_description:"Transactions between two snapshots."`
}

// DNS holds the resolvers behind the cluster's own DNS.
type DNS struct {
	Upstream []string `yaml:"upstream,omitempty" jsonschema_description:"Addresses of resolvers outside. Default: those of the machine."`
}

// PKI says how keys and certificates are made.
type PKI struct {
	KeyType      string        `yaml:"keyType,omitempty" jsonschema:"enum=ecdsa-p256,enum=ecdsa-p384,enum=rsa-2048,enum=rsa-3072,enum=rsa-4096" jsonschema_description:"Type of the certificates' keys."`
	CALifetime   Duration      `yaml:"caLifetime,omitempty" jsonschema_description:"Lifetime of the authorities."`
	CertLifetime Duration      `yaml:"certLifetime,omitempty" jsonschema_description:"Lifetime of certificates; never beyond that of their authority."`
	RenewBefore  Duration      `yaml:"renewBefore,omitempty" jsonschema_description:"A certificate with less time left than this is issued again."`
	Recipients   []string      `yaml:"recipients,omitempty" jsonschema_description:"Who can read the private keys at rest: age recipients (age1...) or SSH public keys. Default: an age identity in the user's config folder."`
	Remote       *RemoteSigner `yaml:"remote,omitempty" jsonschema_description:"A cfssl server that holds the authorities' keys. Default: they are in the key store."`
}

// RemoteSigner is a cfssl server (cfssl serve or multirootca) that signs.
type RemoteSigner struct {
	URL         string            `yaml:"url" jsonschema:"required" jsonschema_description:"Address of the server, https://host:port."`
	Labels      map[string]string `yaml:"labels,omitempty" jsonschema_description:"The server's label of each authority (kubernetes, etcd, front-proxy). Default: the authority's name, with _ for -."`
	CAFile      string            `yaml:"caFile,omitempty" jsonschema_description:"PEM file with the authority of the server's own certificate, relative to the definition."`
	AuthKeyFile string            `yaml:"authKeyFile" jsonschema:"required" jsonschema_description:"File with the hexadecimal authentication key, relative to the definition; never committed."`
}

// Label is the server's name of an authority. The default is one that
// multirootca takes: letters, digits and underscores.
func (r *RemoteSigner) Label(authority string) string {
	if l := r.Labels[authority]; l != "" {
		return l
	}
	return strings.ReplaceAll(authority, "-", "_")
}

// Identity says what identities carry.
type Identity struct {
	Common *bool `yaml:"common,omitempty" jsonschema_description:"Whether an identity carries what is the same on many nodes (mesh host keys of the others, files and units of all nodes). Set it to false where the cluster's own image carries them."`
}

// Image describes the image of the cluster.
type Image struct {
	Targets  []string `yaml:"targets,omitempty" jsonschema:"enum=qemu,enum=esxi,enum=metal,enum=digitalocean" jsonschema_description:"Where the image will run."`
	Debian   int      `yaml:"debian,omitempty" jsonschema:"enum=12,enum=13" jsonschema_description:"Debian release of the base."`
	Kernel   string   `yaml:"kernel,omitempty" jsonschema:"enum=cloud,enum=generic" jsonschema_description:"Kernel flavour. Default: generic when metal is a target, else cloud."`
	Mirror   string   `yaml:"mirror,omitempty" jsonschema_description:"Debian mirror. Default: what the host's apt uses."`
	Packages []string `yaml:"packages,omitempty" jsonschema_description:"Extra Debian packages."`
	Preload  []string `yaml:"preload,omitempty" jsonschema_description:"Container images baked into the image, by digest (name@sha256:...)."`
}

// System holds kernel and operating system settings of all nodes.
type System struct {
	KernelArgs []string          `yaml:"kernelArgs,omitempty" jsonschema_description:"Further words of the kernel command line."`
	Modules    []string          `yaml:"modules,omitempty" jsonschema_description:"Further kernel modules to load."`
	Sysctls    map[string]string `yaml:"sysctls,omitempty" jsonschema_description:"Further sysctl settings."`
	NTP        []string          `yaml:"ntp,omitempty" jsonschema_description:"Time servers. Default: Debian's."`
	Timezone   string            `yaml:"timezone,omitempty" jsonschema_description:"Time zone, such as Europe/Berlin."`
}

// Features switches optional parts on or off.
type Features struct {
	NodeExporter *bool `yaml:"nodeExporter,omitempty" jsonschema_description:"Prometheus node-exporter on every node."`
	AuditLog     *bool `yaml:"auditLog,omitempty" jsonschema_description:"Audit log of kube-apiserver."`
	Encryption   *bool `yaml:"encryption,omitempty" jsonschema_description:"Encryption of Secrets at rest in etcd."`
}

// Access says who may log in to the machines.
type Access struct {
	User    string   `yaml:"user,omitempty" jsonschema_description:"Account that gets the keys."`
	SSHKeys []string `yaml:"sshKeys,omitempty" jsonschema_description:"SSH public keys in authorized_keys form."`
}

// File is an extra file. Exactly one of Content and Source is given.
type File struct {
	Path    string `yaml:"path" jsonschema:"required" jsonschema_description:"Absolute path on the machine."`
	Mode    string `yaml:"mode,omitempty" jsonschema:"pattern=^0?[0-7]{3}$" jsonschema_description:"Mode in octal. Default: 0644."`
	Owner   string `yaml:"owner,omitempty" jsonschema_description:"User, or user:group. Default: root:root."`
	Content string `yaml:"content,omitempty" jsonschema_description:"Content of the file."`
	Source  string `yaml:"source,omitempty" jsonschema_description:"File to take the content from, relative to the definition."`
}

// Unit is an extra systemd unit.
type Unit struct {
	Name    string `yaml:"name" jsonschema:"required" jsonschema_description:"Name with its suffix, such as backup.timer."`
	Enabled bool   `yaml:"enabled,omitempty" jsonschema_description:"Whether it starts at boot."`
	Content string `yaml:"content" jsonschema:"required" jsonschema_description:"Content of the unit file."`
}

// NodeSpec is one machine as the definition has it.
type NodeSpec struct {
	Name    string            `yaml:"name" jsonschema:"required" jsonschema_description:"Host name: a DNS label of at most 52 characters, unique in the cluster."`
	Roles   []Role            `yaml:"roles" jsonschema:"required,minItems=1,enum=controller,enum=worker,enum=edge" jsonschema_description:"What the machine does: controller, worker, edge."`
	Zone    string            `yaml:"zone,omitempty" jsonschema_description:"Failure zone; becomes the label topology.kubernetes.io/zone."`
	Address string            `yaml:"address,omitempty" jsonschema_description:"IP address or DNS name at which other nodes can dial this one. Without it the node only dials out."`
	Labels  map[string]string `yaml:"labels,omitempty" jsonschema_description:"Kubernetes labels."`
	Taints  []string          `yaml:"taints,omitempty" jsonschema_description:"Kubernetes taints, key=value:Effect."`
	Network *Network          `yaml:"network,omitempty" jsonschema_description:"Static network. Default: DHCP on every wired interface."`
	Files   []File            `yaml:"files,omitempty" jsonschema_description:"Extra files on this node."`
	Units   []Unit            `yaml:"units,omitempty" jsonschema_description:"Extra systemd units on this node."`
	Install *Install          `yaml:"install,omitempty" json:"-" jsonschema_description:"Have the boot ISO install the image to a disk of the machine."`
	Run     *BootDisk         `yaml:"run,omitempty" json:"-" jsonschema_description:"Have the machine run from the boot ISO, with its state on a disk that has it, or that is empty."`
}

// Network is a node's static network.
type Network struct {
	DNS        []string    `yaml:"dns,omitempty" jsonschema_description:"Addresses of resolvers."`
	Search     []string    `yaml:"search,omitempty" jsonschema_description:"Search domains."`
	Interfaces []Interface `yaml:"interfaces" jsonschema:"required,minItems=1" jsonschema_description:"The interfaces, each found by name or by MAC address."`
}

// Interface is one network interface of a node. At least one of Name and MAC is given.
type Interface struct {
	Name      string   `yaml:"name,omitempty" jsonschema_description:"Name of the interface as the kernel has it, such as ens192."`
	MAC       string   `yaml:"mac,omitempty" jsonschema_description:"MAC address of the interface."`
	DHCP      bool     `yaml:"dhcp,omitempty" jsonschema_description:"Whether to use DHCP."`
	Addresses []string `yaml:"addresses,omitempty" jsonschema_description:"Addresses with prefix length, such as 192.0.2.10/24."`
	Gateways  []string `yaml:"gateways,omitempty" jsonschema_description:"Default gateways, at most one for each family."`
	MTU       int      `yaml:"mtu,omitempty" jsonschema:"minimum=1280,maximum=9216" jsonschema_description:"MTU of the interface."`
	Routes    []Route  `yaml:"routes,omitempty" jsonschema_description:"Further routes."`
}

// Route is a static route.
type Route struct {
	To  string `yaml:"to" jsonschema:"required" jsonschema_description:"Destination CIDR."`
	Via string `yaml:"via" jsonschema:"required" jsonschema_description:"Address of the gateway."`
}

// Role is what a machine does in the cluster.
type Role string

// The roles. An edge is a worker that is tainted and has a public address for traffic from outside.
const (
	Controller Role = "controller"
	Worker     Role = "worker"
	Edge       Role = "edge"
)

// The values of Definition.Provisioning.
const (
	ProvisioningIgnition  = "ignition"
	ProvisioningCloudInit = "cloud-init"
)
