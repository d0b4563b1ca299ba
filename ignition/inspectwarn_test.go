package ignition_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/pki"
)

// ignConfig is an Ignition config with files.
func ignConfig(files ...ignition.File) string {
	var list []string
	for _, f := range files {
		list = append(list, fmt.Sprintf(`{"path":%q,"mode":%d,"contents":{"source":"data:;base64,%s"}}`,
			f.Path, f.Mode, base64.StdEncoding.EncodeToString(f.Data)))
	}
	return `{"ignition":{"version":"3.3.0"},"storage":{"files":[` + strings.Join(list, ",") + `]}}`
}

func TestInspectWarnings(t *testing.T) {
	ca, other := newAuthority(t, "one"), newAuthority(t, "two")
	request := pki.Request{Name: "x", Authority: pki.Kubernetes, Usage: pki.Server, CommonName: "x", DNSNames: []string{"x.example.com"}}
	good := ca.issue(t, request)
	crt := func(c pki.Credential) ignition.File {
		return ignition.File{Path: "/p/x.crt", Mode: 0o644, Data: c.CertPEM}
	}
	key := func(c pki.Credential, mode int) ignition.File {
		return ignition.File{Path: "/p/x.key", Mode: 0o600 | fs.FileMode(mode), Data: c.KeyPEM}
	}
	authority := func(a *authority) ignition.File { return ignition.File{Path: "/p/ca.crt", Mode: 0o644, Data: a.pem} }
	for name, tc := range map[string]struct {
		config string
		want   string // empty for none but the one of keys in an Ignition config
	}{
		"good":             {ignConfig(crt(good), key(good, 0), authority(ca)), ""},
		"expired":          {ignConfig(crt(ca.issueUntil(t, request, epoch0.Add(-time.Hour)))), "/p/x.crt: it has expired on 2026-11-20 07:30 UTC"},
		"soon":             {ignConfig(crt(ca.issueUntil(t, request, epoch0.Add(240*time.Hour)))), "/p/x.crt: it expires soon"},
		"key of another":   {ignConfig(crt(good), key(ca.issue(t, request), 0)), "/p/x.crt: the key in /p/x.key is not its key"},
		"foreign":          {ignConfig(crt(other.issue(t, request)), authority(ca)), "/p/x.crt: none of the authorities in here has signed it"},
		"readable key":     {ignConfig(crt(good), key(good, 0o044), authority(ca)), "/p/x.key: it holds a private key, and others can read it (mode 0644)"},
		"broken cert":      {ignConfig(ignition.File{Path: "/p/x.crt", Mode: 0o644, Data: []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")}), "a certificate in it cannot be read"},
		"broken key":       {ignConfig(ignition.File{Path: "/p/x", Mode: 0o600, Data: []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}), "a PRIVATE KEY in it cannot be read"},
		"unknown key":      {`{"ignition":{"version":"3.3.0"},"storrage":{}}`, "Ignition: warning at $.storrage: unused key storrage"},
		"old version":      {`{"ignition":{"version":"2.3.0"}}`, "the version is none of 3.0.0 to 3.5.0"},
		"future version":   {`{"ignition":{"version":"3.9.0"}}`, "the version is none of 3.0.0 to 3.5.0"},
		"for Debian":       {`{"ignition":{"version":"3.4.0"}}`, "too new for Ignition 2.14"},
		"invalid":          {`{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"x"}]}}`, "path not absolute"},
		"twice":            {ignConfig(authority(ca), authority(ca)), `file "/p/ca.crt" is there twice`},
		"not base64":       {`{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/x","contents":{"source":"data:;base64,%%"}}]}}`, "cannot be decoded"},
		"not gzip":         {`{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/x","contents":{"compression":"gzip","source":"data:,x"}}]}}`, "unpacking gzip"},
		"wrong types":      {`{"ignition":{"version":"3.3.0"},"storage":[]}`, "structure of an Ignition config"},
		"large":            {ignConfig(ignition.File{Path: "/x", Mode: 0o644, Data: bytes.Repeat([]byte("x"), 20<<10)}), "not every platform takes more than 16384"},
		"cloud, not YAML":  {"#cloud-config\na: [\n", "is not YAML"},
		"cloud, a list":    {"#cloud-config\n- a\n", "not a map of keys"},
		"cloud, key":       {"#cloud-config\nwrite_files:\n- {path: /k, content: \"-----BEGIN PRIVATE KEY-----\"}\n", "/k: it holds a private key, and others can read it (mode 0644)"},
		"cloud, mode":      {"#cloud-config\nwrite_files:\n- {path: /k, permissions: u=rw}\n", "not octal"},
		"cloud, encoding":  {"#cloud-config\nwrite_files:\n- {path: /k, encoding: rot13}\n", `encoding "rot13" is unknown`},
		"cloud, no base64": {"#cloud-config\nwrite_files:\n- {path: /k, encoding: b64, content: '%'}\n", "cannot be decoded"},
		"cloud, no path":   {"#cloud-config\nwrite_files:\n- {content: x}\n", "without a path"},
		"no bundle":        {ignConfig(ignition.File{Path: "/etc/ingot/identity.sha256", Mode: 0o644, Data: []byte("abc  identity.bundle\n")}), "bundle is not in here"},
		"other bundle": {ignConfig(ignition.File{Path: "/etc/ingot/identity.sha256", Mode: 0o644, Data: []byte("abc  identity.bundle\n")},
			ignition.File{Path: "/etc/ingot/identity.bundle", Mode: 0o600, Data: gz(t, "ingot-identity 1\nend\n")}), "not the one that the config names"},
		"damaged bundle":      {ignConfig(ignition.File{Path: "/etc/ingot/identity.bundle", Mode: 0o600, Data: gz(t, "x")}), "reading bundle: its manifest has no end"},
		"guestinfo, encoding": {`{"guestinfo.userdata":"x","guestinfo.userdata.encoding":"rot13"}`, `unknown encoding "rot13"`},
		"guestinfo, large":    {`{"guestinfo.userdata":"` + strings.Repeat("x", 66_000) + `"}`, "VMware takes at most 65280"},
	} {
		t.Run(name, func(t *testing.T) {
			in, human, _ := look(t, []byte(tc.config), epoch0)
			if tc.want == "" {
				for _, w := range in.Warnings {
					if !strings.Contains(w, "prints all of it") {
						t.Errorf("warning: %s", w)
					}
				}
			} else if !strings.Contains(human, tc.want) {
				t.Errorf("no warning %q: %s", tc.want, human)
			}
		})
	}
}

// A small config can name gigabytes: what is looked into has an end.
func TestInspectBombs(t *testing.T) {
	zeros := base64.StdEncoding.EncodeToString(gz(t, strings.Repeat("\x00", 1<<20)))
	var ign, plain, packed, keys strings.Builder
	for i := range 400 {
		fmt.Fprintf(&ign, `{"path":"/a%d","contents":{"compression":"gzip","source":"data:;base64,%s"}},`, i, zeros)
		fmt.Fprintf(&plain, "- {path: /a%d, content: *x}\n", i)
		fmt.Fprintf(&packed, "- {path: /a%d, encoding: gz+b64, content: *x}\n", i)
		fmt.Fprintf(&keys, "- {name: a%d, ssh_authorized_keys: *x}\n", i)
	}
	for name, tc := range map[string]struct{ config, want string }{
		"ignition":        {`{"ignition":{"version":"3.3.0"},"storage":{"files":[` + strings.TrimSuffix(ign.String(), ",") + `]}}`, "not all of them were looked into"},
		"cloud, gzip":     {"#cloud-config\nx: &x " + zeros + "\nwrite_files:\n" + packed.String(), "not all of them were looked into"},
		"cloud, aliases":  {"#cloud-config\nx: &x " + strings.Repeat("x", 100<<10) + "\nwrite_files:\n" + plain.String(), "with its aliases in place"},
		"cloud, lists":    {"#cloud-config\nx: &x [" + strings.Repeat("ssh-rsa AAAA,", 4000) + "]\nusers:\n" + keys.String(), "with its aliases in place"},
		"cloud, no end":   {"#cloud-config\nx: &x [*x]\n", "with its aliases in place"},
		"cloud, doubling": {"#cloud-config\na: &a [x, x]\n" + doubling(), "with its aliases in place"},
	} {
		t.Run(name, func(t *testing.T) {
			in, human, _ := look(t, []byte(tc.config), epoch0)
			if !strings.Contains(human, tc.want) {
				t.Errorf("no warning %q: %.2000s", tc.want, human)
			}
			if len(in.Files) > 20 {
				t.Errorf("%d files of a megabyte each were looked into", len(in.Files))
			}
		})
	}
}

// doubling gives each letter the list before it twice.
func doubling() string {
	var b strings.Builder
	for c := 'b'; c <= 'z'; c++ {
		fmt.Fprintf(&b, "%c: &%c [*%c, *%c]\n", c, c, c-1, c-1)
	}
	return b.String()
}

// Commands are shown without what may be secret in them.
func TestInspectCommands(t *testing.T) {
	for command, want := range map[string]string{
		`[systemctl, enable, --now, --no-block, a.service]`: "systemctl enable --now --no-block a.service",
		`[systemctl, daemon-reload]`:                        "systemctl daemon-reload",
		`[systemctl, set-environment, "TOKEN=hunter2"]`:     "systemctl «redacted, 30 bytes»",
		`systemctl restart a.service; curl -u u:hunter2 h`:  "systemctl «redacted, 39 bytes»",
		`systemctl start a.service --hunter2`:               "systemctl «redacted, 26 bytes»",
		`[sh, -c, "echo hunter2"]`:                          "sh «redacted, 16 bytes»",
		`/usr/bin/reboot`:                                   "reboot",
		`TOKEN=hunter2 run`:                                 "«redacted, 17 bytes»",
		`"hunter2:more"`:                                    "«redacted, 12 bytes»",
		`"{token,hunter2}"`:                                 "«redacted, 15 bytes»",
	} {
		in, human, machine := look(t, []byte("#cloud-config\nruncmd:\n- "+command+"\n"), epoch0)
		if len(in.Commands) != 1 || in.Commands[0] != want {
			t.Errorf("%s: got %q, want %q", command, in.Commands, want)
		}
		if strings.Contains(human+machine, "hunter2") {
			t.Errorf("%s: the secret is shown", command)
		}
	}
}
