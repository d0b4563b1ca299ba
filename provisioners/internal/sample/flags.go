package sample

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// flag is one of a command line, with systemd's continuation before it.
var flag = regexp.MustCompile(`(?m)^    "?--([a-z0-9-]+)=(.*?)"?(?: \\)?$`)

// Flags are the names of the flags that a unit starts its program with, in
// their order.
func Flags(t testing.TB, l layer.Layer, unit string) []string {
	t.Helper()
	var names []string
	for _, u := range l.Units {
		if u.Name != unit {
			continue
		}
		for _, m := range flag.FindAllStringSubmatch(u.Content, -1) {
			names = append(names, m[1])
		}
	}
	if len(names) == 0 {
		t.Fatalf("layer %s has no unit %s with flags", l.Name, unit)
	}
	return names
}

// Value is the value of a unit's flag, as it stands there. The flag must be
// there once.
func Value(t testing.TB, l layer.Layer, unit, name string) string {
	t.Helper()
	var values []string
	for _, u := range l.Units {
		for _, m := range flag.FindAllStringSubmatch(u.Content, -1) {
			if u.Name == unit && m[1] == name {
				values = append(values, m[2])
			}
		}
	}
	if len(values) != 1 {
		t.Fatalf("%s has --%s %d times: %q", unit, name, len(values), values)
	}
	return values[0]
}

// OwnFlags checks, for every cluster, that each flag of a unit is there once,
// and is one of Ingot's own, of defaults that a definition may replace, or of
// the definition. component is the key in kubernetes.extraArgs.
func OwnFlags(t *testing.T, of func(*cluster.Cluster) layer.Layer, unit, component string, own []string, defaults ...string) {
	for _, name := range Names() {
		c := Cluster(t, name)
		given := extraArgs(c, component)
		flags := Flags(t, of(c), unit)
		for i, f := range flags {
			if slices.Contains(flags[:i], f) {
				t.Errorf("%s: --%s is there twice", name, f)
			}
			_, fromDefinition := given[f]
			if !slices.Contains(own, f) && !slices.Contains(defaults, f) && !fromDefinition {
				t.Errorf("%s: --%s is not one of cluster.OwnFlags(%q): a definition could set it, too", name, f, component)
			}
		}
		for f := range given {
			if !slices.Contains(flags, f) {
				t.Errorf("%s: --%s of the definition is missing in %s", name, f, strings.Join(flags, " "))
			}
		}
	}
}

func extraArgs(c *cluster.Cluster, component string) map[string]string {
	a := &c.Def.Kubernetes.ExtraArgs
	return map[string]map[string]string{
		"apiserver": a.APIServer, "controllerManager": a.ControllerManager, "scheduler": a.Scheduler,
		"proxy": a.Proxy, "kubelet": a.Kubelet,
	}[component]
}
