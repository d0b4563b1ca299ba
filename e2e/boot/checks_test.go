package boot_test

import (
	"encoding/base64"
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/e2e/internal/variant"
	"github.com/ingot-k8s/ingot/ignition"
	"go.yaml.in/yaml/v3"
)

// Units that are active on machines with a role: those of a worker that has no
// controller, and those of a controller that needs no other.
var (
	workerUnits = []string{
		"ingot-node.service", "containerd.service", "tinc@mesh0.service", "ingot-apiendpoint.service",
		"systemd-networkd.service", "systemd-resolved.service", "ssh.service",
	}
	controllerUnits = slices.Concat(workerUnits, []string{
		"ingot-controller.target", "ingot-worker.target", "ingot-edge.target",
		"etcd.service", "kube-apiserver.service", "kube-controller-manager.service", "kube-scheduler.service",
		"kubelet.service", "kube-proxy.service", "coredns.service",
	})
)

// waits checks a worker that has no controller: all of it runs that can do
// something without the API, and it says what it waits for.
func (n *node) waits(name string) {
	n.t.Helper()
	n.active(workerUnits...)
	n.eventually("it waits for the API", `
systemctl is-active ingot-api-ready.service kubelet.service kube-proxy.service | tr '\n' ' '
[ "$(systemctl is-active ingot-api-ready.service)" = activating ] && ! systemctl is-active --quiet kubelet.service &&
	journalctl -b -u ingot-api-ready.service | grep 'waiting for the API, which none of 10.42.0.1:6443 has ready'`, serviceTime)
	n.whole(name)
}

// healthy checks a controller that is a cluster by itself.
func (n *node) healthy(name string) {
	n.t.Helper()
	n.active(controllerUnits...)
	// Whatever else the targets want.
	n.eventually("the targets' units active", `
for target in $(systemctl list-units --plain --no-legend --state=active 'ingot-*.target' | cut -d ' ' -f 1); do
	for unit in $(systemctl show -p Wants --value "$target"); do
		seen=yes
		systemctl is-active --quiet "$unit" && continue
		[ "$(systemctl show -p ConditionResult --value "$unit")" = no ] || bad="$bad $unit"
	done
done
echo "not active:$bad"
[ "$seen$bad" = yes ]`, serviceTime)
	n.whole(name)
}

// whole checks that nothing has failed, and that nothing that was written to is
// part of the image.
func (n *node) whole(name string) {
	n.t.Helper()
	if failed := strings.TrimSpace(n.run("systemctl list-units --failed --plain --no-legend")); failed != "" {
		n.t.Errorf("failed units:\n%s\n%s", failed, n.run("journalctl -b --no-pager -p warning | tail -n 40"))
	}
	if got := strings.TrimSpace(n.run("hostname")); got != name {
		n.t.Errorf("the host name is %q, want %q", got, name)
	}
	for _, path := range []string{"/usr/x", "/x", "/usr/lib/ingot/x"} {
		if said, err := n.try("touch " + path); err == nil || !strings.Contains(said, "Read-only file system") {
			n.t.Errorf("writing %s: %v: %s", path, err, said)
		}
	}
	if said, err := n.try("mount -o remount,rw / && touch /x"); err == nil {
		n.t.Errorf("the root can be made writable: %s", said)
	}
	n.run("touch /etc/x /var/x && rm /etc/x /var/x")
}

// stateSize returns the size of /var in bytes.
func (n *node) stateSize() int64 {
	n.t.Helper()
	size, err := strconv.ParseInt(strings.TrimSpace(n.run("df --block-size=1 --output=size /var | tail -n 1")), 10, 64)
	if err != nil {
		n.t.Fatal(err)
	}
	return size
}

// keys are what must not be found: parts of a node's private keys and of
// everything that holds them.
func keys(t *testing.T, v *variant.Variant, node string) []string {
	t.Helper()
	found := []string{"PRIVATE KEY-----", "AGE-SECRET-KEY-"}
	add := func(text string, lines *regexp.Regexp) {
		for _, line := range lines.FindAllString(text, -1) {
			found = append(found, strings.TrimSpace(line))
		}
	}
	long := regexp.MustCompile(`(?m)^[A-Za-z0-9+/=]{40,}$`)
	secret := regexp.MustCompile(`(?:secret|token): \S{20,}`)
	for _, f := range bundleOf(t, v, node) {
		if f.Mode.Perm()&0o077 == 0 {
			add(string(f.Data), long)
			add(string(f.Data), secret)
		}
	}
	if len(found) < 10 {
		t.Fatalf("only %d parts of keys were found in the identity of %s", len(found), node)
	}
	for _, name := range []string{"user_data", "user_data.inline", "identity.bundle"} {
		data, err := os.ReadFile(v.File(node, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if name == "identity.bundle" {
			text = base64.StdEncoding.EncodeToString(data)
		}
		// From the middle of what is packed: its beginning is always the same.
		for _, packed := range regexp.MustCompile(`[A-Za-z0-9+/]{1000,}`).FindAllString(text, -1) {
			found = append(found, packed[len(packed)/2:][:64])
		}
	}
	return found
}

// bundleOf are the files of an identity: Ignition finds them packed beside its
// config, cloud-init within.
func bundleOf(t *testing.T, v *variant.Variant, node string) []ignition.File {
	t.Helper()
	data, err := os.ReadFile(v.File(node, "identity.bundle"))
	if errors.Is(err, fs.ErrNotExist) {
		data = cloudBundle(t, v.File(node, "user_data"))
	} else if err != nil {
		t.Fatal(err)
	}
	files, err := ignition.ReadBundle(data)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func cloudBundle(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Files []struct{ Path, Encoding, Content string } `yaml:"write_files"`
	}
	if err := yaml.Unmarshal(data, &config); err != nil {
		t.Fatal(err)
	}
	for _, f := range config.Files {
		if f.Path == "/etc/ingot/identity.bundle" {
			bundle, err := base64.StdEncoding.DecodeString(f.Content)
			if err != nil {
				t.Fatalf("%s: encoding %q: %v", f.Path, f.Encoding, err)
			}
			return bundle
		}
	}
	t.Fatalf("%s has no bundle", file)
	return nil
}

// silent checks that no part of a key is where it could be read by others.
func (n *node) silent(keys []string) {
	n.t.Helper()
	places := map[string]string{"console": n.Console().Text()}
	if n.ssh != nil && !n.Ended() {
		places["journal"] = n.run("journalctl --all --no-pager --output=export")
		places["process list"] = n.run("ps -eww -o args")
		places["process environments"] = n.run("cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' || true")
		places["kernel log"] = n.run("dmesg")
		places["files that all can read"] = n.run("find /run /etc /var -xdev -type f -perm /044 -size -1M -not -path '/var/lib/containerd/*' -exec grep -lE 'PRIVATE KEY-----$' {} + || true")
	}
	for place, text := range places {
		if text == "" && place != "files that all can read" {
			n.t.Errorf("the %s is empty", place)
		}
		for _, key := range keys {
			if strings.Contains(text, key) {
				n.t.Errorf("the %s has a part of a key: %.12s...", place, key)
			}
		}
	}
	if files := places["files that all can read"]; files != "" {
		n.t.Errorf("private keys that all can read: %s", files)
	}
}
