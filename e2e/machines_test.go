// Package e2e_test brings up what a cluster is made of, from nothing but the
// config ISOs that the command line writes.
package e2e_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/cli"
	"github.com/ingot-k8s/ingot/internal/need"
)

// machines makes a cluster from a definition as a person does, and gives every
// node a root folder with the files of its identity in it.
func machines(t *testing.T, name, definition string) (*cluster.Cluster, []*node) {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "clusters", name, "cluster.yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(definition), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CONFIG_HOME", dir)
	var said bytes.Buffer
	args := []string{"iso", name, "--clusters", filepath.Join(dir, "clusters"), "--out", filepath.Join(dir, "out")}
	if status := cli.Run(t.Context(), nil, &said, &said, args); status != 0 {
		t.Fatalf("ingot iso: exit status %d: %s ", status, said.String())
	}
	c, _, err := cluster.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	var nodes []*node
	for i := range c.Nodes {
		n := &c.Nodes[i]
		root := filepath.Join(dir, "roots", n.Name)
		unpack(t, filepath.Join(dir, "out", name, "nodes", n.Name, "config.iso"), root)
		nodes = append(nodes, &node{Node: n, name: n.Name, cluster: c, root: root, ip: need.Tool(t, "ip"), ctx: t.Context()})
	}
	return c, nodes
}

// unpack puts the files of a config ISO's bundle below root. That the engine
// and the unpacker on the machine do the same is tested where they are made.
func unpack(t *testing.T, iso, root string) {
	t.Helper()
	bundle := filepath.Join(t.TempDir(), "identity.bundle")
	cmd := exec.CommandContext(t.Context(), need.Tool(t, "xorriso"), "-osirrox", "on", "-indev", iso, "-extract", "/ingot/identity.bundle", bundle)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("taking the bundle out of %s: %v: %s", iso, err, out)
	}
	data, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	files, err := ignition.ReadBundle(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		path := filepath.Join(root, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
}
