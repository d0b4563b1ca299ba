package layer

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/internal/golden"
)

// everything is a layer that has one of each.
func everything() Layer {
	return Layer{
		Name:    "demo",
		Files:   []File{{Path: "/etc/demo.conf", Content: []byte("a\n")}, {Path: "/usr/lib/demo/run", Mode: 0o755, User: "demo", Group: "adm"}},
		Links:   []Link{{Path: "/usr/bin/demo", Target: "../lib/demo/run"}},
		Folders: []Folder{{Path: "/etc/demo.d", Mode: 0o700, User: "demo"}, {Path: "/etc/demo.e"}},
		Units: []Unit{
			{Name: "demo.service", Content: "[Service]\n", WantedBy: []string{"a.target", "b.target"}},
			{Name: "getty@tty2.service", WantedBy: []string{"getty.target"}},
			{Name: "ssh.service", DropIns: map[string]string{"b.conf": "b\n", "a.conf": "a\n"}},
			{Name: "apt-daily.timer", Masked: true},
		},
		Sysctls: map[string]string{"net.ipv4.ip_forward": "1", "kernel.panic": "30"},
		Modules: []string{"overlay", "br_netfilter", "overlay"},
	}
}

func list(entries []Entry) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%v %s:%s %s", e.Mode, e.User, e.Group, e.Path)
		if e.Target != "" {
			fmt.Fprintf(&b, " -> %s", e.Target)
		}
		if e.Implied {
			b.WriteString(" (implied)")
		}
		b.WriteString("\n")
		for line := range strings.Lines(string(e.Content)) {
			b.WriteString("\t" + line)
		}
	}
	return b.String()
}

func TestEntries(t *testing.T) {
	got, err := everything().Entries()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, filepath.Join("testdata", "entries.golden"), []byte(list(got)))
}

func TestMerge(t *testing.T) {
	other := Layer{Name: "other",
		Folders: []Folder{{Path: "/etc/demo.e"}},
		Files:   []File{{Path: "/etc/demo.e/x"}},
		Links:   []Link{{Path: "/usr/bin/demo", Target: "../lib/demo/run"}},
		Sysctls: map[string]string{"-net/ipv4/ip_forward": "1"},
	}
	got, err := Merge(everything(), other)
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, filepath.Join("testdata", "merge.golden"), []byte(list(got)))
	again, err := Merge(other, everything())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("the order of layers matters: %s", diff)
	}
}

func TestEntriesRefuses(t *testing.T) {
	for want, l := range map[string]Layer{
		`the name "A" must match`:                           {Name: "A"},
		`the path "etc/x" is not absolute and clean`:        {Files: []File{{Path: "etc/x"}}},
		`the path "/etc/../x" is not absolute and clean`:    {Links: []Link{{Path: "/etc/../x", Target: "y"}}},
		`the path "/" is not absolute and clean`:            {Folders: []Folder{{Path: "/"}}},
		`/var/lib/x: /var is not part of an image; a file`:  {Files: []File{{Path: "/var/lib/x"}}},
		`/usr/local: /usr/local is not part of an image`:    {Folders: []Folder{{Path: "/usr/local"}}},
		`/lib/x: /lib is a link, say /usr/lib/x`:            {Files: []File{{Path: "/lib/x"}}},
		`/etc/x is there twice`:                             {Files: []File{{Path: "/etc/x"}}, Folders: []Folder{{Path: "/etc/x"}}},
		`/etc/x: mode d--------- is more than permissions`:  {Files: []File{{Path: "/etc/x", Mode: fs.ModeDir}}},
		`/etc/x: the link's target is ""`:                   {Links: []Link{{Path: "/etc/x"}}},
		`the unit "x" must match`:                           {Units: []Unit{{Name: "x", Content: "x"}}},
		`unit x.service: what wants it, "y", must match`:    {Units: []Unit{{Name: "x.service", WantedBy: []string{"y"}}}},
		`unit x.service: nothing is said of it`:             {Units: []Unit{{Name: "x.service"}}},
		`unit x.service: it is masked, so nothing else`:     {Units: []Unit{{Name: "x.service", Masked: true, Content: "x"}}},
		`unit x.service: the drop-in "../x.conf" must`:      {Units: []Unit{{Name: "x.service", DropIns: map[string]string{"../x.conf": ""}}}},
		`/usr/lib/systemd/system/x.service is there twice`:  {Units: []Unit{{Name: "x.service", Content: "x"}, {Name: "x.service", Content: "y"}}},
		`sysctl "ip_forward" = "1": the name must match`:    {Sysctls: map[string]string{"ip_forward": "1"}},
		`sysctl "a.b" = "1\n": the name must match`:         {Sysctls: map[string]string{"a.b": "1\n"}},
		`sysctl "a.b" = "": the name must match`:            {Sysctls: map[string]string{"a.b": ""}},
		`the kernel module "a b" must match ^[A-Za-z0-9_-]`: {Modules: []string{"a b"}},
	} {
		if l.Name == "" {
			l.Name = "demo"
		}
		_, err := l.Entries()
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "layer ") {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		if _, err := Merge(l); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("merging: got %v\nwant %s", err, want)
		}
	}
}

func TestMergeConflicts(t *testing.T) {
	a := Layer{Name: "a", Files: []File{{Path: "/etc/x"}}, Folders: []Folder{{Path: "/etc/d"}}, Sysctls: map[string]string{"k.p": "1"}}
	b := Layer{Name: "b", Files: []File{{Path: "/etc/x"}}, Folders: []Folder{{Path: "/etc/d", Mode: 0o700}}, Sysctls: map[string]string{"k/p": "2"}}
	c := Layer{Name: "c", Links: []Link{{Path: "/etc/x/y", Target: "z"}}}
	_, err := Merge(a, b, c)
	want := "layers a and b both have /etc/d\n" +
		"layers a and b both have /etc/x\n" +
		`layers a and b set the sysctl k.p to "1" and "2"` + "\n" +
		"/etc/x of layer a is not a folder, but layer c has /etc/x/y below it"
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestUsers(t *testing.T) {
	kube, etcd := User{"kube", 801, "Kubernetes"}, User{"etcd", 800, ""}
	got, err := Users(Layer{Name: "a", Users: []User{kube, etcd}}, Layer{Name: "b", Users: []User{kube}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]User{etcd, kube}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for want, u := range map[string]User{
		"layers a and b have different users kube (801) and kube (802)": {"kube", 802, ""},
		"layers a and b have different users kube (801) and x (801)":    {"x", 801, ""},
		"layers a and b have different users kube (801) and kube (801)": {"kube", 801, "x"},
		`layer b: the user "K" must match`:                              {"K", 803, ""},
		"layer b: user x: id 900 is not in 800-899":                     {"x", 900, ""},
		`layer b: user x: the comment "a:b" has a colon`:                {"x", 803, "a:b"},
	} {
		_, err := Users(Layer{Name: "a", Users: []User{kube}}, Layer{Name: "b", Users: []User{u}})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
