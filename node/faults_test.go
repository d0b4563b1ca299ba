package node_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/golden"
	runner "github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/node"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
)

// fault is something wrong with a machine.
type fault struct {
	name string
	node string                          // of the lab, unless make is there
	make func(t *testing.T) string       // a machine of another kind
	do   func(t *testing.T, root string) // what is done to it
	edit func(c *clusterjson.Cluster)    // or to the image's list
	now  func() time.Time                // when it boots, if not at bootTime
	ok   bool                            // it is accepted all the same
}

const (
	nodeJSON = "/etc/ingot/node.json"
	pin      = "/etc/ingot/identity.sha256"
	applied  = "/etc/ingot/identity.applied"
	kube     = "/etc/kubernetes/pki/"
	tinc     = "/etc/tinc/mesh0/"
)

// faults are all that a machine can be refused, or warned, for.
func faults() []fault {
	return slices.Concat(wholeFaults(), identityFaults(), clusterFaults(), certificateFaults(), keyFaults())
}

func wholeFaults() []fault {
	return []fault{
		{name: "nothing wrong: a controller", node: "lab0", ok: true},
		{name: "nothing wrong: an edge", node: "edge-0", ok: true},
		{name: "nothing wrong: a spare", node: "spare0", ok: true},
		{name: "no image", node: "lab0", do: remove(clusterjson.Path)},
		{name: "cluster.json is damaged", node: "lab0", do: replaceIn(clusterjson.Path, "{", "")},
		{name: "authority of the image is missing", node: "lab0", do: remove(clusterjson.PKIDir + "/etcd.crt")},
		{name: "authority of the image is another", node: "lab0", do: copyIn(clusterjson.PKIDir+"/kubernetes.crt", clusterjson.PKIDir+"/etcd.crt")},
		{name: "image without an authority", node: "lab0", edit: func(c *clusterjson.Cluster) { delete(c.Authorities, "front-proxy") }},
	}
}

// bare is a machine with an image and no identity.
func bare(t *testing.T) string {
	root := t.TempDir()
	worldOf(t, "lab").bake(t, root, nil)
	return root
}

func identityFaults() []fault {
	notUnpacked := func(t *testing.T) string {
		root := bare(t)
		pinned(t, root, worldOf(t, "lab").identity(t, "lab0"))
		return root
	}
	cloudInit := func(c *clusterjson.Cluster) { c.Provisioning = "cloud-init" }
	return []fault{
		{name: "no identity, no drive", make: bare},
		{name: "no identity, a drive that was not read", make: bare, do: put("/dev/disk/by-label/config-2", "")},
		{name: "no identity, a drive for cloud-init", make: bare, do: put("/dev/disk/by-label/cidata", "")},
		{name: "no identity, fw_cfg that was not read", make: bare, do: put("/sys/firmware/qemu_fw_cfg/by_name/opt/com.coreos/config/raw", "")},
		{name: "no identity, on VMware", make: bare, do: put("/sys/class/dmi/id/sys_vendor", "VMware, Inc.\n")},
		{name: "no identity, on DigitalOcean", make: bare, do: put("/sys/class/dmi/id/sys_vendor", "DigitalOcean\n")},
		{name: "no identity, cloud-init", make: bare, edit: cloudInit, do: put("/dev/disk/by-label/cidata", "")},
		{name: "not unpacked", make: notUnpacked},
		{name: "not unpacked, cloud-init", make: notUnpacked, edit: cloudInit},
		{name: "bundle was changed", make: notUnpacked, do: appendTo("/etc/ingot/identity.bundle", "x")},
		{name: "bundle is missing", make: notUnpacked, do: remove("/etc/ingot/identity.bundle")},
		{name: "pin is missing", node: "lab0", do: remove(pin)},
		{name: "pin is no hash", node: "lab0", do: put(pin, "hello\n")},
		{name: "pin is of another bundle", node: "lab0", do: put(pin, strings.Repeat("ab", 32)+"  identity.bundle\n")},
		{name: "applied is no hash", node: "lab0", do: put(applied, "hello\n")},
		{name: "facts are missing", node: "lab0", do: remove(nodeJSON)},
		{name: "facts are not JSON", node: "lab0", do: put(nodeJSON, "{]")},
		{name: "facts have other types", node: "lab0", do: replaceIn(nodeJSON, `"index": 1`, `"index": "1"`)},
		{name: "facts of a later version", node: "lab0", do: replaceIn(nodeJSON, "ingot/v1", "ingot/v2")},
		{name: "facts with an escape sequence", node: "lab0", do: replaceIn(nodeJSON, `"name": "lab0"`, `"name": "\u001b[2Jlab0"`)},
		{name: "facts with an unknown role", node: "lab0", do: replaceIn(nodeJSON, `"edge"`, `"lord"`)},
		{name: "facts with a path for an interface", node: "lab0", do: replaceIn(nodeJSON, `"interface": "mesh0"`, `"interface": "../x"`)},
		{name: "settings are missing", node: "lab0", do: all(remove("/etc/etcd/etcd.env"), remove("/etc/kubernetes/encryption.yaml"), remove("/etc/kubernetes/kubelet.conf"))},
		{name: "facts are a link", node: "lab0", do: all(remove(nodeJSON), link(nodeJSON, "/etc/ingot/node.env"))},
	}
}

func clusterFaults() []fault {
	node := func(do func(n *clusterjson.Node)) func(c *clusterjson.Cluster) {
		return func(c *clusterjson.Cluster) { do(&c.Nodes[0]) }
	}
	return []fault{
		{name: "another cluster", make: func(t *testing.T) string { return machine(t, "east", "east0") }},
		{name: "the same cluster with other keys", make: func(t *testing.T) string { return machine(t, "again", "edge-0") }},
		{name: "another domain", node: "edge-0", edit: func(c *clusterjson.Cluster) { c.Domain = "lab.example.net" }},
		{name: "node is not in the list", node: "lab0", edit: func(c *clusterjson.Cluster) { c.Nodes = c.Nodes[1:] }},
		{name: "another index and address", node: "lab0", edit: node(func(n *clusterjson.Node) {
			n.Index, n.Addresses, n.PodCIDRs = 2, []netip.Addr{netip.MustParseAddr("10.42.0.2")}, []netip.Prefix{netip.MustParsePrefix("10.244.2.0/24")}
		})},
		{name: "other roles", node: "lab0", edit: node(func(n *clusterjson.Node) { n.Roles = []string{"worker"} })},
		{name: "a spare that is none", node: "spare0", edit: func(c *clusterjson.Cluster) { c.Nodes[len(c.Nodes)-1].Spare = false }},
		{name: "another mesh interface", node: "lab0", edit: func(c *clusterjson.Cluster) { c.MeshInterface = "tinc0" }},
		{name: "a list without ranges and mesh keys", node: "lab0", ok: true, edit: node(func(n *clusterjson.Node) { n.PodCIDRs, n.MeshKey = nil, "" })},
	}
}

func certificateFaults() []fault {
	at := func(when func(notBefore, notAfter time.Time) time.Time) func() time.Time {
		return func() time.Time {
			all, err := worlds()
			if err != nil {
				return time.Time{}
			}
			c, _ := all["lab"].material["edge-0"].Credential("dns")
			return when(c.Cert.NotBefore, c.Cert.NotAfter)
		}
	}
	return []fault{
		{name: "certificates have ended", node: "edge-0", now: at(func(_, after time.Time) time.Time { return after })},
		{name: "certificates end in ten days", node: "edge-0", ok: true, now: at(func(_, after time.Time) time.Time { return after.AddDate(0, 0, -10) })},
		{name: "authorities have ended", node: "edge-0", now: func() time.Time { return issueTime.AddDate(50, 0, 0) }},
		{name: "the clock is not set", node: "edge-0", ok: true, now: func() time.Time { return time.Unix(0, 0) }},
		{name: "certificate is missing", node: "lab0", do: remove(kube + "apiserver.crt")},
		{name: "certificate is not one", node: "lab0", do: put(kube+"apiserver.crt", "hello\n")},
		{name: "certificate of another node", node: "lab0", do: func(t *testing.T, root string) {
			other := worldOf(t, "lab").identity(t, "lab1")
			for _, path := range []string{kube + "kubelet-server.crt", kube + "kubelet-server.key"} {
				i := slices.IndexFunc(other.Files, func(f ignition.File) bool { return f.Path == path })
				write(t, root, path, 0o600, other.Files[i].Data)
			}
		}},
		{name: "certificate for another use", node: "lab0", do: all(copyIn(kube+"kubelet-client.crt", kube+"kubelet-server.crt"), copyIn(kube+"kubelet-client.key", kube+"kubelet-server.key"))},
		{name: "certificate of another authority", node: "lab0", do: all(copyIn("/etc/etcd/pki/server.crt", kube+"metrics.crt"), copyIn("/etc/etcd/pki/server.key", kube+"metrics.key"))},
		{name: "certificate is an authority", node: "lab0", do: copyIn(kube+"ca.crt", kube+"proxy.crt")},
		{name: "key of another certificate", node: "lab0", do: copyIn(kube+"dns.key", kube+"proxy.key")},
		{name: "key is missing", node: "lab0", do: remove("/etc/etcd/pki/peer.key")},
		{name: "key is cut off", node: "lab0", do: cut(kube+"proxy.key", 40)},
		{name: "authority of the identity is missing", node: "lab0", do: remove("/etc/etcd/pki/ca.crt")},
	}
}

func keyFaults() []fault {
	return []fault{
		{name: "service account keys are two", node: "lab0", do: copyIn(kube+"dns.key", kube+"sa.key")},
		{name: "service account keys are missing", node: "lab0", do: all(remove(kube+"sa.key"), remove(kube+"sa.pub"))},
		{name: "service account key is no public one", node: "lab0", do: copyIn(kube+"sa.key", kube+"sa.pub")},
		{name: "mesh key of another node", node: "lab0", do: func(t *testing.T, root string) {
			write(t, root, tinc+"rsa_key.priv", 0o600, worldOf(t, "lab").material["lab1"].Mesh.PrivatePEM)
		}},
		{name: "mesh key is missing", node: "edge-0", do: remove(tinc + "rsa_key.priv")},
		{name: "mesh host file is missing", node: "edge-0", do: remove(tinc + "hosts/edge_0")},
		{name: "mesh host file has a private key", node: "edge-0", do: copyIn(tinc+"rsa_key.priv", tinc+"hosts/edge_0")},
		{name: "the others know another mesh key", node: "edge-0", edit: func(c *clusterjson.Cluster) { c.Nodes[3].MeshKey = strings.Repeat("cd", 32) }},
		{name: "keys that others can read", node: "lab0", ok: true, do: all(mode(kube+"apiserver.key", 0o644), mode(tinc+"rsa_key.priv", 0o640), mode("/etc/kubernetes/kubelet.conf", 0o604))},
		{name: "key is a link", node: "lab0", do: all(rename(kube+"proxy.key", "/etc/other.key"), link(kube+"proxy.key", "../../other.key"))},
		{name: "private keys where names and hashes belong", node: "lab0", do: all(copyIn(kube+"dns.key", pin), copyIn(kube+"sa.key", kube+"proxy.crt"),
			func(t *testing.T, root string) {
				key := strings.ReplaceAll(readFile(t, root, kube+"apiserver.key"), "\n", `\n`)
				replaceIn(nodeJSON, `"name": "lab0"`, `"name": "`+key+`"`)(t, root)
			})},
	}
}

// hashes in messages are of keys that are new with every run of the test.
var hashes = regexp.MustCompile(`\b[0-9a-f]{12}\b`)

func TestFaults(t *testing.T) {
	parent := t
	for _, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			root := f.machine(t, parent)
			secrets := secretForms(t, root)
			if f.make == nil && len(secrets) < 20 {
				t.Fatalf("the machine has only %d pieces of secrets: is this test of any worth?", len(secrets))
			}
			status, said := decide(t, root, f)
			if want := map[bool]int{true: 0, false: 1}[f.ok]; status != want {
				t.Errorf("got status %d, want %d", status, want)
			}
			golden.Check(t, filepath.Join("testdata", "faults", strings.NewReplacer(" ", "-", ",", "", ":", "").Replace(f.name)+".txt"),
				hashes.ReplaceAll(said, []byte("############")))
			if console := readFile(t, root, "/dev/ttyS0"); console != string(said) || readFile(t, root, "/dev/tty0") != console {
				t.Errorf("the consoles got something else:\n%s", console)
			}
			if exists(filepath.Join(root, "run/ingot/node.ok")) != f.ok {
				t.Error("node.ok does not say what was decided")
			}
			for _, secret := range secrets {
				if strings.Contains(string(said)+readFile(t, root, "/run/ingot/decision.json"), secret) {
					t.Fatal("a part of a private key was said")
				}
			}
			again, saidAgain := decide(t, root, f)
			if modes := strings.HasPrefix(f.name, "keys that"); again != status || !modes && !bytes.Equal(said, saidAgain) {
				t.Errorf("the second time: status %d, not %d; said:\n%s", again, status, saidAgain)
			}
		})
	}
}

// machine makes the machine with its fault.
func (f fault) machine(t *testing.T, parent *testing.T) string {
	t.Helper()
	var root string
	if f.make != nil {
		root = f.make(t)
	} else {
		root = labMachine(t, parent, f.node)
	}
	if f.edit != nil {
		worldOf(t, "lab").bake(t, root, f.edit)
	}
	if f.do != nil {
		f.do(t, root)
	}
	return root
}

// decide runs the command and gives the status and what it said.
func decide(t *testing.T, root string, f fault) (int, []byte) {
	t.Helper()
	now := f.now
	if now == nil {
		now = func() time.Time { return bootTime }
	}
	var stdout, stderr bytes.Buffer
	m := node.Machine{Now: now, Runner: refuseToRun{t}, SetHostname: func([]byte) error {
		t.Error("it sets the name of the machine that tests it")
		return nil
	}}
	status := m.Run(context.Background(), &stdout, &stderr, []string{"identity", "--root", root})
	if stdout.Len() > 0 {
		t.Errorf("it said something on stdout: %s", stdout.String())
	}
	return status, stderr.Bytes()
}

// refuseToRun fails the test when a program is run.
type refuseToRun struct{ t *testing.T }

func (r refuseToRun) Run(_ context.Context, c runner.Command) error {
	r.t.Errorf("it runs %q", c.Argv)
	return errors.New("not in this test")
}

// What can be done to a machine.

func all(steps ...func(*testing.T, string)) func(*testing.T, string) {
	return func(t *testing.T, root string) {
		for _, step := range steps {
			step(t, root)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func remove(path string) func(*testing.T, string) {
	return func(t *testing.T, root string) { must(t, os.Remove(filepath.Join(root, path))) }
}

func put(path, text string) func(*testing.T, string) {
	return func(t *testing.T, root string) { write(t, root, path, 0o644, []byte(text)) }
}

func appendTo(path, text string) func(*testing.T, string) {
	return func(t *testing.T, root string) { write(t, root, path, 0o600, []byte(readFile(t, root, path)+text)) }
}

func copyIn(from, to string) func(*testing.T, string) {
	return func(t *testing.T, root string) { write(t, root, to, 0o600, []byte(readFile(t, root, from))) }
}

func cut(path string, size int) func(*testing.T, string) {
	return func(t *testing.T, root string) { write(t, root, path, 0o600, []byte(readFile(t, root, path)[:size])) }
}

func mode(path string, m os.FileMode) func(*testing.T, string) {
	return func(t *testing.T, root string) { must(t, os.Chmod(filepath.Join(root, path), m)) }
}

func rename(from, to string) func(*testing.T, string) {
	return func(t *testing.T, root string) {
		must(t, os.Rename(filepath.Join(root, from), filepath.Join(root, to)))
	}
}

func link(path, target string) func(*testing.T, string) {
	return func(t *testing.T, root string) { must(t, os.Symlink(target, filepath.Join(root, path))) }
}

func replaceIn(path, old, new string) func(*testing.T, string) {
	return func(t *testing.T, root string) {
		text := readFile(t, root, path)
		if !strings.Contains(text, old) {
			t.Fatalf("%s has no %q", path, old)
		}
		write(t, root, path, 0o644, []byte(strings.Replace(text, old, new, 1)))
	}
}
