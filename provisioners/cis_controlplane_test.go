package provisioners_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

const (
	noManifest = "no pod manifests: systemd runs it. Its unit is a file of the image, 0644, without secrets, on a read-only and verified file system"
	kubePKI    = "/etc/kubernetes/pki/"
	shippedDir = "/usr/lib/ingot/kubernetes/"
)

// controlPlaneFiles is section 1.1.
func controlPlaneFiles() []control {
	var out []control
	for i, c := range []struct{ name, unit string }{
		{"the API server", "kube-apiserver.service"}, {"the controller manager", "kube-controller-manager.service"}, {"the scheduler", "kube-scheduler.service"}, {"etcd", "etcd.service"},
	} {
		out = append(out,
			control{"1.1." + strconv.Itoa(2*i+1), "mode 0600 of the pod manifest of " + c.name, otherwise, noManifest, unitShipped(c.unit), false},
			control{"1.1." + strconv.Itoa(2*i+2), "root as its owner", met, "the unit is root's", unitShipped(c.unit), false})
	}
	admin := allOf(nowhere("admin.conf"), nowhere("admin.crt"), nowhere("admin.key"))
	kubeconfig := "a file of the image without secrets: it names the key's place, which only the service reads; 0644, read-only and verified"
	return append(
		out,
		control{"1.1.9", "mode 0600 of the files of CNI", otherwise, "0644: there is no secret in them; only root can write there", contains("/usr/lib/ingot/kubelet/node-settings", `(?m)^umask 022$`), true},
		control{"1.1.10", "root as their owner", met, "written by a root service when the kubelet starts", shipped("/usr/lib/ingot/kubelet/cni.conflist"), true},
		control{"1.1.11", "mode 0700 of etcd's data", met, "by systemd", allOf(says("etcd.service", "StateDirectory=etcd"), says("etcd.service", "StateDirectoryMode=0700"), says("etcd.service", "UMask=0077")), true},
		control{"1.1.12", "etcd as its owner", met, "by systemd", allOf(says("etcd.service", "User=etcd"), says("etcd.service", "Group=etcd")), true},
		control{"1.1.13", "mode 0600 of the admin's credentials", met, "no machine has any: admins' kubeconfigs are made on the operator's side", admin, true},
		control{"1.1.14", "root as their owner", met, "as above", admin, true},
		control{"1.1.15", "mode 0600 of scheduler.conf", otherwise, kubeconfig, shipped(shippedDir + "scheduler.conf"), false},
		control{"1.1.16", "root as its owner", met, "", shipped(shippedDir + "scheduler.conf"), false},
		control{"1.1.17", "mode 0600 of controller-manager.conf", otherwise, kubeconfig, shipped(shippedDir + "controller-manager.conf"), false},
		control{"1.1.18", "root as its owner", met, "", shipped(shippedDir + "controller-manager.conf"), false},
		control{"1.1.19", "root as the owner of the folder of keys and certificates", met, "", brought(kubePKI+"*", 0o644, "root:root"), true},
		control{"1.1.20", "mode 0644 of certificates", met, "", brought(kubePKI+"*.crt", 0o644, "root:root"), true},
		control{"1.1.21", "mode 0600 of keys", met, "services without root's rights get copies in memory", brought(kubePKI+"*.key", 0o600, "root:root"), true},
	)
}

// apiServerControls is section 1.2.
func apiServerControls() []control {
	const api = "kube-apiserver"
	anonymous := contains(shippedDir+"authentication.yaml", `(?s)anonymous:\n  enabled: true\n  conditions:\n  - path: /livez\n  - path: /readyz\n  - path: /healthz\n*$`)
	return []control{
		{"1.2.1", "no anonymous requests", otherwise, "the anonymous may ask for `/livez`, `/readyz` and `/healthz`, which load balancers do, and get 401 for all else", allOf(given(api, "authentication-config", shippedDir+"authentication.yaml"), anonymous), true},
		{"1.2.2", "no file of tokens", met, "", notGiven(api, "token-auth-file"), false},
		{"1.2.3", "the admission plugin DenyServiceExternalIPs", refused, "edges without a load balancer use `externalIPs`. Whoever may write Services can take an address with them: give that right to few", lists(api, "enable-admission-plugins", "DenyServiceExternalIPs", true), false},
		{"1.2.4", "a client certificate for kubelets", met, "", allOf(given(api, "kubelet-client-certificate"), given(api, "kubelet-client-key")), false},
		{"1.2.5", "an authority that kubelets are held against", met, "kubelets' certificates are of the authority `kubernetes`", given(api, "kubelet-certificate-authority", kubePKI+"ca.crt"), false},
		{"1.2.6", "not everything allowed", met, "", given(api, "authorization-mode", "Node,RBAC"), true},
		{"1.2.7", "the node authorizer", met, "", lists(api, "authorization-mode", "Node", false), true},
		{"1.2.8", "RBAC", met, "", lists(api, "authorization-mode", "RBAC", false), true},
		{"1.2.9", "the admission plugin EventRateLimit", refused, "API priority and fairness, which is on, shares the API out between all clients, events included", lists(api, "enable-admission-plugins", "EventRateLimit", true), false},
		{"1.2.10", "not the plugin AlwaysAdmit", met, "", lists(api, "enable-admission-plugins", "AlwaysAdmit", true), false},
		{"1.2.11", "the admission plugin AlwaysPullImages", refused, "preloaded images must start without a registry. Where several parties share a cluster, add it with `kubernetes.extraArgs`", lists(api, "enable-admission-plugins", "AlwaysPullImages", true), false},
		{"1.2.12", "the admission plugin ServiceAccount", met, "on by itself", lists(api, "disable-admission-plugins", "ServiceAccount", true), false},
		{"1.2.13", "the admission plugin NamespaceLifecycle", met, "on by itself", lists(api, "disable-admission-plugins", "NamespaceLifecycle", true), false},
		{"1.2.14", "the admission plugin NodeRestriction", met, "", lists(api, "enable-admission-plugins", "NodeRestriction", false), true},
		{"1.2.15", "no profiling", met, "", given(api, "profiling", "false"), false},
		{"1.2.16", "an audit log", met, "`features.auditLog`, on by itself", given(api, "audit-log-path", "/var/log/kubernetes/audit.log"), false},
		{"1.2.17", "it is kept for 30 days", met, "", given(api, "audit-log-maxage", "30"), false},
		{"1.2.18", "in 10 files", met, "", given(api, "audit-log-maxbackup", "10"), false},
		{"1.2.19", "of 100 MB", met, "", given(api, "audit-log-maxsize", "100"), false},
		{"1.2.20", "a limit on the time of a request", met, "the default, 60 s", notGiven(api, "request-timeout"), false},
		{"1.2.21", "tokens of deleted service accounts refused", met, "the default", notGiven(api, "service-account-lookup"), false},
		{"1.2.22", "a key of its own for service accounts", met, "", given(api, "service-account-key-file", kubePKI+"sa.pub"), false},
		{"1.2.23", "a client certificate for etcd", met, "", allOf(given(api, "etcd-certfile"), given(api, "etcd-keyfile")), true},
		{"1.2.24", "TLS", met, "", allOf(given(api, "tls-cert-file"), given(api, "tls-private-key-file")), true},
		{"1.2.25", "an authority for clients", met, "", given(api, "client-ca-file", kubePKI+"ca.crt"), true},
		{"1.2.26", "an authority that etcd is held against", met, "", given(api, "etcd-cafile", "/etc/etcd/pki/ca.crt"), false},
		{"1.2.27", "Secrets encrypted in etcd", met, "`features.encryption`, on by itself; the test of the control plane reads one in etcd", given(api, "encryption-provider-config"), false},
		{"1.2.28", "with a good cipher", met, "secretbox (XSalsa20 and Poly1305)", contains("/etc/kubernetes/encryption.yaml", `(?s)providers:\s+- secretbox:`), false},
		{"1.2.29", "strong suites of TLS", met, "1.2 or newer; ephemeral keys and authenticated encryption alone", allOf(strong(api), given(api, "tls-min-version", "VersionTLS12")), true},
		{"1.2.30", "tokens of pods not made longer than asked for", met, "an hour, which the kubelet renews", given(api, "service-account-extend-token-expiration", "false"), false},
	}
}

// strong: the suites of TLS 1.2 have ephemeral keys and authenticated
// encryption.
func strong(service string) func(*controller) error {
	return func(m *controller) error {
		list, _ := m.flag(service, "tls-cipher-suites")
		return strongSuites(strings.Split(list, ","))
	}
}

func strongSuites(suites []string) error {
	for _, name := range suites {
		if !strings.HasPrefix(name, "TLS_ECDHE_") || !strings.Contains(name, "_GCM_") && !strings.Contains(name, "_POLY1305_") {
			return fmt.Errorf("the suite %q", name)
		}
	}
	return nil
}

// managers are sections 1.3 and 1.4.
func managers() []control {
	const manager, scheduler = "kube-controller-manager", "kube-scheduler"
	return []control{
		{"1.3.1", "a limit on the number of pods that have ended", yours, "the default, 12500. Set `terminated-pod-gc-threshold` in `kubernetes.extraArgs.controllerManager` where Jobs are many", nil, false},
		{"1.3.2", "no profiling", met, "", given(manager, "profiling", "false"), true},
		{"1.3.3", "a service account for each controller", met, "", given(manager, "use-service-account-credentials", "true"), false},
		{"1.3.4", "a key that signs tokens", met, "", given(manager, "service-account-private-key-file"), false},
		{"1.3.5", "the authority that pods hold the API against", met, "", given(manager, "root-ca-file", kubePKI+"ca.crt"), false},
		{"1.3.6", "renewal of kubelets' serving certificates", otherwise, "they come with identities, so that no key that signs is in the cluster; `ingot pki issue` renews them", allOf(lists(manager, "controllers", "-certificatesigningrequest-signing-controller", false), notGiven(manager, "cluster-signing-key-file")), false},
		{"1.3.7", "listening on loopback alone", met, "", given(manager, "bind-address", "127.0.0.1"), true},
		{"1.4.1", "no profiling", met, "in its file of settings", contains(shippedDir+"scheduler.yaml", `(?m)^enableProfiling: false$`), true},
		{"1.4.2", "listening on loopback alone", met, "", given(scheduler, "bind-address", "127.0.0.1"), true},
	}
}

// etcdControls is section 2. etcd's settings are in the identity.
func etcdControls() []control {
	etcd := func(name, value string) func(*controller) error {
		return contains("/etc/etcd/etcd.env", `(?m)^ETCD_`+name+`="?`+value+`"?$`)
	}
	without := func(name string) func(*controller) error {
		return func(m *controller) error {
			if bytes.Contains(m.identity["/etc/etcd/etcd.env"].Data, []byte(name)) || strings.Contains(m.units["etcd.service"], name) {
				return fmt.Errorf("etcd has %s", name)
			}
			return nil
		}
	}
	const pki = "/etc/etcd/pki/"
	return []control{
		{"2.1", "TLS for clients", met, "", allOf(etcd("CERT_FILE", pki+"server.crt"), etcd("KEY_FILE", pki+"server.key"), etcd("LISTEN_CLIENT_URLS", `https://[^,]+,https://[^,]+`)), true},
		{"2.2", "certificates of clients", met, "", etcd("CLIENT_CERT_AUTH", "true"), true},
		{"2.3", "none that etcd makes itself", met, "", allOf(without("AUTO_TLS"), without("--auto-tls")), true},
		{"2.4", "TLS between members", met, "", allOf(etcd("PEER_CERT_FILE", pki+"peer.crt"), etcd("PEER_KEY_FILE", pki+"peer.key"), etcd("LISTEN_PEER_URLS", `https://[^,]+`)), true},
		{"2.5", "certificates of members", met, "", etcd("PEER_CLIENT_CERT_AUTH", "true"), true},
		{"2.6", "none that etcd makes itself", met, "", without("PEER_AUTO_TLS"), true},
		{"2.7", "an authority of etcd's own", met, "", allOf(etcd("TRUSTED_CA_FILE", pki+"ca.crt"), etcd("PEER_TRUSTED_CA_FILE", pki+"ca.crt"), func(m *controller) error {
			if bytes.Equal(m.identity[pki+"ca.crt"].Data, m.identity[kubePKI+"ca.crt"].Data) {
				return fmt.Errorf("etcd and Kubernetes have one authority")
			}
			return nil
		}), true},
	}
}

// configuration is section 3.
func configuration() []control {
	audit := shippedDir + "audit.yaml"
	return []control{
		{"3.1.1", "no client certificates for people", yours, "`ingot kubeconfig` makes one, whose right is a binding of `ingot:admins` that can be taken away. For OpenID Connect, give its flags in `kubernetes.extraArgs.apiserver`", nil, false},
		{"3.1.2", "no service account tokens for people", yours, "none is made for anybody", nil, false},
		{"3.1.3", "no bootstrap tokens for people", met, "they are off: no node needs one", notGiven("kube-apiserver", "enable-bootstrap-token-auth"), false},
		{"3.2.1", "an audit policy", met, "", allOf(given("kube-apiserver", "audit-policy-file", audit), shipped(audit)), false},
		{"3.2.2", "it covers what matters", met, "all changes, and all reads of Secrets by others than the controllers, with who, what and when; never with what was in it", contains(audit, `(?s)- level: Metadata\n$`), false},
	}
}
