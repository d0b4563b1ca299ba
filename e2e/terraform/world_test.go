// Package terraform_test runs the real Terraform with the modules of
// deploy/terraform, as people run it: what "ingot export terraform" writes is
// made by the providers' own programs at servers on loopback. It runs only where
// INGOT_TEST_TERRAFORM names a Terraform, and INGOT_TEST_TERRAFORM_PROVIDERS a
// folder with the providers, which "make e2e-terraform" sets.
package terraform_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/cli"
	"github.com/ingot-k8s/ingot/internal/need"
)

// Variables of the environment: Terraform, and a filesystem mirror of providers
// (Terraform, "Provider Installation").
const (
	terraformVariable = "INGOT_TEST_TERRAFORM"
	providersVariable = "INGOT_TEST_TERRAFORM_PROVIDERS"
)

// program is the path of Terraform.
func program(t *testing.T) string {
	t.Helper()
	path := os.Getenv(terraformVariable)
	if path == "" {
		t.Skipf("needs Terraform: make e2e-terraform sets %s", terraformVariable)
	}
	path, err := filepath.Abs(path)
	check(t, err)
	return path
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	check(t, err)
	return string(data)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	check(t, os.MkdirAll(filepath.Dir(path), 0o755))
	check(t, os.WriteFile(path, []byte(text), 0o600))
}

// world is a folder with a definition, what Ingot makes of it, and a root
// module that uses one of deploy/terraform.
type world struct {
	dir, name   string
	destination string
	terraform   string
	environ     []string
}

// newWorld makes a folder in which Terraform finds its providers and nothing of
// the network.
func newWorld(t *testing.T, name, destination string, environ map[string]string) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), name: name, destination: destination, terraform: program(t)}
	providers := os.Getenv(providersVariable)
	if providers == "" {
		t.Skipf("needs the providers: make e2e-terraform sets %s", providersVariable)
	}
	providers, err := filepath.Abs(providers)
	check(t, err)
	rc := filepath.Join(w.dir, "terraform.rc")
	write(t, rc, "provider_installation {\n  filesystem_mirror {\n    path = \""+providers+"\"\n  }\n}\n")
	w.environ = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + w.dir, "TF_CLI_CONFIG_FILE=" + rc, "CHECKPOINT_DISABLE=1", "TF_IN_AUTOMATION=1", "TF_INPUT=0",
	}
	for k, v := range environ {
		w.environ = append(w.environ, k+"="+v)
	}
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(w.dir, "config")) // of the key store's age identity
	write(t, filepath.Join(w.root(), "main.tf"), rootModule(t, name, destination))
	return w
}

// rootModule is the one that the how-to shows, with the places of a test.
func rootModule(t *testing.T, name, destination string) string {
	t.Helper()
	source := need.Source(t)
	module := "deploy/terraform/" + destination
	for _, m := range regexp.MustCompile("(?ms)^```hcl\n(.*?)^```").FindAllStringSubmatch(read(t, filepath.Join(source, "docs", "how-to", "terraform.md")), -1) {
		if strings.Contains(m[1], module) {
			return strings.NewReplacer("../../../out/prod", "../out/"+name, "../../../"+module, filepath.Join(source, module)).Replace(m[1])
		}
	}
	t.Fatalf("the how-to has no root module for %s", destination)
	return ""
}

func (w *world) root() string { return filepath.Join(w.dir, "root") }
func (w *world) out() string  { return filepath.Join(w.dir, "out", w.name) }

// ingot runs Ingot's command line.
func (w *world) ingot(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append(args, "--clusters", filepath.Join(w.dir, "clusters"), "--out", filepath.Join(w.dir, "out"))
	if status := cli.Run(t.Context(), strings.NewReader(""), &stdout, &stderr, args); status != 0 {
		t.Fatalf("ingot %q: status %d\n%s", args, status, &stderr)
	}
	return stdout.String()
}

// run runs Terraform in the root module, and gives its status and output.
func (w *world) run(t *testing.T, args ...string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, w.terraform, args...)
	cmd.Dir, cmd.Env = w.root(), w.environ
	cmd.WaitDelay = time.Minute
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	output, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(output)
}

// ok runs Terraform, and wants it to work.
func (w *world) ok(t *testing.T, args ...string) string {
	t.Helper()
	status, output := w.run(t, args...)
	if status != 0 {
		t.Fatalf("terraform %q: status %d\n%s", args, status, output)
	}
	return output
}

// fails runs Terraform, and wants an error with these words.
func (w *world) fails(t *testing.T, words string, args ...string) {
	t.Helper()
	status, output := w.run(t, args...)
	text := strings.Join(strings.Fields(output), " ") // it breaks lines anywhere
	if status == 0 || !strings.Contains(text, words) {
		t.Errorf("terraform %q: status %d, want %q\n%s", args, status, words, output)
	}
}

// forgotten are attributes that the simulator of a vCenter does not keep.
var forgotten = []string{"swap_placement_policy"}

// unchanged wants a plan that has nothing to do.
func (w *world) unchanged(t *testing.T, args ...string) {
	t.Helper()
	w.ok(t, append([]string{"plan", "-no-color", "-out", "plan"}, args...)...)
	var plan struct {
		Changes []struct {
			Address string
			Change  struct {
				Actions       []string
				Before, After map[string]any
			}
		} `json:"resource_changes"`
	}
	check(t, json.Unmarshal([]byte(w.ok(t, "show", "-json", "plan")), &plan))
	if len(plan.Changes) == 0 {
		t.Fatal("the plan has no resource")
	}
	for _, c := range plan.Changes {
		switch action := strings.Join(c.Change.Actions, " "); action {
		case "no-op", "read":
		case "update":
			for key, value := range c.Change.After {
				if !reflect.DeepEqual(value, c.Change.Before[key]) && !slices.Contains(forgotten, key) {
					t.Errorf("a plan changes %s of %s: %v, want %v", key, c.Address, value, c.Change.Before[key])
				}
			}
		default:
			t.Errorf("a plan has %s for %s", action, c.Address)
		}
	}
}

// output is one of the root module's.
func (w *world) output(t *testing.T, name string) map[string]string {
	t.Helper()
	var all map[string]struct{ Value map[string]string }
	check(t, json.Unmarshal([]byte(w.ok(t, "output", "-json")), &all))
	return all[name].Value
}

// wantNoKey looks for private keys in all that Terraform keeps, plans included.
func (w *world) wantNoKey(t *testing.T) {
	t.Helper()
	look := func(name string, data []byte) {
		for _, word := range []string{"PRIVATE KEY", "UFJJVkFURSBLRV"} { // also in base64, at one of its offsets
			if bytes.Contains(data, []byte(word)) {
				t.Errorf("%s holds a private key", name)
			}
		}
	}
	check(t, filepath.WalkDir(w.root(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		look(path, data)
		if archive, bad := zip.NewReader(bytes.NewReader(data), int64(len(data))); bad == nil {
			for _, f := range archive.File {
				r, err := f.Open()
				check(t, err)
				data, err := io.ReadAll(r)
				check(t, err)
				look(path+" "+f.Name, data)
			}
		}
		return err
	}))
}

// bake writes what a bake leaves in out/, with a file for the disk.
func (w *world) bake(t *testing.T, id string, format builder.Format, data []byte) {
	t.Helper()
	c, _, err := cluster.Load(filepath.Join(w.dir, "clusters", w.name, "cluster.yaml"))
	check(t, err)
	definition, err := builder.DefinitionSum(c)
	check(t, err)
	sum := sha256.Sum256(data)
	out := builder.Output{Name: w.name + "-" + id + "." + string(format), Format: format, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(data))}
	m := &builder.Manifest{
		Format: builder.ManifestFormat, Cluster: w.name, ID: id, Date: time.Unix(1e9, 0).UTC(), Targets: c.Def.Image.Targets,
		Inputs: builder.Inputs{Definition: definition}, Files: []builder.Output{out},
	}
	text, err := m.Encode()
	check(t, err)
	write(t, filepath.Join(w.out(), "images", builder.ManifestFile), string(text))
	write(t, filepath.Join(w.out(), "images", out.Name), string(data))
}

// TestFormat has Terraform check the format of all modules.
func TestFormat(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), program(t), "fmt", "-check", "-diff", "-recursive", filepath.Join(need.Source(t), "deploy", "terraform"))
	cmd.Env = []string{"CHECKPOINT_DISABLE=1", "HOME=" + t.TempDir()}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
