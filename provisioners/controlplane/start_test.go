package controlplane_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
)

// alone is a cluster of one node.
const alone = `apiVersion: ingot/v1
kind: Cluster
name: alone
domain: alone.example.com
nodes:
  - {name: a0, roles: [controller, worker], address: 192.0.2.1}
`

// TestStart starts the real components: etcd, the control plane and kube-proxy,
// with the command lines of the units.
func TestStart(t *testing.T) {
	sample.Kubernetes(t, "kube-apiserver")
	need.Root(t)
	m := newMachine(t)
	m.run(t, "nft", "-f", m.root+"/usr/lib/ingot/kubelet/network.nft")
	m.run(t, "nft", "add table ip balancer; add chain ip balancer out { type nat hook output priority -100; }; add rule ip balancer out ip daddr 127.0.0.1 tcp dport 7443 redirect to :6443")
	m.startEtcd(t)
	m.start(t, "kube-apiserver")
	m.await(t, "the API", func() (string, bool) {
		out, err := m.kubectl(t, "get", "--raw", "/readyz")
		return out, err == nil && out == "ok"
	})
	m.anonymous(t)
	m.start(t, "kube-controller-manager")
	m.start(t, "kube-scheduler")
	m.await(t, "the leaders", func() (string, bool) {
		out, _ := m.kubectl(t, "-n", "kube-system", "get", "leases", "-o", "name")
		return out, strings.Contains(out, "/kube-controller-manager") && strings.Contains(out, "/kube-scheduler")
	})
	m.secretsAreEncrypted(t)
	m.must(t, "create", "-f", m.file(t, "node.yaml", "apiVersion: v1\nkind: Node\nmetadata: {name: a0}\n"))
	m.must(t, "patch", "node", "a0", "--subresource=status", "-p", `{"status":{"addresses":[{"type":"InternalIP","address":"10.42.0.1"}]}}`)
	m.start(t, "kube-proxy")
	m.await(t, "the rules of the Service kubernetes", func() (string, bool) {
		out, err := m.in("nft", "list", "table", "ip", "kube-proxy").CombinedOutput()
		return string(out), err == nil && strings.Contains(string(out), "10.96.0.1") && strings.Contains(string(out), "10.42.0.1 . 6443")
	})
	m.podSecurity(t)
	if log, err := os.ReadFile(m.root + "/var/log/kubernetes/audit.log"); err != nil || !bytes.Contains(log, []byte(`"resource":"nodes"`)) || bytes.Contains(log, []byte("aHVzaA==")) {
		t.Errorf("the audit log has no word of the node, or the Secret: %v: %.2000s", err, log)
	}
}

// anonymous may see health and nothing else, not even the version.
func (m *machine) anonymous(t *testing.T) {
	t.Helper()
	for path, want := range map[string]string{"/readyz": "200", "/livez": "200", "/version": "401", "/api": "401", "/metrics": "401"} {
		out, err := m.in(need.Tool(t, "curl"), "-s", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", m.root+"/etc/kubernetes/pki/ca.crt", "https://10.42.0.1:6443"+path).CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %v: %s, want %s", path, err, out, want)
		}
	}
}

func (m *machine) secretsAreEncrypted(t *testing.T) {
	t.Helper()
	m.must(t, "create", "-f", m.file(t, "secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: default}\ndata: {word: aHVzaA==}\n"))
	pki := m.root + "/etc/kubernetes/pki/apiserver-etcd-client"
	cmd := m.in(need.Tool(t, "etcdctl"), "--endpoints=https://127.0.0.1:2379", "--cacert="+m.root+"/etc/etcd/pki/ca.crt", "--cert="+pki+".crt", "--key="+pki+".key", "get", "/registry/secrets/default/s")
	cmd.Env = append(os.Environ(), "ETCDCTL_API=3")
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("k8s:enc:secretbox:v1:key1:")) || bytes.Contains(out, []byte("hush")) {
		t.Errorf("a Secret in etcd: %v: %q", err, out)
	}
}

// podSecurity: pods that could take over their node are refused.
func (m *machine) podSecurity(t *testing.T) {
	t.Helper()
	m.await(t, "the service account", func() (string, bool) {
		out, err := m.kubectl(t, "get", "serviceaccount", "default")
		return out, err == nil
	})
	pod := "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {containers: [{name: c, image: example.com/x, securityContext: {privileged: %v}}]}\n"
	m.must(t, "create", "-f", m.file(t, "meek.yaml", fmt.Sprintf(pod, "meek", false)))
	if out, err := m.kubectl(t, "create", "-f", m.file(t, "bold.yaml", fmt.Sprintf(pod, "bold", true))); err == nil || !strings.Contains(out, "violates PodSecurity") {
		t.Errorf("a privileged pod: %v: %s", err, out)
	}
}
