package controlplane

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/internal/kube"
)

// apiServerFlags are kube-apiserver's, by what they are about.
func apiServerFlags(c *cluster.Cluster) []kube.Flag {
	given := c.Def.Kubernetes.ExtraArgs.APIServer
	return slices.Concat(
		serving(c), kube.TLSFlags(), etcdClient(c), authenticationFlags(given), serviceAccounts(c), kubelets(), aggregation(),
		admissionAndAudit(c), kube.FeatureGates(c.Def.Kubernetes.FeatureGates),
		kube.Sorted(given, apiServerDefaults(c)),
	)
}

// apiServerDefaults are flags that a definition may set otherwise.
func apiServerDefaults(c *cluster.Cluster) map[string]string {
	out := map[string]string{
		// Balancers see that it is about to go before it does.
		"shutdown-delay-duration": "10s",
		// A pod's token lives as long as it says, an hour, and not a year for
		// programs that read it only once.
		"service-account-extend-token-expiration": "false",
	}
	if *c.Def.Features.AuditLog {
		out["audit-log-maxage"] = "30"    // days
		out["audit-log-maxbackup"] = "10" // files
		out["audit-log-maxsize"] = "100"  // MB each
	}
	if len(c.WithRole(cluster.Controller)) > 1 {
		// Now and then a client is asked to connect anew, so that after the restart
		// of a controller not all of them stay with the others.
		out["goaway-chance"] = "0.001"
	}
	return out
}

func serving(c *cluster.Cluster) []kube.Flag {
	k := &c.Def.Kubernetes
	return []kube.Flag{
		kube.Set("bind-address", anyAddress(c)),
		kube.SetInt("secure-port", c.Def.API.Port),
		kube.SetEnv("advertise-address", "INGOT_MESH_IP"),
		kube.Set("endpoint-reconciler-type", "lease"),
		kube.Set("service-cluster-ip-range", joined(c.ServiceCIDRs)),
		kube.Set("service-node-port-range", k.NodePorts),
		kube.SetBool("allow-privileged", true),
		kube.SetBool("profiling", false),
		kube.Set("tls-cert-file", kube.PKI+"apiserver.crt"),
		kube.SetCredential("tls-private-key-file", "apiserver.key"),
	}
}

// anyAddress is every address: kube-apiserver can listen on one or on all, and
// it has two, its node's and the virtual one. The table of nftables of the
// layer kubelet closes the rest.
func anyAddress(c *cluster.Cluster) string {
	for _, p := range slices.Concat(c.MeshCIDRs, c.ServiceCIDRs) {
		if p.Addr().Is6() {
			return "::" // those of IPv4 as well
		}
	}
	return "0.0.0.0"
}

// etcdClient has the node's own member only. kube-apiserver makes connections
// of its own for each kind of object, and to every member that it is given; and
// an API whose member is gone is one that the balancers leave, as they leave one
// that is itself gone.
func etcdClient(c *cluster.Cluster) []kube.Flag {
	return []kube.Flag{
		kube.Set("etcd-servers", "https://127.0.0.1:"+strconv.Itoa(c.Def.Etcd.ClientPort)),
		kube.Set("etcd-cafile", "/etc/etcd/pki/ca.crt"),
		kube.Set("etcd-certfile", kube.PKI+"apiserver-etcd-client.crt"),
		kube.SetCredential("etcd-keyfile", "apiserver-etcd-client.key"),
	}
}

// authenticationFlags let in who has a certificate or a token. kube-apiserver
// does not take flags of OpenID Connect together with the file of the same;
// with them the anonymous have what RBAC gives to all: health and the version.
func authenticationFlags(given map[string]string) []kube.Flag {
	flags := []kube.Flag{
		kube.Set("client-ca-file", kube.CA),
		kube.Set("authorization-mode", "Node,RBAC"),
	}
	for name := range given {
		if strings.HasPrefix(name, "oidc-") {
			return append(flags, kube.SetBool("anonymous-auth", true))
		}
	}
	return append(flags, kube.Set("authentication-config", authenticationPath))
}

// serviceAccounts has tokens that any apiserver of the cluster can check.
func serviceAccounts(c *cluster.Cluster) []kube.Flag {
	issuer := "https://kubernetes.default.svc." + c.Def.Kubernetes.ClusterDomain
	return []kube.Flag{
		kube.Set("service-account-issuer", issuer),
		kube.Set("api-audiences", issuer),
		kube.Set("service-account-key-file", kube.PKI+"sa.pub"),
		kube.SetCredential("service-account-signing-key-file", "sa.key"),
	}
}

// kubelets are reached at their mesh addresses, and have to prove who they are.
func kubelets() []kube.Flag {
	return []kube.Flag{
		kube.Set("kubelet-certificate-authority", kube.CA),
		kube.Set("kubelet-client-certificate", kube.PKI+"apiserver-kubelet-client.crt"),
		kube.SetCredential("kubelet-client-key", "apiserver-kubelet-client.key"),
		kube.Set("kubelet-preferred-address-types", "InternalIP"),
	}
}

// aggregation is for extension API servers (kubernetes.io, "Configure the
// Aggregation Layer").
func aggregation() []kube.Flag {
	return []kube.Flag{
		kube.Set("requestheader-client-ca-file", kube.PKI+"front-proxy-ca.crt"),
		kube.Set("requestheader-allowed-names", "front-proxy-client"),
		kube.Set("requestheader-username-headers", "X-Remote-User"),
		kube.Set("requestheader-group-headers", "X-Remote-Group"),
		kube.Set("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
		kube.Set("proxy-client-cert-file", kube.PKI+"front-proxy-client.crt"),
		kube.SetCredential("proxy-client-key-file", "front-proxy-client.key"),
	}
}

func admissionAndAudit(c *cluster.Cluster) []kube.Flag {
	flags := []kube.Flag{
		kube.Set("enable-admission-plugins", "NodeRestriction"),
		kube.Set("admission-control-config-file", admissionPath),
	}
	if *c.Def.Features.AuditLog {
		flags = append(flags, kube.Set("audit-policy-file", auditPolicyPath), kube.Set("audit-log-path", "/var/log/kubernetes/audit.log"))
	}
	if *c.Def.Features.Encryption {
		flags = append(flags, kube.SetCredential("encryption-provider-config", "encryption.yaml"))
	}
	return flags
}

// controllerManagerFlags are kube-controller-manager's. It signs no
// certificates, and gives nodes no pod ranges: those are part of the cluster's
// layout, and no component here reads them from the Node objects.
func controllerManagerFlags(c *cluster.Cluster) []kube.Flag {
	return slices.Concat(
		[]kube.Flag{
			kube.Set("kubeconfig", controllerManagerConf),
			kube.Set("authentication-kubeconfig", controllerManagerConf),
			kube.Set("authorization-kubeconfig", controllerManagerConf),
			kube.Set("bind-address", "127.0.0.1"),
			kube.SetInt("secure-port", controllerManagerPort),
			kube.SetBool("leader-elect", true),
			kube.Set("controllers", "*,-certificatesigningrequest-approving-controller,-certificatesigningrequest-signing-controller"),
			kube.SetBool("use-service-account-credentials", true),
			kube.SetCredential("service-account-private-key-file", "sa.key"),
			kube.Set("root-ca-file", kube.CA),
			kube.SetBool("allocate-node-cidrs", false),
			kube.SetBool("configure-cloud-routes", false),
			kube.SetBool("profiling", false),
		},
		kube.TLSFlags(), kube.FeatureGates(c.Def.Kubernetes.FeatureGates),
		kube.Sorted(c.Def.Kubernetes.ExtraArgs.ControllerManager, nil),
	)
}

func schedulerFlags(c *cluster.Cluster) []kube.Flag {
	return slices.Concat(
		[]kube.Flag{
			kube.Set("config", schedulerPath),
			kube.Set("authentication-kubeconfig", schedulerConf),
			kube.Set("authorization-kubeconfig", schedulerConf),
			kube.Set("bind-address", "127.0.0.1"),
			kube.SetInt("secure-port", schedulerPort),
		},
		kube.TLSFlags(), kube.FeatureGates(c.Def.Kubernetes.FeatureGates),
		kube.Sorted(c.Def.Kubernetes.ExtraArgs.Scheduler, nil),
	)
}

// joined writes ranges with commas.
func joined[T interface{ String() string }](list []T) string {
	var parts []string
	for _, v := range list {
		parts = append(parts, v.String())
	}
	return strings.Join(parts, ",")
}
