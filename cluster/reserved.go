package cluster

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// The tables of this file are what belongs to Ingot on a machine, and what a
// definition therefore may not set: flags, paths and units. Packages that
// write these hold themselves against the tables in their tests.

// ownFlags are the flags of each component that Ingot sets, or that would
// undo what it sets. Many carry the cluster's security: what the component
// trusts, who it lets in, where it listens.
var ownFlags = map[string][]string{
	"apiserver": {
		"admission-control-config-file", "advertise-address", "allow-privileged", "anonymous-auth", "api-audiences",
		"audit-log-path", "audit-policy-file", "authentication-config", "authorization-config", "authorization-mode",
		"bind-address", "cert-dir", "client-ca-file", "disable-admission-plugins", "enable-admission-plugins",
		"enable-bootstrap-token-auth", "encryption-provider-config", "endpoint-reconciler-type", "etcd-cafile",
		"etcd-certfile", "etcd-keyfile", "etcd-servers", "external-hostname", "feature-gates",
		"kubelet-certificate-authority", "kubelet-client-certificate", "kubelet-client-key",
		"kubelet-preferred-address-types", "permit-address-sharing", "permit-port-sharing", "profiling",
		"proxy-client-cert-file", "proxy-client-key-file", "requestheader-allowed-names",
		"requestheader-client-ca-file", "requestheader-extra-headers-prefix", "requestheader-group-headers",
		"requestheader-uid-headers", "requestheader-username-headers", "secure-port", "service-account-issuer",
		"service-account-key-file", "service-account-lookup", "service-account-signing-endpoint",
		"service-account-signing-key-file", "service-cluster-ip-range", "service-node-port-range", "tls-cert-file",
		"tls-cipher-suites", "tls-min-version", "tls-private-key-file", "tls-sni-cert-key", "token-auth-file",
	},
	"controllerManager": {
		"allocate-node-cidrs", "authentication-kubeconfig", "authorization-always-allow-paths",
		"authorization-kubeconfig", "bind-address", "cert-dir", "client-ca-file", "cluster-cidr",
		"cluster-signing-cert-file", "cluster-signing-key-file", "cluster-signing-kube-apiserver-client-cert-file",
		"cluster-signing-kube-apiserver-client-key-file", "cluster-signing-kubelet-client-cert-file",
		"cluster-signing-kubelet-client-key-file", "cluster-signing-kubelet-serving-cert-file",
		"cluster-signing-kubelet-serving-key-file", "cluster-signing-legacy-unknown-cert-file",
		"cluster-signing-legacy-unknown-key-file", "configure-cloud-routes", "controllers", "feature-gates",
		"kubeconfig", "leader-elect", "master", "node-cidr-mask-size", "node-cidr-mask-size-ipv4",
		"node-cidr-mask-size-ipv6", "profiling", "requestheader-allowed-names", "requestheader-client-ca-file",
		"root-ca-file", "secure-port", "service-account-private-key-file", "service-cluster-ip-range",
		"tls-cert-file", "tls-cipher-suites", "tls-min-version", "tls-private-key-file",
		"use-service-account-credentials",
	},
	"scheduler": {
		"authentication-kubeconfig", "authorization-always-allow-paths", "authorization-kubeconfig", "bind-address",
		"cert-dir", "client-ca-file", "config", "feature-gates", "kubeconfig", "leader-elect", "master", "profiling",
		"requestheader-allowed-names", "requestheader-client-ca-file", "secure-port", "tls-cert-file",
		"tls-cipher-suites", "tls-min-version", "tls-private-key-file",
	},
	"proxy": {
		"bind-address", "cluster-cidr", "config", "detect-local-mode", "feature-gates", "healthz-bind-address",
		"hostname-override", "kubeconfig", "master", "metrics-bind-address", "nodeport-addresses",
		"pod-bridge-interface", "profiling",
	},
	"kubelet": {
		"address", "anonymous-auth", "authentication-token-webhook", "authorization-mode", "bootstrap-kubeconfig",
		"cert-dir", "cgroup-driver", "client-ca-file", "cluster-dns", "cluster-domain", "config", "config-dir",
		"container-runtime-endpoint", "eviction-hard", "feature-gates",
		"healthz-bind-address", "healthz-port", "hostname-override", "kubeconfig", "max-pods", "node-ip",
		"node-labels", "pod-cidr", "pod-manifest-path", "port", "protect-kernel-defaults", "read-only-port",
		"register-node", "register-with-taints", "resolv-conf", "root-dir", "rotate-certificates",
		"rotate-server-certificates", "seccomp-default", "system-reserved", "tls-cert-file", "tls-cipher-suites",
		"tls-min-version", "tls-private-key-file",
	},
}

// flagField names the field of the definition that sets a flag.
var flagField = map[string]string{
	"feature-gates":                   "set kubernetes.featureGates instead",
	"service-cluster-ip-range":        "set kubernetes.serviceCIDR instead",
	"service-node-port-range":         "set kubernetes.nodePorts instead",
	"cluster-cidr":                    "set kubernetes.podCIDR instead",
	"cluster-domain":                  "set kubernetes.clusterDomain instead",
	"max-pods":                        "set kubernetes.kubelet.maxPods instead",
	"port":                            "set kubernetes.kubelet.port instead",
	"system-reserved":                 "set kubernetes.kubelet.systemReserved instead",
	"eviction-hard":                   "set kubernetes.kubelet.evictionHard instead",
	"node-labels":                     "set the node's labels instead",
	"register-with-taints":            "set the node's taints instead",
	"secure-port":                     "its port is part of the cluster's layout (of kube-apiserver: api.port)",
	"token-auth-file":                 "tokens in a file never expire; use kubeconfigs with certificates",
	"disable-admission-plugins":       "NodeRestriction, which keeps a node from acting for others, could be switched off by it",
	"enable-admission-plugins":        "NodeRestriction, which keeps a node from acting for others, could be left out by it",
	"cluster-signing-key-file":        "no signing key runs in the cluster; certificates come from the key store",
	"cluster-signing-cert-file":       "no signing key runs in the cluster; certificates come from the key store",
	"pod-manifest-path":               "the control plane does not run as pods; use addons",
	"enable-bootstrap-token-auth":     "nodes join with certificates of the key store",
	"bootstrap-kubeconfig":            "nodes join with certificates of the key store",
	"kubelet-preferred-address-types": "the API server reaches nodes at their mesh addresses",
}

// OwnFlags lists the flags of a component (a key of kubernetes.extraArgs) that
// a definition may not set, sorted.
func OwnFlags(component string) []string { return slices.Clone(ownFlags[component]) }

func ownFlag(component, flag string) (why string, own bool) {
	if !slices.Contains(ownFlags[component], flag) {
		return "", false
	}
	if why, ok := flagField[flag]; ok {
		return why, true
	}
	return "Ingot sets it", true
}

// ownPaths are what Ingot itself writes on a machine: a path stands for
// everything below it, too.
var ownPaths = []string{
	"/etc/ingot", "/etc/kubernetes", "/etc/tinc", "/etc/etcd", "/etc/cni", "/etc/containerd", "/etc/coredns", "/etc/haproxy",
	"/etc/hostname", "/etc/machine-id", "/etc/os-release", "/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow",
	"/etc/cloud/ds-identify.cfg", "/etc/hosts", "/etc/fstab", "/etc/ssh/ssh_host_ecdsa_key", "/etc/ssh/ssh_host_ed25519_key", "/etc/ssh/ssh_host_rsa_key",
	"/etc/systemd/system-generators", "/opt/ingot", "/usr/lib/ingot", "/usr/local/lib/ingot",
	"/var/lib/ingot", "/var/lib/etcd", "/var/lib/kubelet", "/var/lib/containerd", "/var/lib/tinc",
}

// ownExceptions lie below ownPaths and may be written all the same: folders
// from which the components read what others put there.
var ownExceptions = []string{"/etc/containerd/certs.d"} // settings of registries

// volatilePaths are not on a disk: what is written there is gone or refused
// after a boot.
var volatilePaths = []string{"/dev", "/proc", "/run", "/sys", "/tmp", "/var/run"}

// readOnlyPaths are on the read-only root of Ingot's image, Flatcar and
// Fedora CoreOS.
var readOnlyPaths = []string{"/bin", "/boot", "/lib", "/lib32", "/lib64", "/sbin", "/usr"}

// ownName is the name of a file of Ingot in a folder that others use as well,
// such as /etc/systemd/network/05-ingot-ens192.network.
var ownName = regexp.MustCompile(`^([0-9]+-)?ingot([-.].*)?$`)

// ownPath reports whether Ingot writes what is at a clean path, and names it.
func ownPath(p string) (string, bool) {
	if ownName.MatchString(path.Base(p)) {
		return "the files of this name", true
	}
	own, yes := below(p, ownPaths)
	if _, free := below(p, ownExceptions); free {
		return "", false
	}
	return own, yes
}

// OwnPaths lists the paths that a definition's files may not be at or below.
// Besides them, a file's name may not be "ingot", nor begin with "ingot-",
// "ingot." or a number and either, as in 05-ingot-ens192.network.
func OwnPaths() []string { return slices.Clone(ownPaths) }

// below reports whether a clean path is one of the list, or lies below it.
func below(p string, list []string) (string, bool) {
	for _, dir := range list {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return dir, true
		}
	}
	return "", false
}

// ownUnits are the units of Ingot's components. Units whose names start with
// "ingot-" are Ingot's as well.
var ownUnits = []string{
	"containerd.service", "coredns.service", "etcd.service", "haproxy.service", "kube-apiserver.service",
	"kube-controller-manager.service", "kube-proxy.service", "kube-scheduler.service", "kubelet.service",
	"node-exporter.service", "prometheus-node-exporter.service", "tinc.service", "tinc@.service",
}

// OwnUnits lists the units that a definition may not bring. Besides them it
// may not bring any whose name starts with "ingot".
func OwnUnits() []string { return slices.Clone(ownUnits) }

// ownUnit reports whether a unit, or the template of an instance, is Ingot's.
func ownUnit(name string) bool {
	if at := strings.IndexByte(name, '@'); at >= 0 {
		name = name[:at+1] + name[strings.LastIndexByte(name, '.'):]
	}
	return strings.HasPrefix(name, "ingot") || slices.Contains(ownUnits, name)
}
