package preflight

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/diag"
	"github.com/ingot-k8s/ingot/internal/golden"
)

const head = `apiVersion: ingot/v1
kind: Cluster
name: a
domain: a.example.com
`

const oneNode = "nodes: [{name: a, roles: [controller, worker], address: 192.0.2.1}]\n"

const key = "access: {sshKeys: [\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKwFW44jf15h8vmVho6LytQLxCUABghb9chAfLiOSyNC ops@example.com\"]}\n"

func load(t *testing.T, text string) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Parse("cluster.yaml", []byte(head+text), cluster.Indexes{}, &diag.Report{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// noise is text that does not get smaller, and is always the same.
func noise(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%x", sha256.Sum256([]byte{byte(i), byte(i >> 8)}))
	}
	return b.String()[:n]
}

// TestTargets has the findings of definitions as people see them.
func TestTargets(t *testing.T) {
	tests := []struct{ title, text string }{
		{"nothing to say", oneNode},
		{"every target, well defined", "image: {targets: [qemu, esxi, digitalocean, metal], packages: [firmware-linux-free]}\n" + key + oneNode},
		{"DigitalOcean without keys", "image:\n  targets: [qemu, digitalocean]\n" + oneNode},
		{"DigitalOcean and addresses", "image: {targets: [digitalocean]}\n" + key + `nodes:
  - {name: a, roles: [controller, worker], address: "2001:db8::1"}
  - name: b
    roles: [worker]
    network: {interfaces: [{name: eth0, addresses: [192.0.2.9/24], gateways: [192.0.2.1]}]}
  - {name: c, roles: [worker], network: {interfaces: [{name: eth0, dhcp: true}]}}
`},
		{"ESXi by default", "image: {targets: [esxi]}\n" + oneNode},
		{"ESXi with the cloud kernel", "image: {targets: [esxi], kernel: cloud}\n" + oneNode},
		{"ESXi with the generic kernel", "image: {targets: [esxi], kernel: generic}\n" + oneNode},
		{"metal", "image: {targets: [metal]}\n" + oneNode},
		{"consoles", "image: {targets: [digitalocean]}\nsystem: {kernelArgs: [console=ttyS1, console=hvc0, quiet]}\n" + key + oneNode},
		{"names of interfaces", "system: {kernelArgs: [net.ifnames=0]}\nnodes:\n" +
			"  - {name: a, roles: [controller, worker], address: 192.0.2.1, network: {interfaces: [{name: ens3, dhcp: true}]}}\n"},
		{"cloud-init told where to look", "provisioning: cloud-init\nsystem: {kernelArgs: [ds=nocloud]}\n" + oneNode},
		{"datasources", "provisioning: cloud-init\nimage: {targets: [qemu, digitalocean, esxi], kernel: generic}\n" + key +
			"files:\n  - path: /etc/cloud/cloud.cfg.d/98-mine.cfg\n    content: |\n      datasource_list: [ NoCloud, 'ConfigDrive' ]\n" + oneNode},
		{"datasource of one target", "provisioning: cloud-init\nimage: {targets: [qemu, digitalocean]}\n" + key +
			"files:\n  - {path: /etc/cloud/cloud.cfg.d/98-mine.cfg, content: \"datasource_list: [DigitalOcean]\"}\n" + oneNode},
		{"much for every node", "image: {targets: [digitalocean]}\n" + key +
			"files:\n  - {path: /etc/big, content: " + noise(80000) + "}\n" + oneNode},
		{"too much for every node", "image: {targets: [digitalocean]}\n" + key +
			"files:\n  - {path: /etc/big, content: " + noise(120000) + "}\n" + oneNode},
		{"too much, but in the image", "identity: {common: false}\nimage: {targets: [digitalocean]}\n" + key +
			"files:\n  - {path: /etc/big, content: " + noise(120000) + "}\n" + oneNode},
		{"too much for one node", "image: {targets: [esxi], kernel: generic}\nfiles: [{path: /etc/some, content: " + noise(40000) + "}]\nnodes:\n" +
			"  - {name: a, roles: [controller, worker], address: 192.0.2.1}\n" +
			"  - {name: b, roles: [worker], files: [{path: /etc/big, content: " + noise(90000) + "}]}\n"},
	}
	var got strings.Builder
	for _, tt := range tests {
		fmt.Fprintf(&got, "=== %s\n", tt.title)
		for _, p := range Targets(load(t, tt.text)).Problems {
			got.WriteString(p.String() + "\n")
		}
	}
	golden.Check(t, filepath.Join("testdata", "targets.txt"), []byte(got.String()))
}

// TestShippedClusters keeps the worked definitions free of errors.
func TestShippedClusters(t *testing.T) {
	for _, name := range []string{"prod", "lab"} {
		c, _, err := cluster.Load(filepath.Join("..", "..", "clusters", name, "cluster.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		if err := Targets(c).Err(); err != nil {
			t.Error(err)
		}
	}
}

// TestSourceFiles counts files beside the definition too.
func TestSourceFiles(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "big"), []byte(noise(120000)), 0o644); err != nil {
		t.Fatal(err)
	}
	text := head + "image: {targets: [digitalocean]}\n" + key + "files: [{path: /etc/big, source: big}]\n" + oneNode
	file := filepath.Join(dir, "cluster.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c, _, err := cluster.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := Targets(c).Err(); err == nil || !strings.Contains(err.Error(), "files and units take") {
		t.Errorf("got %v", err)
	}
}

// TestTargetLimit keeps what is said here and by "ingot iso" the same.
func TestTargetLimit(t *testing.T) {
	for target, want := range map[string]int{"qemu": 0, "metal": 0, "digitalocean": 65536, "esxi": 65280} {
		if got := ignition.TargetLimit(target); got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
}

func TestDisk(t *testing.T) {
	both, none := load(t, "image: {targets: [qemu, digitalocean]}\n"+key+oneNode), load(t, oneNode)
	for _, tt := range []struct {
		c    *cluster.Cluster
		size int64
		want string
	}{
		{both, 10 << 30, ""},
		{both, 10<<30 + 1, "cluster.yaml:5:25: image.targets[1]: warning: the disk has 10 GB, and the smallest Droplets have 10 GB: choose a plan with a larger disk"},
		{both, 100e9, "cluster.yaml:5:25: image.targets[1]: warning: the disk has 100 GB, and the smallest Droplets have 10 GB: choose a plan with a larger disk"},
		{both, 101e9, "cluster.yaml:5:25: image.targets[1]: the disk has 101 GB, and DigitalOcean takes at most 100 GB, uncompressed"},
		{none, 101e9, ""},
	} {
		got := ""
		for _, p := range Disk(tt.c, tt.size).Problems {
			got += p.String()
		}
		if got != tt.want {
			t.Errorf("%d bytes: got %s\nwant %s", tt.size, got, tt.want)
		}
	}
}

func TestUploadName(t *testing.T) {
	for _, tt := range [][3]string{
		{"digitalocean", "prod-1a.raw.gz", "prod-1a.img.gz"}, {"digitalocean", "prod.raw", "prod.img"}, {"digitalocean", "prod.qcow2", "prod.qcow2"},
		{"metal", "prod-1a.raw.gz", "prod-1a.raw.gz"},
	} {
		if got := UploadName(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s: %s becomes %s, not %s", tt[0], tt[1], got, tt[2])
		}
	}
}
