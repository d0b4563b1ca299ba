package boot_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/need"
)

// roleReached finds that a machine takes part.
var roleReached = regexp.MustCompile(`Reached target .*ingot-(controller|worker|edge)`)

// out checks that a machine stays out of the cluster and says why.
func (n *node) out(why string) {
	n.t.Helper()
	said := n.refused()
	if !regexp.MustCompile(why).MatchString(said) {
		n.t.Errorf("the machine does not say %q:\n%s", why, n.Console().Tail())
	}
	if line := roleReached.FindString(said); line != "" {
		n.t.Errorf("the machine takes part: %q", line)
	}
}

// noIdentity: a machine without an identity says so, and takes one that it is
// given later.
func noIdentity(t *testing.T, w *world) {
	cfg := w.config(t, "none", w.ignition.Image(t, builder.Raw), "raw")
	n := w.start(t, cfg)
	n.out(`ingot: no identity was found`)
	n.powerdown()
	cfg.CDROMs = []string{w.ignition.File("lab1", "config.iso")}
	n = w.start(t, cfg)
	n.accepted("lab1", workerRoles)
	n.silent(keys(t, w.ignition, "lab1"))
}

// otherCluster: an identity that is right, for another cluster's image. Nothing
// of the cluster runs.
func otherCluster(t *testing.T, w *world) {
	cfg := w.config(t, "other", w.ignition.Image(t, builder.QCOW2), "qcow2")
	cfg.CDROMs = []string{w.stranger.File("lab0", "config.iso")}
	n := w.start(t, cfg)
	n.out(`ingot-node: refused: .*stranger`)
	n.login()
	for _, unit := range []string{
		"ingot-controller.target", "ingot-worker.target", "ingot-edge.target",
		"ingot-etcd.service", "etcd.service", "kube-apiserver.service", "kubelet.service", "containerd.service",
	} {
		if said, err := n.try("systemctl is-active " + unit); err == nil {
			t.Errorf("%s is %s", unit, said)
		}
	}
	n.silent(keys(t, w.stranger, "lab0"))
}

// tampered: one byte of the identity is another.
func tampered(t *testing.T, w *world) {
	dir := t.TempDir()
	xorriso := need.Tool(t, "xorriso")
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), xorriso, args...).CombinedOutput(); err != nil {
			t.Fatalf("xorriso %q: %v: %s", args, err, out)
		}
	}
	tree := filepath.Join(dir, "tree")
	run("-osirrox", "on", "-indev", w.ignition.File("lab0", "config.iso"), "-extract", "/", tree, "-rollback_end")
	bundle := filepath.Join(tree, "ingot", "identity.bundle")
	data, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Chmod(bundle, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bundle, data, 0o600); err != nil {
		t.Fatal(err)
	}
	iso := filepath.Join(dir, "config.iso")
	run("-as", "mkisofs", "-quiet", "-V", "config-2", "-R", "-J", "-o", iso, tree)

	cfg := w.config(t, "tampered", w.ignition.Image(t, builder.QCOW2), "qcow2")
	cfg.CDROMs = []string{iso}
	n := w.start(t, cfg)
	n.out(`is not the one that (is wanted|was made)`)
	n.login()
	n.silent(keys(t, w.ignition, "lab0"))
}
