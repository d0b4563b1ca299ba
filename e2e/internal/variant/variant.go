// Package variant makes clusters for the tests that boot machines: definitions
// that derive from clusters/lab, and what is baked and issued for them. It works
// in a folder that is kept, so that the next run bakes nothing that did not
// change.
package variant

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
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

// Folder is where the clusters of a test package are.
type Folder struct {
	Dir string
	Key ssh.Signer // logs in to all machines
}

// Open makes the folder. Where there is none to work in, the test is skipped.
func Open(t *testing.T) *Folder {
	t.Helper()
	dir := os.Getenv(folderVariable)
	if dir == "" {
		t.Skipf("needs a folder to work in, and minutes: make e2e sets %s", folderVariable)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	return In(t, dir)
}

// In is Open for a folder that is known.
func In(t *testing.T, dir string) *Folder {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", dir) // the operator's own key
	return &Folder{Dir: dir, Key: loginKey(t, filepath.Join(dir, "ssh.pem"))}
}

// Variant is a cluster of the tests.
type Variant struct {
	Cluster  string
	Manifest *builder.Manifest // of its images, once they are baked

	folder *Folder
	base   string // where its definition and all that is made of it are
}

// Definition is a definition as YAML has it.
type Definition = map[string]any

// New writes a definition below a name of its own: that of clusters/lab, called
// cluster, with an account for the tests, as change left it.
func (f *Folder) New(t *testing.T, name, cluster string, change func(Definition)) *Variant {
	t.Helper()
	const lab = "../../clusters/lab"
	data, err := os.ReadFile(filepath.Join(lab, "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var def Definition
	if err := yaml.Unmarshal(data, &def); err != nil {
		t.Fatal(err)
	}
	def["name"] = cluster
	def["access"] = Definition{"sshKeys": []string{string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(f.Key.PublicKey())))}}
	if change != nil {
		change(def)
	}
	if data, err = yaml.Marshal(def); err != nil {
		t.Fatal(err)
	}
	v := &Variant{Cluster: cluster, folder: f, base: filepath.Join(f.Dir, name)}
	if err := os.MkdirAll(v.Path("clusters", cluster), 0o755); err != nil {
		t.Fatal(err)
	}
	// A lock that is there stays.
	if err := os.WriteFile(v.Definition(), data, 0o644); err != nil {
		t.Fatal(err)
	}
	return v
}

// Path is a path below the variant's own folder.
func (v *Variant) Path(elements ...string) string {
	return filepath.Join(append([]string{v.base}, elements...)...)
}

// Definition is the path of the definition.
func (v *Variant) Definition() string { return v.Path("clusters", v.Cluster, "cluster.yaml") }

// Out is a path below what was made for the cluster.
func (v *Variant) Out(elements ...string) string {
	return v.Path(append([]string{"out", v.Cluster}, elements...)...)
}

// File is the path of a file of a node's identity.
func (v *Variant) File(node, name string) string { return v.Out("nodes", node, name) }

// Image is the path of an image.
func (v *Variant) Image(t *testing.T, f builder.Format) string {
	t.Helper()
	out, ok := v.Manifest.File(f)
	if !ok {
		t.Fatalf("the manifest has no %q", f)
	}
	return v.Out("images", out.Name)
}

// Bake bakes images. Further arguments go to "ingot images".
func (v *Variant) Bake(t *testing.T, formats string, args ...string) {
	t.Helper()
	began := time.Now()
	// What the code asks for may have changed since the last run.
	v.Ingot(t, "lock", v.Cluster)
	v.Ingot(t, append([]string{"images", v.Cluster, "--only", formats}, args...)...)
	var err error
	if v.Manifest, err = builder.ReadManifest(v.Out("images", builder.ManifestFile)); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: image %s in %.1f s", filepath.Base(v.base), v.Manifest.ID, time.Since(began).Seconds())
}

// Ingot runs the command line, as a person does.
func (v *Variant) Ingot(t *testing.T, args ...string) {
	t.Helper()
	args = append(args, "--clusters", v.Path("clusters"), "--out", v.Path("out"))
	var said bytes.Buffer
	if status := cli.Run(t.Context(), nil, &said, &said, args); status != 0 {
		t.Fatalf("ingot %q: exit status %d:\n%s", args, status, said.String())
	}
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
