package leak

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plant is a file that is put into a clean tree.
type plant struct {
	path    string
	content string
	mode    int64 // 0644 if 0
	kind    byte
	xattr   string
}

// tree is a clean tree with plants. All of what programs that deal with keys
// have in them is there.
func tree(t testing.TB, plants ...plant) *bytes.Reader {
	t.Helper()
	clean := []plant{
		{path: "/tmp", kind: tar.TypeDir, mode: 0o1777},
		{path: "/etc/machine-id", mode: 0o444},
		{path: "/etc/passwd", content: "root:x:0:0:root:/root:/bin/bash\nsync:*:4:65534::/bin:/bin/sync\n"},
		{path: "/etc/shadow", mode: 0o640, content: "root:*:20777:0:99999:7:::\nweb:!*:20777::::::\nx:!:1::::::\n"},
		{path: "/etc/gshadow", mode: 0o640, content: "root:*::\nweb:!::\nstaff:::\n"},
		{path: "/etc/hosts", content: "127.0.0.1 localhost\n"},
		{path: "/etc/link", kind: tar.TypeSymlink, mode: 0o777},
		{path: "/usr/bin/passwd", mode: 0o4755, content: "\x7fELF"},
		{path: "/usr/bin/ping", mode: 0o755, content: "\x7fELF", xattr: "security.capability"},
		{path: "/usr/bin/openssl", mode: 0o755, content: "\x7fELF\x00-----BEGIN RSA PRIVATE KEY-----\x00-----BEGIN PRIVATE KEY-----\nthis is not a key\n-----END PRIVATE KEY-----\x00" +
			"AGE-SECRET-KEY-1\x00PuTTY-User-Key-File-2: \x00eyJhbGciO\x00Bearer realm=x\x00client-key-data: \x00Authorization: Bearer <token>"},
		{path: "/usr/lib/ingot/pki/ca.crt", content: "-----BEGIN CERTIFICATE-----\n" + strings.Repeat("MIIB", 16) + "\n-----END CERTIFICATE-----\n-----BEGIN PUBLIC KEY-----\n" + strings.Repeat("MFkw", 16) + "\n"},
		{path: "/usr/share/doc/a/README", content: "a password such as $6$salt$... is written -----BEGIN PRIVATE KEY-----; AKIAIOSFODNN7EXAMPLE\n"},
		{path: "/usr/share/factory/var/log/wtmp", mode: 0o664},
	}
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, p := range append(clean, plants...) {
		h := &tar.Header{Name: strings.TrimPrefix(p.path, "/"), Mode: p.mode, Typeflag: p.kind, Format: tar.FormatPAX}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		switch h.Typeflag {
		case 0:
			h.Typeflag, h.Size = tar.TypeReg, int64(len(p.content))
		case tar.TypeSymlink:
			h.Linkname = "x"
		}
		if p.xattr != "" {
			h.PAXRecords = map[string]string{"SCHILY.xattr." + p.xattr: "\x01\x00\x00\x02"}
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			if _, err := w.Write([]byte(p.content)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

// expect scans and compares what was found.
func expect(t *testing.T, c Config, want []Finding, plants ...plant) {
	t.Helper()
	err := Scan(t.Context(), tree(t, plants...), c)
	var got []Finding
	var found *Error
	if errors.As(err, &found) {
		got = found.Findings
	} else if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClean(t *testing.T) {
	expect(t, Config{Traces: Traces{Host: "debian", User: "root", Home: "/root"}}, nil)
}

func TestContents(t *testing.T) {
	const b64 = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5eg"
	for what, contents := range map[string][]string{
		Token: {
			"x eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQifQ." + b64,
			strings.Repeat("\x00", 2<<20) + "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQifQ." + b64 + strings.Repeat(" ", 3<<20),
			"dop_v1_" + strings.Repeat("0a", 32), "github_pat_" + strings.Repeat("0", 22) + "_" + strings.Repeat("x", 59),
			"token ghp_" + strings.Repeat("a", 36), "glpat-" + strings.Repeat("a", 20), "AKIAABCDEFGHIJKLMNOP " + b64[:40], "AIza" + strings.Repeat("x", 35),
		},
		Bearer:     {"Authorization: Bearer abcdefghij0123456789ABCDEFG"},
		Kubeconfig: {"users:\n- user:\n    client-key-data: " + b64 + "\n", `{"client-key-data":"` + b64 + `"}`},
		Credential: {"[default]\naws_secret_access_key = " + b64[:40] + "\n", "export AWS_SECRET_ACCESS_KEY=" + b64[:40], "AccountName=x;AccountKey=" + b64 + "=="},
	} {
		for _, content := range contents {
			expect(t, Config{}, []Finding{{"/usr/lib/x", what}}, plant{path: "/usr/lib/x", content: content})
		}
	}
	// Strings in a program stand side by side, and what follows is another one.
	expect(t, Config{}, nil, plant{path: "/usr/bin/x", content: "\x7fELF.. Bearer memberssnap.dbraftReqcp51932"})
	expect(t, Config{}, []Finding{{"/etc/x", PasswordHash}}, plant{path: "/etc/x", content: "passwd: $y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7\n"})
}

func TestPaths(t *testing.T) {
	for file, what := range map[string]string{
		"/etc/ssh/ssh_host_ed25519_key.pub":                      "SSH host key",
		"/usr/share/factory/var/roothome/.ssh/authorized_keys":   "SSH login",
		"/usr/share/factory/var/roothome/.ssh/id_ed25519.pub":    "SSH user key",
		"/usr/share/factory/var/roothome/.bash_history":          "shell history",
		"/usr/share/factory/var/lib/systemd/random-seed":         "random seed or credential of a machine",
		"/var/lib/systemd/credential.secret":                     "random seed or credential of a machine",
		"/usr/share/factory/var/lib/apt/lists/lock":              "trace of apt",
		"/etc/apt/sources.list.d/debian.sources":                 "trace of apt",
		"/etc/apt/auth.conf":                                     "trace of apt",
		"/usr/share/factory/var/lib/cloud/instances/i/user-data": "trace of cloud-init",
		"/usr/share/factory/var/log/cloud-init-output.txt":       "trace of cloud-init",
		"/etc/default/ssh.dpkg-old":                              "trace of dpkg",
		"/usr/lib/sysimage/dpkg/status-old":                      "trace of dpkg",
		"/etc/passwd-":                                           "older copy of accounts",
		"/usr/share/factory/var/log/bootstrap.log":               "log",
		"/usr/share/factory/var/log/journal/abc/system.journal":  "log",
		"/etc/haproxy/cert.p12":                                  "key store",
		"/usr/share/factory/var/lib/dbus/machine-id":             "machine id",
		"/etc/hostname": "host name",
	} {
		expect(t, Config{}, []Finding{{file, what}}, plant{path: file, content: "x"})
	}
}

func TestAttributes(t *testing.T) {
	for what, p := range map[string]plant{
		SetID:                           {path: "/usr/bin/x", mode: 0o4755},
		WorldFile:                       {path: "/usr/lib/x", mode: 0o666},
		Capability:                      {path: "/usr/bin/x", xattr: "security.capability"},
		"extended attribute user.x":     {path: "/usr/bin/x", xattr: "user.x"},
		"neither file, folder nor link": {path: "/usr/lib/x", kind: tar.TypeFifo},
	} {
		expect(t, Config{}, []Finding{{p.path, what}}, p)
	}
	expect(t, Config{}, []Finding{{"/usr/bin/x", SetID}}, plant{path: "/usr/bin/x", mode: 0o2755})
	expect(t, Config{}, []Finding{{"/usr/lib/x", WorldFile}}, plant{path: "/usr/lib/x", kind: tar.TypeDir, mode: 0o777})
	expect(t, Config{Allow: []Allowed{{"/usr/bin/*", SetID, "a test"}}}, []Finding{{"/usr/lib/x", SetID}},
		plant{path: "/usr/bin/x", mode: 0o2755}, plant{path: "/usr/lib/x", mode: 0o2755})
}

func TestAccounts(t *testing.T) {
	for what, p := range map[string]plant{
		"machine id":              {path: "/etc/machine-id", content: "0123456789abcdef0123456789abcdef\n"},
		"empty password of root":  {path: "/etc/shadow", content: "root::20777:0:99999:7:::\n"},
		"password of root":        {path: "/etc/shadow", content: "root:abJnggxhB/yWI:20777:0:99999:7:::\n"},
		"empty password of admin": {path: "/etc/passwd", content: "admin::0:0:root:/root:/bin/bash\n"},
		"password of admin":       {path: "/etc/passwd", content: "admin:abJnggxhB/yWI:0:0:root:/root:/bin/bash\n"},
		"password of staff":       {path: "/etc/gshadow", content: "staff:abJnggxhB/yWI::\n"},
	} {
		expect(t, Config{}, []Finding{{p.path, what}}, p)
	}
	// A hash is one even where it is locked for now.
	expect(t, Config{}, []Finding{{"/etc/shadow", PasswordHash}, {"/etc/shadow", "password of root"}},
		plant{path: "/etc/shadow", content: "root:!$6$salt$saltsaltsaltsaltsaltsalt:20777::::::\n"})
}

func TestTraces(t *testing.T) {
	c := Config{Traces: Traces{Host: "forge.example.org", User: "alice", Home: "/home/alice"}}
	for what, p := range map[string]plant{
		"path of the home folder of who bakes": {path: "/usr/bin/x", content: strings.Repeat("x", 2<<20) + "/home/alice/src/x.go"},
		"name of who bakes, and where":         {path: "/usr/lib/x", content: "ssh-ed25519 AAAA alice@forge.example.org\n"},
		"name of the machine that bakes":       {path: "/etc/hosts", content: "127.0.1.1 forge\n"},
	} {
		want := []Finding{{p.path, what}}
		if strings.Contains(p.content, "forge.example") {
			want = []Finding{{p.path, "name of the machine that bakes"}, {p.path, what}}
		}
		expect(t, c, want, p)
	}
	expect(t, c, nil, plant{path: "/usr/bin/x", content: "/home/alicent /home/bob forge alice"})
}

func TestErrors(t *testing.T) {
	err := Scan(t.Context(), tree(t, plant{path: "/etc/hostname", content: "x"}, plant{path: "/etc/group-"}), Config{})
	const want = "this must not be in an image:\n  /etc/group-: older copy of accounts\n  /etc/hostname: host name"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := Scan(t.Context(), strings.NewReader(strings.Repeat("no tar", 200)), Config{}); err == nil || !strings.HasPrefix(err.Error(), "looking for leaks: ") {
		t.Errorf("no archive: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Scan(ctx, tree(t), Config{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := Scan(t.Context(), tree(t), Config{Allow: []Allowed{{Path: "["}}}); err == nil || !strings.Contains(err.Error(), `"["`) {
		t.Errorf("a bad pattern: %v", err)
	}
}

// TestKnownHaveReasons keeps the list of what is allowed honest.
func TestKnownHaveReasons(t *testing.T) {
	for _, a := range Known() {
		if len(a.Reason) < 20 || !strings.HasPrefix(a.Path, "/usr/") {
			t.Errorf("%+v", a)
		}
	}
	for _, p := range patterns() {
		if len(p.anchor) < minAnchor {
			t.Errorf("anchor %q is too short", p.anchor)
		}
	}
}
