package ignition_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/pki"
)

// TestNewRefuses changes one thing at a time that an identity is made of.
func TestNewRefuses(t *testing.T) {
	type parts struct {
		cluster  cluster.Cluster
		node     cluster.Node
		material pki.Material
		peers    ignition.MeshPeers
	}
	extra := func(f cluster.File) func(*parts) {
		return func(p *parts) { p.node.Spec.Files = []cluster.File{f} }
	}
	dir := t.TempDir()
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		spoil func(*parts)
		want  string
	}{
		"no mesh key":        {func(p *parts) { p.material.Mesh = pki.MeshKey{} }, `mesh key of "master0" is missing`},
		"no peer":            {func(p *parts) { p.peers = ignition.MeshPeers{} }, `public mesh key of "master1" is missing`},
		"peer without a key": {func(p *parts) { p.peers = ignition.MeshPeers{"master1": []byte("x")} }, "not one PEM block of type RSA PUBLIC KEY"},
		"private for public": {func(p *parts) { p.peers = ignition.MeshPeers{"master1": p.material.Mesh.PrivatePEM} }, "not one PEM block of type RSA PUBLIC KEY"},
		"no authority":       {func(p *parts) { p.material.CAs = nil }, `certificate of authority "kubernetes" is missing`},
		"no key":             {func(p *parts) { p.material.Credentials[2].KeyPEM = nil }, "without its certificate or its key"},
		"no account key":     {func(p *parts) { p.material.ServiceAccountKeyPEM = nil }, "service account key is missing"},
		"no encryption key":  {func(p *parts) { p.material.EncryptionKey = nil }, "encryption key has 0 bytes (32)"},
		"wrong authority": {func(p *parts) {
			for i := range p.material.Credentials {
				p.material.Credentials[i].Authority = pki.Etcd
			}
		}, `is of authority "etcd"`},
		"our file":          {extra(cluster.File{Path: "/etc/hostname", Content: "x"}), `file "/etc/hostname" is there twice`},
		"our script":        {extra(cluster.File{Path: "/etc/ingot/unpack", Content: "x"}), "is the identity's own"},
		"relative":          {extra(cluster.File{Path: "x", Content: "x"}), "path is not absolute"},
		"outside":           {extra(cluster.File{Path: "/etc/../x", Content: "x"}), "empty parts"},
		"a folder":          {extra(cluster.File{Path: "/etc/x/", Content: "x"}), "slash at the end"},
		"two lines":         {extra(cluster.File{Path: "/etc/x\nf 4755 root:root /bin/x", Content: "x"}), "control characters"},
		"space at the end":  {extra(cluster.File{Path: "/etc/x ", Content: "x"}), "space at the end"},
		"mode":              {extra(cluster.File{Path: "/etc/x", Mode: "1777", Content: "x"}), `mode "1777" is not octal`},
		"owner":             {extra(cluster.File{Path: "/etc/x", Owner: "a b", Content: "x"}), `owner "a b" is not a user`},
		"owner, option":     {extra(cluster.File{Path: "/etc/x", Owner: "--help", Content: "x"}), `owner "--help" is not a user`},
		"source, missing":   {extra(cluster.File{Path: "/etc/x", Source: "none"}), "none"},
		"source, link":      {extra(cluster.File{Path: "/etc/x", Source: "link"}), "symbolic link"},
		"source, a folder":  {extra(cluster.File{Path: "/etc/x", Source: "."}), "folder"},
		"source, a device":  {extra(cluster.File{Path: "/etc/x", Source: "/dev/zero"}), "device"},
		"our unit":          {func(p *parts) { p.node.Spec.Units = []cluster.Unit{{Name: "ingot-identity.service"}} }, "is the identity's own"},
		"two units":         {func(p *parts) { p.node.Spec.Units = []cluster.Unit{{Name: "a.service"}, {Name: "a.service"}} }, `unit "a.service" is there twice`},
		"two files at once": {func(p *parts) { p.node.Spec.Files = []cluster.File{{Path: "/x"}, {Path: "/x"}} }, `file "/x" is there twice`},
	} {
		t.Run(name, func(t *testing.T) {
			w := shipped(t, "prod")
			n, _ := w.cluster.Node("master0")
			p := parts{*w.cluster, *n, *w.material["master0"], w.peers}
			p.cluster.Dir = dir
			p.material.Credentials = slices.Clone(p.material.Credentials)
			tc.spoil(&p)
			_, err := ignition.New(&p.cluster, &p.node, &p.material, p.peers)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), `identity of node "master0": `) {
				t.Errorf("got %v, want an error about %q", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "PRIVATE KEY") {
				t.Error("the error shows a key")
			}
		})
	}
}

// A file of the definition may come from a file beside it.
func TestSource(t *testing.T) {
	w := shipped(t, "prod")
	c, n := *w.cluster, w.cluster.Nodes[4]
	c.Dir = t.TempDir()
	data := []byte{0, 1, 2, 0xff}
	if err := os.WriteFile(filepath.Join(c.Dir, "blob"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	n.Spec.Files = []cluster.File{{Path: "/opt/blob", Source: "blob", Mode: "0400", Owner: "daemon"}}
	id, err := ignition.New(&c, &n, w.material[n.Name], w.peers)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ignition.File{Path: "/opt/blob", Mode: 0o400, Owner: "daemon:daemon", Data: data}, file(t, id, "/opt/blob")); diff != "" {
		t.Errorf("(-want +got) %s", diff)
	}
}

// Where the image carries what is common, an identity has only the node's own.
func TestNotCommon(t *testing.T) {
	w := every(t)
	c, no := *w.cluster, false
	c.Def.Identity.Common = &no
	n, _ := c.Node("ctl-1")
	id, err := ignition.New(&c, n, w.material["ctl-1"], nil)
	if err != nil {
		t.Fatal(err)
	}
	whole := w.identity(t, "ctl-1")
	var missing []string
	for _, f := range whole.Files {
		if !slices.ContainsFunc(id.Files, func(g ignition.File) bool { return g.Path == f.Path }) {
			missing = append(missing, f.Path)
		}
	}
	want := []string{"/etc/app/shared.conf", "/etc/motd", "/etc/tinc/vpn0/hosts/edge_1", "/etc/tinc/vpn0/hosts/w1"}
	if diff := cmp.Diff(want, missing); diff != "" || len(id.Units) != 1 || id.Units[0].Name != "one.timer" {
		t.Errorf("left out (-want +got) %s; units %v", diff, id.Units)
	}
}

// node.json can be read back with the type that documents it.
func TestFactsFile(t *testing.T) {
	for _, id := range identities(t) {
		w := shipped(t, id.Cluster)
		n, _ := w.cluster.Node(id.Node)
		var got ignition.Facts
		d := json.NewDecoder(strings.NewReader(string(file(t, id, "/etc/ingot/node.json").Data)))
		d.DisallowUnknownFields()
		if err := d.Decode(&got); err != nil {
			t.Fatal(err)
		}
		want, err := json.Marshal(ignition.FactsOf(w.cluster, n))
		if err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(got)
		if err != nil || string(again) != string(want) {
			t.Errorf("%s: got %s, want %s (%v)", id.Node, again, want, err)
		}
	}
}

// node.env means the same to a shell and to systemd, whatever is in it.
func TestEnvFile(t *testing.T) {
	values := [][2]string{{"A", "plain"}, {"B", `"q" $HOME \ ` + "`id`"}, {"C", ""}, {"D", "a,b=c d"}}
	text := ignition.EnvFile("X_", values)
	path := filepath.Join(t.TempDir(), "env")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, v := range values {
		out, err := exec.Command(need.Tool(t, "dash"), "-c", `. "$1"; eval "printf %s \"\$X_$2\""`, "sh", path, v[0]).CombinedOutput()
		if err != nil || string(out) != v[1] {
			t.Errorf("%s: got %q, want %q (%v)", v[0], out, v[1], err)
		}
	}
}

// What Butane or Ignition has anything to say about is an error.
func TestStrict(t *testing.T) {
	id := *shipped(t, "prod").identity(t, "worker9")
	for name, tc := range map[string]struct {
		unit ignition.Unit
		want string
	}{
		"name":    {ignition.Unit{Name: "x.nothing", Content: "[Service]\n"}, "invalid systemd unit"},
		"enabled": {ignition.Unit{Name: "x.service", Enabled: true, Content: "[Service]\nExecStart=/bin/true\n"}, "no install section"},
		"content": {ignition.Unit{Name: "x.service", Content: "[Service\n"}, "invalid unit content"},
	} {
		t.Run(name, func(t *testing.T) {
			id.Units = []ignition.Unit{tc.unit}
			if _, err := ignition.Outputs(&id); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error about %q", err, tc.want)
			}
		})
	}
	id.Units, id.Provisioning = nil, "carrier pigeon"
	if _, err := ignition.Outputs(&id); err == nil || !strings.Contains(err.Error(), `"carrier pigeon" (ignition, cloud-init)`) {
		t.Errorf("got %v", err)
	}
}

// systemd itself reads the unit.
func TestUnit(t *testing.T) {
	out, err := exec.Command(need.Tool(t, "systemd-analyze"), "verify", "--man=no", "./ingot-identity.service").CombinedOutput()
	if err != nil || strings.Contains(string(out), "ingot-identity") {
		t.Errorf("%v: %s", err, out)
	}
}
