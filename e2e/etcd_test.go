package e2e_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
)

// etcd starts a member on every node over the mesh, from the environment file
// and the certificates of its identity, and tries who is let in.
func etcd(t *testing.T, nodes []*node) {
	for _, n := range nodes {
		n.startEtcd(t)
	}
	endpoints := make([]string, len(nodes))
	for i, n := range nodes {
		endpoints[i] = n.cluster.EtcdClientURL(n.Node)
	}
	all := strings.Join(endpoints, ",")
	first := nodes[0]
	own := first.clientFlags(t, "etc/kubernetes/pki/apiserver-etcd-client")

	t.Run("three healthy members", func(t *testing.T) {
		var said []byte
		for end := time.Now().Add(patience); ; time.Sleep(time.Second) {
			var err error
			said, err = first.etcdctl(t, append(own, "--endpoints", all, "endpoint", "health")...)
			if err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("not healthy: %v\n%s", err, said)
			}
		}
		if n := bytes.Count(said, []byte("is healthy")); n != len(nodes) {
			t.Errorf("%d healthy members, want %d:\n%s", n, len(nodes), said)
		}
		if said, err := first.etcdctl(t, append(own, "--endpoints", endpoints[0], "put", "greeting", "hello")...); err != nil {
			t.Fatalf("writing: %v: %s", err, said)
		}
		for _, n := range nodes {
			flags := append(n.clientFlags(t, "etc/kubernetes/pki/apiserver-etcd-client"), "--endpoints", n.cluster.EtcdClientURL(n.Node), "get", "greeting")
			if said, err := n.etcdctl(t, flags...); err != nil || !bytes.Contains(said, []byte("hello")) {
				t.Errorf("reading at %s: %v: %s", n.name, err, said)
			}
		}
	})

	_, strangers := machines(t, "lab", definition("lab"))
	ca := []string{"--cacert", filepath.Join(first.root, "etc/etcd/pki/ca.crt")}
	refused := map[string][]string{
		"without a certificate":       ca,
		"certificate of another CA":   append(strangers[0].clientFlags(t, "etc/kubernetes/pki/apiserver-etcd-client")[2:], ca...),
		"certificate of the other CA": append(first.clientFlags(t, "etc/kubernetes/pki/kubelet-client")[2:], ca...),
		"server of another cluster":   strangers[0].clientFlags(t, "etc/kubernetes/pki/apiserver-etcd-client"),
	}
	for name, flags := range refused {
		t.Run("refused: "+name, func(t *testing.T) {
			said, err := first.etcdctl(t, append(flags, "--endpoints", endpoints[0], "get", "greeting")...)
			if err == nil || bytes.Contains(said, []byte("hello")) {
				t.Errorf("it was let in: %s", said)
			}
		})
	}
	t.Run("refused: plain text", func(t *testing.T) {
		said, err := first.etcdctl(t, "--endpoints", strings.Replace(endpoints[0], "https", "http", 1), "get", "greeting")
		if err == nil {
			t.Errorf("it was let in: %s", said)
		}
	})
}

// startEtcd runs etcd with the identity's environment file; only the root
// folder is put in front of its paths.
func (n *node) startEtcd(t *testing.T) {
	t.Helper()
	env := []string{"PATH=" + os.Getenv("PATH")}
	text, err := os.ReadFile(filepath.Join(n.root, "etc/etcd/etcd.env"))
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		value = strings.Trim(value, `"`)
		switch {
		case name == "ETCD_DATA_DIR":
			value = filepath.Join(data, "etcd")
		case strings.HasPrefix(value, "/"):
			value = filepath.Join(n.root, value)
		}
		env = append(env, name+"="+value)
	}
	log, err := os.Create(filepath.Join(data, "etcd.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := n.command(need.Tool(t, "etcd"))
	cmd.Env, cmd.Stdout, cmd.Stderr = env, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may be gone already
		_ = cmd.Wait()         // killed: its status says nothing
		if t.Failed() {
			said, _ := os.ReadFile(log.Name())
			t.Logf("etcd of %s said (its end):\n%s", n.name, said[max(0, len(said)-4000):])
		}
		_ = log.Close() // only read by this test
	})
}

// clientFlags are etcdctl's flags for a certificate of the node: the authority
// first, then certificate and key.
func (n *node) clientFlags(t *testing.T, stem string) []string {
	t.Helper()
	at := func(path string) string { return filepath.Join(n.root, path) }
	if _, err := os.Stat(at(stem + ".crt")); err != nil {
		t.Fatal(err)
	}
	return []string{"--cacert", at("etc/etcd/pki/ca.crt"), "--cert", at(stem + ".crt"), "--key", at(stem + ".key")}
}

func (n *node) etcdctl(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	cmd := n.command(need.Tool(t, "etcdctl"), append([]string{"--command-timeout", "5s", "--dial-timeout", "3s"}, args...)...)
	cmd.Env = append(os.Environ(), "ETCDCTL_API=3")
	out, err := cmd.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited { //nolint:errorlint // exec returns it as it is
		t.Fatal(fmt.Errorf("running etcdctl: %w", err))
	}
	return out, err
}
