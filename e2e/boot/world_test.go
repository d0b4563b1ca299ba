// Package boot_test bakes images and boots them in QEMU, as machines of every
// kind that can be had there. It takes minutes, and runs only where
// INGOT_E2E_DIR names a folder to work in, which "make e2e" sets. What is in
// the folder is kept, so that the next run bakes nothing that did not change.
package boot_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/internal/cli"
	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/ssh"
)

// folderVariable names the folder that is worked in.
const folderVariable = "INGOT_E2E_DIR"

// world is what the tests have in common.
type world struct {
	dir string
	key ssh.Signer // logs in to all machines
	// slots is how many machines run at once.
	slots chan struct{}

	ignition  *variant // an image with Ignition
	cloudInit *variant // the same with cloud-init
	stranger  *variant // another cluster, of which there is no image
}

// variant is a cluster of the tests, made from clusters/lab.
type variant struct {
	out      string // what was made for it
	cluster  string
	manifest *builder.Manifest
}

// image is the path of an image.
func (v *variant) image(t *testing.T, f builder.Format) string {
	t.Helper()
	out, ok := v.manifest.File(f)
	if !ok {
		t.Fatalf("the manifest has no %q", f)
	}
	return filepath.Join(v.out, v.cluster, "images", out.Name)
}

// file is a file of a node's identity.
func (v *variant) file(node, name string) string {
	return filepath.Join(v.out, v.cluster, "nodes", node, name)
}

// newWorld is a world without clusters.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir := os.Getenv(folderVariable)
	if dir == "" {
		t.Skipf("needs a folder to work in, and minutes: make e2e sets %s", folderVariable)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", dir) // the operator's own key
	return &world{dir: dir, key: loginKey(t, filepath.Join(dir, "ssh.pem")), slots: make(chan struct{}, 2)}
}

// loginKey is the key that all runs in the folder use: another one would be
// another definition.
func loginKey(t *testing.T, file string) ssh.Signer {
	t.Helper()
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		data = pem.EncodeToMemory(block)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	} else if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.ParsePrivateKey(data)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// variant writes a definition: that of clusters/lab with an account for the
// tests, and one controller, so that the control plane comes up on a machine
// that is alone.
func (w *world) variant(t *testing.T, folder, name string, change func(map[string]any)) *variant {
	t.Helper()
	const lab = "../../clusters/lab"
	data, err := os.ReadFile(filepath.Join(lab, "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var def map[string]any
	if err := yaml.Unmarshal(data, &def); err != nil {
		t.Fatal(err)
	}
	def["name"] = name
	def["access"] = map[string]any{"sshKeys": []string{string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(w.key.PublicKey())))}}
	// A host that is busy with other things makes the kernel doubt its timers.
	def["system"] = map[string]any{"kernelArgs": []string{"no_timer_check"}}
	for i, n := range def["nodes"].([]any) {
		if i > 0 {
			n.(map[string]any)["roles"] = []string{"worker", "edge"}
		}
	}
	if change != nil {
		change(def)
	}
	if data, err = yaml.Marshal(def); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(w.dir, folder, "clusters", name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	// A lock that is there stays.
	if err := os.WriteFile(filepath.Join(dir, "cluster.yaml"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	return &variant{out: filepath.Join(w.dir, folder, "out"), cluster: name}
}

// bake bakes the image and makes identities.
func (v *variant) bake(t *testing.T, w *world, folder, formats, nodes string) {
	t.Helper()
	began := time.Now()
	// What the code asks for may have changed since the last run.
	w.ingot(t, folder, "lock", v.cluster)
	w.ingot(t, folder, "images", v.cluster, "--only", formats, "--node-iso", nodes)
	var err error
	if v.manifest, err = builder.ReadManifest(filepath.Join(v.out, v.cluster, "images", builder.ManifestFile)); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: image %s in %.1f s", folder, v.manifest.ID, time.Since(began).Seconds())
}

// ingot runs the command line, as a person does.
func (w *world) ingot(t *testing.T, folder string, args ...string) {
	t.Helper()
	base := filepath.Join(w.dir, folder)
	args = append(args, "--clusters", filepath.Join(base, "clusters"), "--out", filepath.Join(base, "out"))
	var said bytes.Buffer
	if status := cli.Run(t.Context(), nil, &said, &said, args); status != 0 {
		t.Fatalf("ingot %q: exit status %d:\n%s", args, status, said.String())
	}
}

// slot waits until one machine more may run. It is given back after the
// machines of the test have ended.
func (w *world) slot(t *testing.T) {
	t.Helper()
	w.slots <- struct{}{}
	t.Cleanup(func() { <-w.slots })
}

// seconds prints a duration.
func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }
