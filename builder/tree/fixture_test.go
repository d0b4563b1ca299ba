package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

var date = time.Date(2026, 11, 20, 2, 11, 0, 0, time.UTC)

// item is one path of an archive.
type item struct {
	name    string // ends in / for a folder
	mode    int64
	target  string
	hard    bool
	content string
	uid     int
	gid     int
	kind    byte
	xattrs  map[string]string
}

// archive packs items as mmdebstrap does, in the order given.
func archive(t *testing.T, items ...item) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		h := &tar.Header{Name: "./" + i.name, Mode: i.mode, Uid: i.uid, Gid: i.gid, Uname: "builder", ModTime: date.Add(time.Hour), Size: int64(len(i.content))}
		switch {
		case i.kind != 0:
			h.Typeflag = i.kind
		case strings.HasSuffix(i.name, "/") || i.name == "":
			h.Typeflag = tar.TypeDir
		case i.hard:
			h.Typeflag, h.Linkname = tar.TypeLink, "./"+i.target
		case i.target != "":
			h.Typeflag, h.Linkname = tar.TypeSymlink, i.target
		default:
			h.Typeflag, h.ModTime = tar.TypeReg, date.Add(-time.Hour)
		}
		for k, v := range i.xattrs {
			h.PAXRecords = map[string]string{xattrPrefix + k: v}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, i.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

// netRaw is cap_net_raw=ep as file systems keep it: revision 2, effective
// (linux/capability.h).
const netRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// base is a small base with one of each.
func base() []item {
	return []item{
		{name: "", mode: 0o755},
		{name: "bin", target: "usr/bin"},
		{name: "dev/", mode: 0o755},
		{name: "dev/null", mode: 0o666, kind: tar.TypeChar},
		{name: "boot/", mode: 0o755},
		{name: "boot/vmlinuz-6", mode: 0o644, content: "kernel"},
		{name: "vmlinuz", target: "boot/vmlinuz-6"},
		{name: "etc/", mode: 0o755},
		{name: "etc/gshadow", mode: 0o640, gid: 42, content: "root:*::\nshadow:*::\nweb:!::\n"},
		{name: "etc/group", mode: 0o644, content: "root:x:0:\nshadow:x:42:\nweb:x:102:\n"},
		{name: "etc/hostname", mode: 0o644, content: "builder\n"},
		{name: "etc/hosts", mode: 0o644, content: "192.0.2.1 builder\n"},
		{name: "etc/machine-id", mode: 0o644},
		{name: "etc/passwd", mode: 0o644, content: "root:x:0:0:root:/root:/bin/bash\nweb:x:101:102::/nonexistent:/usr/sbin/nologin\n"},
		{name: "etc/secret/", mode: 0o2750, uid: 101, gid: 102},
		{name: "etc/secret/x", mode: 0o600, content: "x", uid: 101, gid: 102},
		{name: "etc/shadow", mode: 0o640, gid: 42, content: "root:*:20777:0:99999:7:::\nweb:!:20777::::::\n"},
		{name: "etc/systemd/system/multi-user.target.wants/haproxy.service", target: "/usr/lib/systemd/system/haproxy.service"},
		{name: "etc/systemd/system/multi-user.target.wants/remote-fs.target", target: "/usr/lib/systemd/system/remote-fs.target"},
		{name: "home/", mode: 0o755},
		{name: "opt/", mode: 0o755},
		{name: "root/", mode: 0o700},
		{name: "root/.profile", mode: 0o644, content: "umask 022\n"},
		{name: "tmp/", mode: 0o1777},
		{name: "usr/bin/", mode: 0o755},
		{name: "usr/bin/perl5.40.1", mode: 0o755, content: "perl"},
		{name: "usr/bin/perl", target: "usr/bin/perl5.40.1", hard: true},
		{name: "usr/bin/ping", mode: 0o755, content: "ping", xattrs: map[string]string{"security.capability": netRaw}},
		{name: "usr/bin/su", mode: 0o4755, content: "su"},
		{name: "usr/lib/dracut/modules.d/99/x", mode: 0o755, content: "initrd"},
		{name: "usr/lib/python3/__pycache__/a.pyc", mode: 0o644, content: "py"},
		{name: "usr/lib/tmpfiles.d/home.conf", mode: 0o644, content: "# homes\nQ /home 0755 - - -\nq /srv 0755 - - -\n"},
		{name: "usr/lib/tmpfiles.d/var.conf", mode: 0o644, content: "q /var 0755 - - -\nL /var/run - - - - ../run\nd! /var/log 0755 - - -\n"},
		{name: "usr/local/", mode: 0o755},
		{name: "usr/local/bin/", mode: 0o2775, gid: 50},
		{name: "usr/local/man", target: "share/man"},
		{name: "usr/share/doc/a/", mode: 0o755},
		{name: "usr/share/doc/a/README", mode: 0o644, content: "read me"},
		{name: "usr/share/doc/a/copyright", mode: 0o644, content: "licence"},
		{name: "usr/share/doc/b", target: "a"},
		{name: "usr/share/locale/de/LC_MESSAGES/a.mo", mode: 0o644, content: "mo"},
		{name: "usr/share/locale/locale.alias", mode: 0o644, content: "alias"},
		{name: "usr/share/man/man1/a.1.gz", mode: 0o644, content: "man"},
		{name: "var/", mode: 0o755},
		{name: "var/cache/debconf/config.dat", mode: 0o644, content: "config"},
		{name: "var/lib/a b%c/", mode: 0o750, uid: 101, gid: 102},
		{name: "var/lib/a b%c/file", mode: 0o640, uid: 101, gid: 102, content: "model"},
		{name: "var/lib/dpkg/", mode: 0o755},
		{name: "var/lib/dpkg/status", mode: 0o644, content: "Package: a\n"},
		{name: "var/lib/dpkg/status-old", mode: 0o644, content: "Package: b\n"},
		{name: "var/log/", mode: 0o755},
		{name: "var/log/wtmp", mode: 0o664, gid: 43},
		{name: "var/mail/", mode: 0o2775, gid: 8},
		{name: "var/opt/", mode: 0o755},
		{name: "var/run", target: "/run"},
		{name: "var/spool/mail", target: "../mail"},
	}
}

// program is a component's program.
func program(content string) Extra {
	return Extra{Path: "/usr/lib/ingot/bin/kubernetes", Mode: 0o755, Size: int64(len(content)), Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

func rootOptions(t *testing.T) RootOptions {
	return RootOptions{Base: archive(t, base()...), Date: date,
		Extra: []Extra{program("kubernetes"), {Path: "/usr/bin/kubelet", Target: "../lib/ingot/bin/kubernetes"}}}
}

// root makes the tree of the small base.
func root(t *testing.T) (*Index, []byte) {
	t.Helper()
	var b bytes.Buffer
	x, err := Root(t.Context(), &b, rootOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	return x, b.Bytes()
}

// read is an archive's files, for comparisons.
func read(t *testing.T, data []byte) (list string, contents map[string]string) {
	t.Helper()
	contents = map[string]string{}
	var b strings.Builder
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return b.String(), contents
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%c %04o %d:%d %s", h.Typeflag, h.Mode, h.Uid, h.Gid, h.Name)
		if h.Linkname != "" {
			fmt.Fprintf(&b, " -> %s", h.Linkname)
		}
		for k := range h.PAXRecords {
			fmt.Fprintf(&b, " [%s]", k)
		}
		b.WriteString("\n")
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		contents["/"+strings.TrimSuffix(h.Name, "/")] = string(text)
		if h.ModTime.After(date) || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s: time %v, owner %q:%q", h.Name, h.ModTime, h.Uname, h.Gname)
		}
	}
}

func cluster(ctx context.Context, o ClusterOptions) (*Index, []byte, error) {
	var b bytes.Buffer
	x, err := Cluster(ctx, &b, o)
	return x, b.Bytes(), err
}
