package provisioners_test

import (
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
)

// highestExposure is what systemd may measure of a unit of ours, of 10.
const highestExposure = 5.0

// exposed are the units that are above that, with what their measure may be,
// and why.
var exposed = map[string]struct {
	most float64
	why  string
}{
	"containerd.service": {9.6, "containers are its children: what it may not do, no container may, whatever the pod says. " +
		"It mounts, makes namespaces, devices and cgroups, and gives up rights per container"},
	"kubelet.service": {7.1, "it mounts volumes where containers see them, makes cgroups, and enters the namespaces of pods. " +
		"What it does not need is taken: clock, modules, raw devices, reboot, swap"},
}

// level is what systemd-analyze says of a unit.
var level = regexp.MustCompile(`Overall exposure level for (\S+): ([0-9.]+)`)

// TestExposure: systemd's measure of how much of the machine each service of
// ours sees is low, or it is said why not. The reference has the table. The
// measure itself is not there: it differs a little with the release of systemd.
func TestExposure(t *testing.T) {
	tool := need.Tool(t, "systemd-analyze")
	c := load(t, clusters[1])
	c.Def.Access.SSHKeys = []string{"ssh-ed25519 AAAA someone"}
	c.Dir, c.Def.Edge = "../cluster/testdata/good", cluster.Edges{FloatingAddress: "198.51.100.100", Hook: "hooks/floating-address"}
	root := t.TempDir()
	dir := filepath.Join(root, "usr/lib/systemd/system")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	argv := []string{"security", "--offline=true", "--no-pager", "--root=" + root}
	type service struct{ layer, name, description string }
	var services []service
	for _, l := range all(t, c) {
		for _, u := range l.Units {
			if u.Content == "" || !strings.HasSuffix(u.Name, ".service") {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, u.Name), []byte(u.Content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, description, _ := strings.Cut(u.Content, "Description=")
			description, _, _ = strings.Cut(description, "\n")
			services = append(services, service{l.Name, u.Name, description})
			argv = append(argv, u.Name)
		}
	}
	if len(services) < 20 {
		t.Fatalf("%d services", len(services))
	}
	out, _ := osexec.Command(tool, argv...).CombinedOutput() // what it says is looked at
	levels := map[string]float64{}
	for _, m := range level.FindAllStringSubmatch(string(out), -1) {
		measure, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			t.Fatal(err)
		}
		levels[strings.Replace(m[1], "@i.", "@.", 1)] = measure
	}
	rows := "\n| unit | layer | what it is | exposure |\n| --- | --- | --- | --- |\n"
	for _, s := range services {
		most, text := highestExposure, fmt.Sprintf("at most %.1f", highestExposure)
		if e, ok := exposed[s.name]; ok {
			most, text = e.most, fmt.Sprintf("at most %.1f: %s", e.most, e.why)
		}
		measure, ok := levels[s.name]
		if !ok || measure > most {
			t.Errorf("%s: exposure %v, at most %v is accepted", s.name, measure, most)
		}
		if _, ok := exposed[s.name]; ok && measure <= highestExposure {
			t.Errorf("%s: exposure %v: it needs no reason any more", s.name, measure)
		}
		rows += fmt.Sprintf("| `%s` | %s | %s | %s |\n", s.name, s.layer, s.description, text)
	}
	golden.Section(t, "../docs/reference/units.md", "<!-- units: written by go test ./provisioners -update -->", "<!-- end of units -->", rows)
}
