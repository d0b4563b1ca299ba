package cluster_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// problems loads a small definition with more in it and gives its report as text.
func problems(more string) string {
	var r diag.Report
	_, err := cluster.Parse("/nonexistent/cluster.yaml", definition([]string{"a"}, 0, more), nil, &r)
	if err != nil {
		return err.Error()
	}
	return ""
}

// TestOwnThingsAreRefused: every entry of the tables of what belongs to Ingot.
func TestOwnThingsAreRefused(t *testing.T) {
	refused := func(more string) {
		t.Helper()
		if got := problems(more); !strings.Contains(got, "refused") && !strings.Contains(got, "is a unit of Ingot") {
			t.Errorf("%s\nis accepted: %q", more, got)
		}
	}
	for _, component := range []string{"apiserver", "controllerManager", "scheduler", "proxy", "kubelet"} {
		flags := cluster.OwnFlags(component)
		if len(flags) < 5 || !slices.IsSorted(flags) {
			t.Errorf("flags of %s: %v; want them sorted", component, flags)
		}
		for _, flag := range flags {
			refused(fmt.Sprintf("kubernetes: {extraArgs: {%s: {%s: x}}}\n", component, flag))
		}
	}
	for _, p := range cluster.OwnPaths() {
		if path.Clean(p) != p || !path.IsAbs(p) {
			t.Errorf("%s is not a clean absolute path", p)
		}
		refused(fmt.Sprintf("files: [{path: %s, content: x}]\n", p))
		refused(fmt.Sprintf("files: [{path: %s/below, content: x}]\n", p))
		if got := problems(fmt.Sprintf("files: [{path: %sbeside, content: x}]\n", p)); strings.Contains(got, "refused") {
			t.Errorf("a path beside %s: %s", p, got)
		}
	}
	for _, unit := range append(cluster.OwnUnits(), "ingot.service", "ingot-controller.target", "tinc@other.service") {
		refused(fmt.Sprintf("units: [{name: %s, content: \"[Unit]\"}]\n", unit))
		refused(fmt.Sprintf("files: [{path: /etc/systemd/system/%s, content: \"[Unit]\"}]\n", unit))
		if got := problems(fmt.Sprintf("files: [{path: /etc/systemd/system/%s.d/10-mine.conf, content: \"[Unit]\"}]\n", unit)); got != "" {
			t.Errorf("a drop-in for %s: %s", unit, got)
		}
	}
	for _, flag := range cluster.OwnFlags("nothing") {
		t.Errorf("a component that is not there has the flag %s", flag)
	}
}

// TestTablesAreCopies: a caller cannot change what is refused.
func TestTablesAreCopies(t *testing.T) {
	for name, table := range map[string]func() []string{
		"paths": cluster.OwnPaths, "units": cluster.OwnUnits,
		"flags": func() []string { return cluster.OwnFlags("kubelet") },
	} {
		table()[0] = "changed"
		if table()[0] == "changed" {
			t.Errorf("the table of %s can be changed from outside", name)
		}
	}
}

func TestDialable(t *testing.T) {
	c, _, err := cluster.Load("../clusters/prod/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range c.DialableNodes() {
		names = append(names, n.Name)
	}
	if got, want := strings.Join(names, " "), "master0 master1 master2 edge0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := c.EtcdClientURL(&c.Nodes[0]), "https://10.42.0.1:2379"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
