package ignition_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/ignition/configiso"
)

// keyLine is a line of a private key's PEM.
var keyLine = regexp.MustCompile(`(?s)PRIVATE KEY-----\n([A-Za-z0-9+/]{24,64})\n`)

// FuzzInspect gives foreign bytes to the inspector: it must not fail in any
// other way than by an error, must not say more than what is in the input, and
// must show no key.
func FuzzInspect(f *testing.F) {
	for _, text := range []string{
		"", "#cloud-config\n", "#!/bin/sh\n", "Content-Type: multipart/mixed\n",
		`{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/a","mode":420,"contents":{"source":"data:,a"}}]}}`,
		`{"ignition":{"version":"3.5.0"},"passwd":{"users":[{"name":"a","passwordHash":"x","sshAuthorizedKeys":["ssh-ed25519 AAAA"]}]},"systemd":{"units":[{"name":"a.service","enabled":true}]}}`,
		"#cloud-config\nusers: [default, {name: a, groups: [x], passwd: y}]\nruncmd: [[a, b], 'c d']\nwrite_files:\n- {path: /a, encoding: b64, content: YQ==, permissions: '0600'}\n",
		"#cloud-config\na: &a [*a]\nwrite_files: *a\nusers: &u {name: *u}\n",
		`{"guestinfo.userdata":"I2Nsb3VkLWNvbmZpZwo=","guestinfo.userdata.encoding":"base64","guestinfo.metadata":"{}","guestinfo.ingot.identity.bundle":"H4sI"}`,
		"#cloud-config\nwrite_files:\n- path: /k\n  content: |\n    -----BEGIN PRIVATE KEY-----\n    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49\n    -----END PRIVATE KEY-----\n",
	} {
		f.Add([]byte(text))
	}
	f.Add(gz(f, "ingot-identity 1\nf 644 root:root /a\nt 1\nf 600 ?etcd:etcd /b\np 3 PRIVATE KEY\nend\nabcd"))
	for _, label := range []string{"config-2", "cidata"} {
		var b bytes.Buffer
		v := configiso.Volume{Label: label, Time: epoch0, Files: []configiso.File{
			{Path: "openstack/latest/user_data", Data: []byte("#cloud-config\n")},
			{Path: "openstack/latest/meta_data.json", Data: []byte("{}")},
			{Path: "user-data", Data: []byte("#!/bin/sh\n")},
			{Path: "meta-data", Data: []byte("instance-id: a\n")},
			{Path: "ingot/identity.bundle", Data: gz(f, "ingot-identity 1\nend\n")},
		}}
		if err := configiso.Write(&b, v); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := ignition.Inspect(bytes.NewReader(data), int64(len(data)), epoch0)
		if err != nil {
			if in != nil || !strings.HasPrefix(err.Error(), "inspecting ") {
				t.Fatalf("got %v and %v", in, err)
			}
			return
		}
		var human strings.Builder
		if err := in.Write(&human); err != nil {
			t.Fatal(err)
		}
		machine, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(human.String(), "\x1b\x07\r\x00") {
			t.Fatalf("control characters: %q", human.String())
		}
		for _, m := range keyLine.FindAllSubmatch(data, -1) {
			if strings.Contains(human.String(), string(m[1])) || bytes.Contains(machine, m[1]) {
				t.Fatalf("a line of a key is shown: %s", human.String())
			}
		}
	})
}

// FuzzReadBundle holds the reader of bundles against its writer: what it takes,
// it takes again when written anew.
func FuzzReadBundle(f *testing.F) {
	f.Add([]byte("ingot-identity 1\nf 644 root:root /a\nt 1\nf 600 ?etcd:etcd /b\np 3 PRIVATE KEY\nend\nabcd"))
	f.Add([]byte("ingot-identity 1\nend\n"))
	f.Fuzz(func(t *testing.T, plain []byte) {
		files, err := ignition.ReadBundle(gz(t, string(plain)))
		if err != nil {
			return
		}
		id := &ignition.Identity{Node: "fuzz", Files: files}
		data, err := id.Bundle()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ignition.ReadBundle(data)
		if err != nil {
			t.Fatal(err)
		}
		got, want := map[string][]byte{}, map[string][]byte{}
		for i := range files {
			want[files[i].Path] = append(want[files[i].Path], files[i].Data...)
		}
		for i := range again {
			got[again[i].Path] = append(got[again[i].Path], again[i].Data...)
		}
		for path := range want {
			if len(got[path]) != len(want[path]) {
				t.Fatalf("%q: %d bytes became %d", path, len(want[path]), len(got[path]))
			}
		}
	})
}
