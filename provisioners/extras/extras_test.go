package extras_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/extras"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

func of(c *cluster.Cluster) layer.Layer { return sample.Must(extras.Layer(c)) }

func TestLayer(t *testing.T) { sample.Golden(t, of) }

const more = `files:
  - {path: /etc/app.conf, mode: "0640", owner: "app:adm", content: "etc\n"}
  - {path: /opt/app/run, mode: "0755", content: "#!/bin/sh\n"}
  - {path: /root/.profile, mode: "0600", content: "profile\n"}
  - {path: /usr/local/bin/tool, owner: "1000", content: "tool\n"}
  - {path: /var/lib/app/seed, content: "seed\n"}
units:
  - name: app.service
    enabled: true
    content: |
      [Unit]
      Description=App
      WantedBy=wrong.target
      [Service]
      ExecStart=/opt/app/run
      [Install]
      WantedBy=gone.target
      WantedBy=
      WantedBy=multi-user.target \
        graphical.target
      # WantedBy=comment.target
      RequiredBy=app.target
      Alias=other.service
  - {name: off.service, content: "[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"}
`

func TestUnits(t *testing.T) {
	entries, err := of(sample.Parse(t, more)).Entries()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if e.Target != "" {
			got = append(got, strings.TrimPrefix(e.Path, "/usr/lib/systemd/system/")+" -> "+e.Target)
		}
	}
	want := []string{
		"app.target.requires/app.service -> ../app.service", "graphical.target.wants/app.service -> ../app.service",
		"multi-user.target.wants/app.service -> ../app.service", "other.service -> app.service",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestState has systemd-tmpfiles put files in their places.
func TestState(t *testing.T) {
	need.Root(t)
	tool := need.Tool(t, "systemd-tmpfiles")
	l := of(sample.Parse(t, more))
	root := t.TempDir()
	for _, f := range l.Files {
		at := filepath.Join(root, f.Path)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, f.Content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if out, err := exec.Command(tool, "--root="+root, "--create", "ingot-extras.conf").CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	for path, want := range map[string]string{
		"/var/opt/app/run": "-rwxr-xr-x", "/var/roothome/.profile": "-rw-------", "/var/usrlocal/bin/tool": "-rw-r--r--", "/var/lib/app/seed": "-rw-r--r--",
	} {
		info, err := os.Stat(filepath.Join(root, path))
		if err != nil || info.Mode().String() != want || info.Size() == 0 {
			t.Errorf("%s: %v, want mode %s", path, err, want)
		}
	}
}

func TestPackages(t *testing.T) {
	c := sample.Cluster(t, "lab")
	c.Def.Image.Packages = []string{"strace"}
	if l := of(c); !slices.Equal(l.Packages, []string{"strace"}) {
		t.Errorf("got %q", l.Packages)
	}
}

func TestLayerRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"source": {`content: "etc\n"`, `source: none.conf`, `files[0]: file "/etc/app.conf": `},
		"space":  {`/var/lib/app/seed`, `/var/lib/my app/seed`, "files[4]: "},
		"mode":   {`"0640"`, `"0000"`, "files[0]: "},
		"path":   {`RequiredBy=app.target`, `RequiredBy=../../x.target`, `units[0]: unit "app.service": "../../x.target"`},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(more, c.old, c.new, 1)
			if text == more {
				t.Fatal("nothing was changed")
			}
			bad := sample.Parse(t, more)
			if name == "source" { // the definition is refused where it is missing; this is one that went away since
				bad.Def.Files[0].Source, bad.Def.Files[0].Content = "none.conf", ""
			} else {
				bad = sample.Parse(t, text)
			}
			if _, err := extras.Layer(bad); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
