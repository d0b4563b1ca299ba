package tree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/internal/golden"
)

func TestRoot(t *testing.T) {
	x, data := root(t)
	list, contents := read(t, data)
	golden.Check(t, filepath.Join("testdata", "root.golden"), []byte(list))
	golden.Check(t, filepath.Join("testdata", "factory.golden"), []byte(contents[factoryConf]))
	for p, want := range map[string]string{
		"/usr/bin/perl":                         "perl",
		"/usr/lib/ingot/bin/kubernetes":         "kubernetes",
		"/etc/hosts":                            hosts,
		"/etc/machine-id":                       "",
		"/usr/lib/sysimage/dpkg/status":         "Package: a\n",
		"/usr/share/doc/a/copyright":            "licence",
		"/usr/lib/tmpfiles.d/home.conf":         "# homes\nQ /var/home 0755 - - -\nq /var/srv 0755 - - -\n",
		"/usr/share/factory/var/lib/a b%c/file": "model",
	} {
		if got, ok := contents[p]; !ok || got != want {
			t.Errorf("%s: %q, want %q", p, got, want)
		}
	}
	if n, ok := x.Find("/usr/bin/ping"); !ok || string(n.Xattrs["security.capability"]) != netRaw {
		t.Errorf("the capability is lost: %+v", n)
	}
	var removed []string
	for _, r := range x.Removed {
		if r.Files > 0 {
			removed = append(removed, fmt.Sprintf("%s: %d, %d", r.What, r.Files, r.Bytes))
		}
	}
	golden.Check(t, filepath.Join("testdata", "removed.golden"), []byte(strings.Join(removed, "\n")+"\n"))
}

// TestRootSame makes the tree from a base in another order.
func TestRootSame(t *testing.T) {
	_, want := root(t)
	items := base()
	slices.Reverse(items)
	hard := slices.IndexFunc(items, func(i item) bool { return i.hard })
	items = append(slices.Delete(slices.Clone(items), hard, hard+1), items[hard])
	o := rootOptions(t)
	o.Base = archive(t, items...)
	slices.Reverse(o.Extra)
	var got bytes.Buffer
	if _, err := Root(t.Context(), &got, o); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got.Bytes()) {
		a, _ := read(t, want)
		b, _ := read(t, got.Bytes())
		t.Errorf("the order of the base matters: %s", cmp.Diff(a, b))
	}
}

func TestRootRefuses(t *testing.T) {
	for want, change := range map[string]func(o *RootOptions){
		"/usr/bin/ping is there already":                        func(o *RootOptions) { o.Extra = []Extra{{Path: "/usr/bin/ping", Target: "x"}} },
		"/bin is a link, but there is /bin/x below it":          func(o *RootOptions) { o.Extra = []Extra{{Path: "/bin/x", Target: "x"}} },
		`the path "usr/x" is not absolute and clean`:            func(o *RootOptions) { o.Extra = []Extra{{Path: "usr/x", Target: "x"}} },
		"/usr/x: mode u--------- is more than permissions":      func(o *RootOptions) { o.Extra = []Extra{{Path: "/usr/x", Mode: fs.ModeSetuid}} },
		"the base has no file /etc/passwd":                      func(o *RootOptions) { o.Base = archive(t, item{name: "etc/", mode: 0o755}) },
		"/x is a hard link to \"./y\", which is no file before": func(o *RootOptions) { o.Base = archive(t, item{name: "x", hard: true, target: "y"}) },
		"/x is there already":                                   func(o *RootOptions) { o.Base = archive(t, item{name: "x"}, item{name: "x"}) },
		"/var/x has extended attributes, which would be lost": func(o *RootOptions) {
			o.Base = archive(t, append(base(), item{name: "var/x", content: "x", xattrs: map[string]string{"security.capability": netRaw}})...)
		},
		"writing /usr/lib/ingot/bin/kubernetes: it has 2 bytes, not 3": func(o *RootOptions) {
			short := program("abc")
			short.Open = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("ab")), nil }
			o.Extra = []Extra{short}
		},
		"reading the base: unexpected EOF": func(o *RootOptions) {
			all, _ := io.ReadAll(o.Base)
			o.Base = bytes.NewReader(all[:700])
		},
	} {
		o := rootOptions(t)
		change(&o)
		_, err := Root(t.Context(), io.Discard, o)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func TestRootStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Root(ctx, io.Discard, rootOptions(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestIndex(t *testing.T) {
	x, _ := root(t)
	var b bytes.Buffer
	if err := x.Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := ReadIndex(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(x, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for want, text := range map[string]string{
		"format 2, want 1":           `{"format":2}`,
		"unknown field \"x\"":        `{"x":1}`,
		"its paths are out of order": `{"format":1,"nodes":[{"path":"/b"},{"path":"/a"}]}`,
		"unexpected EOF":             b.String()[:b.Len()/2],
	} {
		if _, err := ReadIndex(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestDiff(t *testing.T) {
	was := &Index{Nodes: []Node{
		{Path: "/a", Kind: KindFile, SHA256: "1"}, {Path: "/b", Mode: 0o644}, {Path: "/c"}, {Path: "/d", UID: 1}, {Path: "/e", Size: 1}, {Path: "/f", Target: "x"},
		{Path: "/g"}, {Path: "/k", Kind: KindFile}, {Path: "/x", Xattrs: map[string][]byte{"a": {1}}},
	}}
	is := &Index{Nodes: []Node{
		{Path: "/a", Kind: KindFile, SHA256: "2"}, {Path: "/aa"}, {Path: "/b", Mode: 0o4755}, {Path: "/d"}, {Path: "/e", Size: 2}, {Path: "/f", Target: "y"},
		{Path: "/g"}, {Path: "/k", Kind: KindLink}, {Path: "/x"}, {Path: "/z"},
	}}
	want := []Difference{
		{"/a", "content"}, {"/aa", "is new"}, {"/b", "mode 4755, was 0644"}, {"/c", "is missing"}, {"/d", "owner 0:0, was 1:0"},
		{"/e", "2 bytes, was 1"}, {"/f", `target "y", was "x"`}, {"/k", "link, was file"}, {"/x", "extended attributes"}, {"/z", "is new"},
	}
	if diff := cmp.Diff(want, Diff(was, is)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if d := Diff(was, was); d != nil {
		t.Errorf("a tree differs from itself: %v", d)
	}
}
