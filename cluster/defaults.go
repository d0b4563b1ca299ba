package cluster

import (
	"slices"
	"time"
)

// DefaultKubernetesVersion is the version that a definition without one gets.
const DefaultKubernetesVersion = "v1.36.3"

// ApplyDefaults fills in every setting that is not given. It changes nothing
// that is, and applying it twice is the same as once.
func ApplyDefaults(d *Definition) {
	k := &d.Kubernetes
	orStr(&k.Version, DefaultKubernetesVersion)
	orStr(&k.ServiceCIDR, "10.96.0.0/16")
	orStr(&k.PodCIDR, "10.244.0.0/16")
	orStr(&k.ClusterDomain, "cluster.local")
	orStr(&k.NodePorts, "30000-32767")
	orInt(&k.Kubelet.MaxPods, 110) // Kubernetes' own default and tested limit
	orInt(&k.Kubelet.Port, 10250)

	orStr(&d.Mesh.CIDR, "10.42.0.0/16")
	orInt(&d.Mesh.Port, 655) // IANA: tinc
	orStr(&d.Mesh.Interface, "mesh0")
	orInt(&d.Mesh.KeyBits, 2048)
	orStr(&d.Mesh.Cipher, "aes-256-cbc")
	orStr(&d.Mesh.Digest, "sha256")
	// 1500 less 20 (IPv4), 8 (UDP), 4 (sequence number), 16 (CBC padding), 32
	// (digest) and room for IPv6 or PPPoE below; a multiple of 4.
	orInt(&d.Mesh.MTU, 1400)

	orInt(&d.API.Port, 6443)
	orInt(&d.API.LocalPort, 7443)

	orInt(&d.Etcd.ClientPort, 2379)
	orInt(&d.Etcd.PeerPort, 2380)
	orInt(&d.Etcd.MetricsPort, 2381)
	// Five times etcd's defaults: members in different zones see 10-50 ms
	// round trips (etcd.io, "Tuning": heartbeat about the round trip time,
	// election timeout ten times that).
	orDuration(&d.Etcd.HeartbeatInterval, 500*time.Millisecond)
	orDuration(&d.Etcd.ElectionTimeout, 5*time.Second)
	orInt(&d.Etcd.QuotaMiB, 2048)
	orInt(&d.Etcd.SnapshotCount, 10000)

	orStr(&d.PKI.KeyType, "ecdsa-p256")
	orDuration(&d.PKI.CALifetime, 10*year)
	orDuration(&d.PKI.CertLifetime, year)
	orDuration(&d.PKI.RenewBefore, 60*day)

	orStr(&d.Provisioning, ProvisioningIgnition)
	orTrue(&d.Identity.Common)
	orInt(&d.Image.Debian, 13)
	if len(d.Image.Targets) == 0 {
		d.Image.Targets = []string{"qemu"}
	}
	if d.Image.Kernel == "" {
		d.Image.Kernel = "cloud"
		if slices.Contains(d.Image.Targets, "metal") {
			d.Image.Kernel = "generic"
		}
	}
	d.Components.applyDefaults()
	orTrue(&d.Features.NodeExporter)
	orTrue(&d.Features.AuditLog)
	orTrue(&d.Features.Encryption)
	orStr(&d.Access.User, "ingot")
	if d.Publish.VSphere != nil {
		d.Publish.VSphere.applyDefaults()
	}
}

func orStr(p *string, v string) {
	if *p == "" {
		*p = v
	}
}

func orInt(p *int, v int) {
	if *p == 0 {
		*p = v
	}
}

func orDuration(p *Duration, v time.Duration) {
	if *p == 0 {
		*p = Duration(v)
	}
}

func orTrue(p **bool) {
	if *p == nil {
		t := true
		*p = &t
	}
}
