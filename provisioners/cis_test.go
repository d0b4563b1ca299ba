package provisioners_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"go.yaml.in/yaml/v3"
)

// state is what becomes of a control.
type state string

const (
	met       state = "met"
	otherwise state = "met in another way"
	refused   state = "not followed"    // with a reason
	yours     state = "yours to decide" // what runs in the cluster, or who uses it, decides
	absent    state = "does not apply"
)

// control is one of the CIS Kubernetes Benchmark, in our own words.
type control struct {
	id, asks string
	state    state
	how      string // what is there, and why
	check    func(*controller) error
	onNode   bool // the cluster test looks at a running machine as well
}

// controls are those of the control plane, etcd and nodes.
func controls() []control {
	var out []control
	for _, section := range [][]control{controlPlaneFiles(), apiServerControls(), managers(), etcdControls(), configuration(), nodeFiles(), kubeletControls()} {
		out = append(out, section...)
	}
	return out
}

// TestCIS holds what the image and an identity have against every control that
// a file can show, and the reference against the list.
func TestCIS(t *testing.T) {
	text := `apiVersion: ingot/v1
kind: Cluster
name: cis
domain: cis.example.com
nodes:
  - {name: a0, roles: [controller, worker], address: 192.0.2.1}
`
	m := newController(t, text)
	automated, seen := map[state]int{}, map[string]bool{}
	counts := map[state]int{}
	rows := ""
	for _, c := range controls() {
		if seen[c.id] {
			t.Errorf("%s is there twice", c.id)
		}
		seen[c.id] = true
		counts[c.state]++
		shown := "–"
		if c.check != nil {
			automated[c.state]++
			shown = "`TestCIS/" + c.id + "`"
			t.Run(c.id, func(t *testing.T) {
				if err := c.check(m); err != nil {
					t.Errorf("%s: %v", c.asks, err)
				}
			})
		}
		if c.onNode {
			shown = strings.TrimPrefix(shown+", `TestCluster/access`", "–, ")
		}
		if c.state == "" || c.asks == "" || (c.state != met && c.how == "") {
			t.Errorf("%s: nothing is said of it", c.id)
		}
		rows += fmt.Sprintf("| %s | %s | %s | %s | %s |\n", c.id, c.asks, c.state, c.how, shown)
	}
	table := "\n| control | asks for | state | how | shown by |\n| --- | --- | --- | --- | --- |\n" + rows
	summary := fmt.Sprintf("\nOf %d controls, ", len(seen))
	checked := 0
	for _, s := range []state{met, otherwise, refused, yours, absent} {
		summary += fmt.Sprintf("%d %s, ", counts[s], map[state]string{
			met: "are met", otherwise: "are met in another way", refused: "are not followed, with a reason", yours: "are yours to decide", absent: "do not apply",
		}[s])
		checked += automated[s]
	}
	summary = strings.TrimSuffix(summary, ", ") + fmt.Sprintf(".\nTests hold %d of them on every run.\n", checked)
	golden.Section(t, "../docs/reference/cis.md", "<!-- cis: written by go test ./provisioners -update -->", "<!-- end of cis -->", summary+table)
}

// controller is all that a controller's machine has: the image's layers, and
// its identity.
type controller struct {
	units    map[string]string
	entries  map[string]layer.Entry
	identity map[string]ignition.File
	kubelet  map[string]any
}

func newController(t *testing.T, definition string) *controller {
	t.Helper()
	c := parse(t, definition)
	store, err := pki.Open(c, pki.Options{ConfigDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Ensure(context.Background(), pki.EnsureOptions{}); err != nil {
		t.Fatal(err)
	}
	material, err := store.Material(c.Nodes[0].Name)
	if err != nil {
		t.Fatal(err)
	}
	id, err := ignition.New(c, &c.Nodes[0], material, nil)
	if err != nil {
		t.Fatal(err)
	}
	pub, err := store.Public()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := provisioners.All(c, pub)
	if err != nil {
		t.Fatal(err)
	}
	m := &controller{units: map[string]string{}, entries: map[string]layer.Entry{}, identity: map[string]ignition.File{}}
	for _, f := range id.Files {
		m.identity[f.Path] = f
	}
	for _, l := range layers {
		for _, u := range l.Units {
			m.units[u.Name] = u.Content
		}
		entries, err := l.Entries()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			m.entries[e.Path] = e
		}
	}
	if err := yaml.Unmarshal(m.entries["/usr/lib/ingot/kubelet/config.yaml"].Content, &m.kubelet); err != nil {
		t.Fatal(err)
	}
	return m
}

func parse(t *testing.T, definition string) *cluster.Cluster {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cluster.yaml")
	if err := os.WriteFile(file, []byte(definition), 0o600); err != nil {
		t.Fatal(err)
	}
	return load(t, file)
}

// flagOf is one flag of a unit's command line.
var flagOf = regexp.MustCompile(`(?m)^    "?--([a-z0-9-]+)=(.*?)"?(?: \\)?$`)

// flag is the value of a flag of a service.
func (m *controller) flag(service, name string) (string, bool) {
	for _, f := range flagOf.FindAllStringSubmatch(m.units[service+".service"], -1) {
		if f[1] == name {
			return f[2], true
		}
	}
	return "", false
}

// allOf is met when all of the checks are.
func allOf(checks ...func(*controller) error) func(*controller) error {
	return func(m *controller) error {
		var errs []error
		for _, check := range checks {
			errs = append(errs, check(m))
		}
		return errors.Join(errs...)
	}
}

// given: a flag has a value, any if none is said.
func given(service, name string, values ...string) func(*controller) error {
	return func(m *controller) error {
		got, ok := m.flag(service, name)
		if !ok || got == "" {
			return fmt.Errorf("%s has no --%s", service, name)
		}
		for _, want := range values {
			if got != want {
				return fmt.Errorf("%s has --%s=%s, not %q", service, name, got, want)
			}
		}
		return nil
	}
}

// notGiven: a flag is not there.
func notGiven(service, name string) func(*controller) error {
	return func(m *controller) error {
		if _, ok := m.flag(service, "secure-port"); !ok && service != "kubelet" && service != "kube-proxy" {
			return fmt.Errorf("%s has no flags at all", service)
		}
		if got, ok := m.flag(service, name); ok {
			return fmt.Errorf("%s has --%s=%s", service, name, got)
		}
		return nil
	}
}

// lists: a flag's list has an element, or with not does not have it.
func lists(service, name, element string, not bool) func(*controller) error {
	return func(m *controller) error {
		got, _ := m.flag(service, name)
		if found := strings.Contains(","+got+",", ","+element+","); found == not {
			return fmt.Errorf("%s has --%s=%s", service, name, got)
		}
		return nil
	}
}

// says: a unit has a line.
func says(unit, line string) func(*controller) error {
	return func(m *controller) error {
		if !strings.Contains("\n"+m.units[unit], "\n"+line+"\n") {
			return fmt.Errorf("%s does not say %s", unit, line)
		}
		return nil
	}
}

// shipped: a file of the image is root's, nobody else writes it, and it has no
// secret. Its file system is read-only and verified.
func shipped(at string) func(*controller) error {
	return func(m *controller) error {
		e, ok := m.entries[at]
		root := (e.User == "" || e.User == "root") && (e.Group == "" || e.Group == "root")
		switch {
		case !ok:
			return fmt.Errorf("there is no %s", at)
		case !root || e.Mode.Perm()&0o022 != 0:
			return fmt.Errorf("%s is %v of %s:%s", at, e.Mode, e.User, e.Group)
		case bytes.Contains(e.Content, []byte("PRIVATE KEY")) || bytes.Contains(e.Content, []byte("client-key-data")):
			return fmt.Errorf("%s has a key", at)
		}
		return nil
	}
}

// unitShipped is shipped for a unit.
func unitShipped(name string) func(*controller) error {
	return shipped("/usr/lib/systemd/system/" + name)
}

// brought: the identity's files of a pattern are there, with no more rights
// than these and of this owner.
func brought(pattern string, most fs.FileMode, owner string) func(*controller) error {
	return func(m *controller) error {
		found := 0
		for at, f := range m.identity {
			if ok, err := path.Match(pattern, at); err != nil || !ok {
				continue
			}
			found++
			if f.Mode&^most != 0 || strings.TrimPrefix(f.Owner, "?") != owner {
				return fmt.Errorf("%s is %v of %s", at, f.Mode, f.Owner)
			}
		}
		if found == 0 {
			return fmt.Errorf("the identity has no %s", pattern)
		}
		return nil
	}
}

// nowhere: neither image nor identity has a file whose path contains a text.
func nowhere(text string) func(*controller) error {
	return func(m *controller) error {
		for at := range m.entries {
			if strings.Contains(at, text) {
				return fmt.Errorf("the image has %s", at)
			}
		}
		for at := range m.identity {
			if strings.Contains(at, text) {
				return fmt.Errorf("the identity has %s", at)
			}
		}
		return nil
	}
}

// contains: a file of the image or the identity matches.
func contains(at, pattern string) func(*controller) error {
	return func(m *controller) error {
		data := m.entries[at].Content
		if f, ok := m.identity[at]; ok {
			data = f.Data
		}
		if !regexp.MustCompile(pattern).Match(data) {
			return fmt.Errorf("%s does not match %s", at, pattern)
		}
		return nil
	}
}

// kubelet: a setting of the kubelet, by the names that lead to it.
func kubelet(want any, names ...string) func(*controller) error {
	return func(m *controller) error {
		var at any = m.kubelet
		for _, name := range names {
			inner, _ := at.(map[string]any)
			at = inner[name]
		}
		if fmt.Sprint(at) != fmt.Sprint(want) {
			return fmt.Errorf("%s is %v, not %v", strings.Join(names, "."), at, want)
		}
		return nil
	}
}
