package ignition_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/ignition/configiso"
)

// look inspects data, and returns what people and what programs are told.
func look(t testing.TB, data []byte, now time.Time) (in *ignition.Inspection, human, machine string) {
	t.Helper()
	in, err := ignition.Inspect(bytes.NewReader(data), int64(len(data)), now)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := in.Write(&b); err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return in, b.String(), string(encoded)
}

func appliesTo(in *ignition.Inspection) string {
	var names []string
	for _, c := range in.Consumers {
		if c.Applies {
			names = append(names, c.Name)
		}
	}
	return strings.Join(names, "; ")
}

// Every output is recognised, whole, without a warning that is not meant, and
// without a secret.
func TestInspectOutputs(t *testing.T) {
	for _, id := range append(identities(t), everything(t)) {
		both(t, id, func(t *testing.T, id *ignition.Identity) {
			cloud := id.Provisioning == "cloud-init"
			secrets := leaks(t, id)
			for name, data := range outputs(t, id) {
				if strings.HasSuffix(name, "_data.json") {
					continue
				}
				in, human, machine := look(t, data, id.Time.Add(time.Hour))
				if found := leaked(secrets, human+machine); len(found) > 0 {
					t.Errorf("%s: the secrets of %q are shown", name, found)
				}
				want := len(id.Files) + 2 // identity.sha256 and unpack
				switch {
				case name == ignition.NameBundle:
					want = len(bundled(id))
				case name == ignition.NameUserData && !cloud:
					want = len(id.Files) - len(bundled(id)) + 3
				case cloud:
					want += 2 + len(id.Units) // the bundle, and units are files
				default:
					want++ // fetch, or the bundle
				}
				if len(in.Files) != want {
					t.Errorf("%s: %d files, want %d", name, len(in.Files), want)
				}
				whole := name != ignition.NameUserData || cloud
				if whole != (in.Node == id.Node && in.Cluster == id.Cluster) || whole && len(in.Certificates) < 6 {
					t.Errorf("%s: identity of %q of %q with %d certificates", name, in.Node, in.Cluster, len(in.Certificates))
				}
				if appliesTo(in) == "" {
					t.Errorf("%s: nobody applies it", name)
				}
				for _, w := range in.Warnings {
					if name == ignition.NameUserData && strings.Contains(w, "bundle is not in here") ||
						name == ignition.NameInline && strings.Contains(w, "prints all of it") || id.Cluster == "every" && strings.Contains(w, "not every platform") {
						continue
					}
					t.Errorf("%s: warning: %s", name, w)
				}
			}
		})
	}
}

// Who finds and applies which volume, by the programs' own rules.
func TestInspectConsumers(t *testing.T) {
	ign, cloud := []byte(`{"ignition":{"version":"3.3.0"}}`), []byte("#cloud-config\nhostname: x\n")
	drive := func(data []byte) map[string][]byte {
		return map[string][]byte{"openstack/latest/user_data": data, "openstack/latest/meta_data.json": []byte(`{"uuid":"1"}`)}
	}
	seed := map[string][]byte{"user-data": cloud, "meta-data": []byte("instance-id: a\n")}
	const openstack, configDrive, noCloud, coreos = "Ignition, platform openstack", "cloud-init, ConfigDrive", "cloud-init, NoCloud", "coreos-cloudinit"
	for name, tc := range map[string]struct {
		label string
		files map[string][]byte
		want  string
		warns string
	}{
		"ignition":             {"config-2", drive(ign), openstack, ""},
		"ignition, capitals":   {"CONFIG-2", drive(ign), openstack, ""},
		"ignition, mixed":      {"Config-2", drive(ign), "", `label is "Config-2": nothing finds it`},
		"cloud":                {"config-2", drive(cloud), configDrive + "; " + coreos, ""},
		"cloud, capitals":      {"CONFIG-2", drive(cloud), configDrive, ""},
		"script":               {"config-2", drive([]byte("#!/bin/sh\n")), configDrive + "; " + coreos, ""},
		"windows line":         {"config-2", drive([]byte("#cloud-config\r\nhostname: x\r\n")), configDrive + "; " + coreos, ""},
		"header with more":     {"config-2", drive([]byte("#cloud-config x\n")), "", "nothing applies it"},
		"seed":                 {"cidata", seed, noCloud, ""},
		"seed, capitals":       {"CIDATA", seed, noCloud, ""},
		"seed, mixed":          {"CIdata", seed, "", `label is "CIdata": nothing finds it`},
		"seed on drive":        {"config-2", seed, "", ""},
		"drive as seed":        {"cidata", drive(cloud), "", ""},
		"seed with Ignition":   {"cidata", map[string][]byte{"user-data": ign, "meta-data": []byte("instance-id: a\n")}, "", ""},
		"no meta-data":         {"cidata", map[string][]byte{"user-data": cloud}, "", "meta-data is missing"},
		"no meta_data.json":    {"config-2", map[string][]byte{"openstack/latest/user_data": cloud}, coreos, "meta_data.json is missing"},
		"other label":          {"data", drive(ign), "", `label is "data": nothing looks for that`},
		"empty user data":      {"config-2", drive(nil), "", "is empty"},
		"unknown user data":    {"config-2", drive([]byte("hello")), "", "nothing applies it"},
		"user data misspelled": {"config-2", map[string][]byte{"openstack/latest/user-data": ign}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := configiso.Volume{Label: tc.label, Time: epoch0}
			for path, data := range tc.files {
				v.Files = append(v.Files, configiso.File{Path: path, Data: data})
			}
			var b bytes.Buffer
			if err := configiso.Write(&b, v); err != nil {
				t.Fatal(err)
			}
			in, human, _ := look(t, b.Bytes(), epoch0)
			if got := appliesTo(in); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if !strings.Contains(human, tc.warns) {
				t.Errorf("no warning %q: %s", tc.warns, human)
			}
		})
	}
}

// Secrets of foreign configs are not shown, wherever they stand.
func TestInspectRedacts(t *testing.T) {
	const secret = "Tr0ub4dor-AKIAIOSFODNN7EXAMPLE"
	for name, config := range map[string]string{
		"ignition": `{"ignition":{"version":"3.3.0","config":{"merge":[{"source":"https://user:` + secret + `@h/x?token=` + secret + `"}]}},
			"passwd":{"users":[{"name":"a","passwordHash":"` + secret + `","sshAuthorizedKeys":["` + secret + `"]}]},
			"storage":{"files":[{"path":"/a","contents":{"source":"https://h/` + secret + `","httpHeaders":[{"name":"Authorization","value":"` + secret + `"}]}},
			{"path":"/b.token","contents":{"source":"data:,` + secret + `"}},{"path":"/c","contents":{"source":"dat:` + secret + `"}},
			{"path":"/d","contents":{"source":"` + secret + `%zz"}}],
			"luks":[{"name":"x","device":"/dev/x","keyFile":{"source":"data:,` + secret + `"}}]},
			"systemd":{"units":[{"name":"a.service","contents":"[Service]\nEnvironment=T=` + secret + `"}]},
			"kernelArguments":{"shouldExist":["` + secret + `"]}}`,
		"cloud-config": `#cloud-config
password: ` + secret + `
chpasswd: {list: ["a:` + secret + `"]}
users:
- {name: a, passwd: ` + secret + `, ssh_authorized_keys: [` + secret + `]}
- {name: b, plain_text_passwd: ` + secret + `}
runcmd:
- [curl, -H, "Authorization: ` + secret + `", "https://h/x"]
- "PASSWORD=` + secret + ` sh x"
- ` + secret + `-is-a-very-long-word-that-is-no-program
bootcmd: ["echo ` + secret + `"]
write_files:
- {path: /a, content: "password: ` + secret + `"}
apt: {sources: {x: {source: "` + secret + `"}}}
`,
		"script":    "#!/bin/sh\nexport T=" + secret + "\n",
		"guestinfo": `{"guestinfo.userdata":"#cloud-config\npassword: ` + secret + `","guestinfo.password":"` + secret + `"}`,
		"broken":    "#cloud-config\n\ta: " + secret + "\n",
		"types":     `{"ignition":{"version":"3.3.0"},"storage":{"files":"` + secret + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, human, machine := look(t, []byte(config), epoch0)
			for _, text := range []string{human, machine} {
				for i := 0; i+8 <= len(secret); i++ {
					if strings.Contains(text, secret[i:i+8]) {
						t.Fatalf("the secret is shown: %s", text)
					}
				}
			}
		})
	}
	_, human, _ := look(t, []byte("#cloud-config\nusers:\n- {name: a, passwd: hush}\nwrite_files:\n- {path: /x.key, permissions: '0600', content: hush}\n"), epoch0)
	if strings.Count(human, "«redacted, 4 bytes»") != 2 {
		t.Errorf("it does not say that there are secrets: %s", human)
	}
}

// Texts of a foreign config cannot act on a terminal.
func TestInspectTerminal(t *testing.T) {
	_, human, _ := look(t, []byte(`{"ignition":{"version":"3.3.0"},"storage":{"files":[{"path":"/a\u001b[2J\u0007`+strings.Repeat("x", 2000)+`"}]}}`), epoch0)
	if strings.ContainsAny(human, "\x1b\x07") || len(human) > 4000 {
		t.Errorf("got %q", human)
	}
}

func TestInspectPacked(t *testing.T) {
	in, _, _ := look(t, gz(t, "#cloud-config\nhostname: x\n"), epoch0)
	if in.Kind != "cloud-config, packed by gzip" || appliesTo(in) != "cloud-init, as user data" {
		t.Errorf("got %s, %s", in.Kind, appliesTo(in))
	}
	in, _, _ = look(t, gz(t, `{"ignition":{"version":"3.3.0"}}`), epoch0)
	if appliesTo(in) != "" {
		t.Errorf("got %s", appliesTo(in))
	}
}

func TestInspectNot(t *testing.T) {
	volume := outputs(t, shipped(t, "prod").identity(t, "worker9"))[ignition.NameConfigISO]
	for name, tc := range map[string]struct {
		data []byte
		want string
	}{
		"empty":       {nil, "not a config"},
		"text":        {[]byte("hello"), "not a config"},
		"json":        {[]byte(`{"a":1}`), "not a config"},
		"other info":  {[]byte(`{"guestinfo.a":"1","b":"2"}`), "not a config"},
		"bad gzip":    {[]byte("\x1f\x8b\x08abc"), "unpacking gzip"},
		"gzip bomb":   {gz(t, strings.Repeat(" ", 65<<20)), "more than"},
		"cut off ISO": {volume[:40<<10], "cut off"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ignition.Inspect(bytes.NewReader(tc.data), int64(len(tc.data)), epoch0)
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.HasPrefix(tc.want, "not") != errors.Is(err, ignition.ErrNotConfig) {
				t.Errorf("got %v, want an error about %q", err, tc.want)
			}
		})
	}
	if _, err := ignition.Inspect(bytes.NewReader(nil), 1<<40, epoch0); !errors.Is(err, ignition.ErrNotConfig) {
		t.Errorf("a huge file: got %v", err)
	}
}
