package tree

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/golden"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

func demo() layer.Layer {
	return layer.Layer{
		Name: "demo",
		Files: []layer.File{
			{Path: "/etc/secret/key.conf", Content: []byte("a\n"), User: "demo", Group: "web", Mode: 0o640},
			{Path: "/usr/share/doc/a/copyright", Content: []byte("ours\n")},
		},
		Folders: []layer.Folder{{Path: "/etc/demo", Mode: 0o700, User: "800"}},
		Units:   []layer.Unit{{Name: "demo.service", Content: "[Service]\n", WantedBy: []string{"x.target"}}, {Name: "b.service", Masked: true}},
		Users:   []layer.User{{Name: "demo", ID: 800, Comment: "Demo"}},
	}
}

func clusterOptions(t *testing.T, layers ...layer.Layer) ClusterOptions {
	t.Helper()
	x, _ := root(t)
	list, err := layer.Merge(layers...)
	if err != nil {
		t.Fatal(err)
	}
	users, err := layer.Users(layers...)
	if err != nil {
		t.Fatal(err)
	}
	return ClusterOptions{Root: x, Entries: list, Users: users, Date: date}
}

func TestCluster(t *testing.T) {
	_, data, err := cluster(t.Context(), clusterOptions(t, demo()))
	if err != nil {
		t.Fatal(err)
	}
	list, contents := read(t, data)
	golden.Check(t, filepath.Join("testdata", "cluster.golden"), []byte(list))
	for p, want := range map[string]string{
		"/etc/passwd":  "demo:x:800:800:Demo:/nonexistent:/usr/sbin/nologin\n",
		"/etc/group":   "demo:x:800:\n",
		"/etc/shadow":  "demo:!*:20777::::::\n",
		"/etc/gshadow": "demo:!*::\n",
	} {
		if !strings.HasPrefix(contents[p], "root:") || !strings.HasSuffix(contents[p], "\n"+want) {
			t.Errorf("%s: %q", p, contents[p])
		}
	}
}

// TestClusterFolders compares every folder of the cluster's tree with the
// root's, whose attributes it hides.
func TestClusterFolders(t *testing.T) {
	o := clusterOptions(t, demo())
	x, _, err := cluster(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, n := range x.Nodes {
		if old, ok := o.Root.Find(n.Path); ok && n.Kind == KindFolder {
			compared++
			if how := differs(old, n); how != "" {
				t.Errorf("%s: %s", n.Path, how)
			}
		}
	}
	if n, _ := x.Find("/etc/secret"); n.Mode != 0o2750 || n.UID != 101 || compared < 8 {
		t.Errorf("%d folders compared; /etc/secret: %+v", compared, n)
	}
}

func TestClusterOfNothing(t *testing.T) {
	_, data, err := cluster(t.Context(), clusterOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	if list, _ := read(t, data); list != "5 0755 0:0 ./\n" {
		t.Errorf("got %q", list)
	}
}

func TestClusterRefuses(t *testing.T) {
	for want, l := range map[string]layer.Layer{
		"user web (800): there is the":                         {Users: []layer.User{{Name: "web", ID: 800}}},
		`/etc/x: there is no user "demo"`:                      {Files: []layer.File{{Path: "/etc/x", User: "demo"}}},
		`/etc/x: there is no group "demo"`:                     {Files: []layer.File{{Path: "/etc/x", Group: "demo"}}},
		"/etc/secret is a folder in the base, and a file in a": {Files: []layer.File{{Path: "/etc/secret"}}},
		"/etc/secret is a folder in the base, and a link in a": {Links: []layer.Link{{Path: "/etc/secret", Target: "x"}}},
		"/usr/share/doc/b is a link in the base, and a folder": {Files: []layer.File{{Path: "/usr/share/doc/b/x"}}},
		"/etc/passwd is there already":                         {Files: []layer.File{{Path: "/etc/passwd"}}, Users: []layer.User{{Name: "demo", ID: 800}}},
	} {
		l.Name = "demo"
		_, _, err := cluster(t.Context(), clusterOptions(t, l))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestAccountsAreSound has Debian's own checkers read the accounts. They take
// shells, homes and a user's groups from the machine that they run on.
func TestAccountsAreSound(t *testing.T) {
	pwck, grpck := need.Tool(t, "pwck"), need.Tool(t, "grpck")
	o := clusterOptions(t, demo())
	x, _, err := cluster(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	broken := *x.Accounts
	broken.Shadow = strings.ReplaceAll(broken.Shadow, "demo:", "other:")
	broken.Gshadow = strings.ReplaceAll(broken.Gshadow, "demo:", "other:")
	for name, tt := range map[string]struct {
		*Accounts
		sound bool
	}{"sound": {x.Accounts, true}, "broken": {&broken, false}} {
		dir := t.TempDir()
		for _, f := range tt.files() {
			if err := os.WriteFile(filepath.Join(dir, filepath.Base(f.path)), []byte(*f.text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		users := exec.Command(pwck, "-q", "-r", "passwd", "shadow")
		groups := exec.Command(grpck, "-r", "group", "gshadow")
		for _, cmd := range []*exec.Cmd{users, groups} {
			cmd.Dir = dir
			said, err := cmd.CombinedOutput()
			t.Logf("%s: %v: %v: %s", name, cmd.Args, err, said)
			complains := regexp.MustCompile(`no matching|invalid|duplicate|add user|delete line`).Match(said)
			if complains == tt.sound {
				t.Errorf("%s: %v: %s", name, cmd.Args, said)
			}
		}
	}
}
