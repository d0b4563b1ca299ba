package sample

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// Kubernetes is the path of one of Kubernetes' commands. INGOT_TEST_KUBERNETES
// is a folder with them: they are not in Debian, and take minutes to compile.
func Kubernetes(t testing.TB, command string) string {
	t.Helper()
	dir := os.Getenv("INGOT_TEST_KUBERNETES")
	if dir == "" {
		t.Skip("INGOT_TEST_KUBERNETES does not name a folder with the commands of Kubernetes")
	}
	return filepath.Join(dir, command)
}

// helpFlag is a flag in what --help prints.
var helpFlag = regexp.MustCompile(`(?m)^ +(?:-[a-zA-Z], )?--([a-z0-9-]+)`)

// KnownFlags checks, for every cluster, that a command knows each flag that
// its unit passes.
func KnownFlags(t *testing.T, of func(*cluster.Cluster) layer.Layer, unit, name string) {
	t.Helper()
	out, err := command(Kubernetes(t, name), "--help")
	if err != nil {
		t.Fatalf("%s --help: %v: %s", name, err, out)
	}
	var known []string
	for _, m := range helpFlag.FindAllStringSubmatch(out, -1) {
		known = append(known, m[1])
	}
	for _, sample := range Names() {
		for _, f := range Flags(t, of(Cluster(t, sample)), unit) {
			if !slices.Contains(known, f) {
				t.Errorf("%s: %s does not know --%s", sample, name, f)
			}
		}
	}
}
