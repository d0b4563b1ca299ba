package ignition_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// etcdEnv reads an environment file as systemd does.
func etcdEnv(t *testing.T, text []byte) []string {
	t.Helper()
	var env []string
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		value, isQuoted := strings.CutPrefix(value, `"`)
		value, isClosed := strings.CutSuffix(value, `"`)
		if !ok || !isQuoted || !isClosed || strings.ContainsAny(value, "\\\"$`") {
			t.Fatalf("line %q", line)
		}
		env = append(env, name+"="+value)
	}
	return env
}

// Three of Debian's etcd start from the identities' settings as they stand,
// over the mesh, and serve nobody without a client certificate.
func TestEtcd(t *testing.T) {
	etcd, ctl := need.Tool(t, "etcd"), need.Tool(t, "etcdctl")
	l := newLab(t, shipped(t, "lab"))
	for i, name := range labNodes[:3] {
		id := l.world.identity(t, name)
		s := newSystemOf(t, 256<<20)
		install(t, s.root, id.Files)
		l.dirs[i] = s.root
		daemon(t, l.netns[i], etcdEnv(t, file(t, id, "/etc/etcd/etcd.env").Data), need.Tool(t, "chroot"), s.root, etcd)
	}
	run := func(args ...string) (string, error) {
		argv := append([]string{"env", "ETCDCTL_API=3", ctl, "--endpoints=https://10.42.0.1:2379,https://10.42.0.2:2379,https://10.42.0.3:2379",
			"--cacert=" + filepath.Join(l.dirs[0], "etc/etcd/pki/ca.crt"), "--dial-timeout=3s", "--command-timeout=5s"}, args...)
		return inNetns(t, l.netns[0], argv...)
	}
	client := filepath.Join(l.dirs[0], "etc/kubernetes/pki/apiserver-etcd-client")
	auth := []string{"--cert=" + client + ".crt", "--key=" + client + ".key"}
	eventually(t, "etcd", func() error {
		_, err := run(append(auth, "endpoint", "health")...)
		return err
	})
	if out, err := run(append(auth, "put", "a", "b")...); err != nil {
		t.Errorf("writing: %v: %s", err, out)
	}
	if out, err := run("get", "a"); err == nil {
		t.Errorf("etcd serves a client without a certificate: %s", out)
	}
	other := filepath.Join(l.dirs[0], "etc/kubernetes/pki/apiserver-kubelet-client")
	if out, err := run("--cert="+other+".crt", "--key="+other+".key", "get", "a"); err == nil {
		t.Errorf("etcd serves a client with a certificate of another authority: %s", out)
	}
}
