package cluster_test

import (
	"strings"
	"testing"
)

// badFiles prints what is wrong with the files of a running controller, a line
// for each: keys that others can read, files of the identity and of components
// that others can write or that belong to somebody else, and what is not to be
// there at all. It says "checked" for what there is, so that an empty answer is
// no good news.
const badFiles = `
bad() { sed "s|^|bad: |"; }
find /etc/kubernetes/pki /etc/etcd/pki /etc/kubernetes/encryption.yaml /etc/kubernetes/*.conf /etc/tinc/*/rsa_key.priv -type f \
	! -name '*.crt' ! -name '*.pub' -printf 'checked %p\n'
find /etc/kubernetes/pki /etc/etcd/pki /etc/kubernetes/encryption.yaml /etc/kubernetes/*.conf /etc/tinc/*/rsa_key.priv -type f \
	! -name '*.crt' ! -name '*.pub' -perm /077 -printf '%m %u:%g %p\n' | bad
find /etc/kubernetes /etc/tinc /etc/ingot /etc/cni /run/ingot -xdev ! -type l \( -perm /022 -o ! -user root -o ! -group root \) -printf '%m %u:%g %p\n' | bad
find /etc/etcd ! -type l \( -perm /022 -o ! -user etcd -a ! -user root \) -printf '%m %u:%g %p\n' | bad
find /etc/cni/net.d -name '*.conflist' -printf 'checked %p\n'
for dir in "700 etcd:etcd /var/lib/etcd" "700 kube-apiserver:kube-apiserver /var/log/kubernetes"; do
	found=$(stat -c '%a %U:%G %n' "${dir##* }"); echo "checked $found"; [ "$found" = "$dir" ] || echo "$found" | bad
done
find /var/lib/etcd -type f -perm /077 -printf '%m %u:%g %p\n' | bad
find /var/lib/kubelet -maxdepth 1 -perm /022 -printf '%m %u:%g %p\n' | bad
for path in /etc/kubernetes/manifests /etc/kubernetes/admin.conf /etc/kubernetes/super-admin.conf /root/.kube; do
	[ ! -e "$path" ] || echo "$path is there" | bad
done
[ "$(stat -c '%a %U:%G' /run/containerd/containerd.sock)" = "660 root:root" ] || stat -c '%a %U:%G %n' /run/containerd/containerd.sock | bad
for unit in kube-apiserver kube-controller-manager kube-scheduler etcd kube-proxy coredns node-exporter; do
	user=$(ps -o user= -p "$(systemctl show -P MainPID "$unit.service")"); echo "checked $unit runs as $user"
	[ "$user" != root ] || echo "$unit runs as root" | bad
done
echo x 2>/dev/null >/usr/lib/ingot/x && echo "/usr can be written" | bad
echo done
`

// filesOnDisk checks the modes and owners of what is on a controller's disk.
func (s *suite) filesOnDisk(t *testing.T, name string) {
	t.Helper()
	said := s.run(t, name, badFiles)
	checked := 0
	for line := range strings.Lines(said) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "bad: "):
			t.Errorf("%s: %s", name, line)
		case strings.HasPrefix(line, "checked "):
			checked++
		case line != "done":
			t.Logf("%s: %s", name, line)
		}
	}
	// 13 keys of a controller at least, the files of CNI, two folders, seven services.
	if checked < 23 || !strings.HasSuffix(said, "done") {
		t.Errorf("%s: only %d things were looked at:\n%s", name, checked, said)
	}
}
