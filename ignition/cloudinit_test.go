package ignition_test

import (
	"encoding/json"
	"maps"
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
)

func cloudInit(id *ignition.Identity) *ignition.Identity {
	other := *id
	other.Provisioning = cluster.ProvisioningCloudInit
	return &other
}

func TestCloudInitSchema(t *testing.T) {
	tool := need.Tool(t, "cloud-init")
	for _, id := range append(identities(t), everything(t)) {
		path := filepath.Join(t.TempDir(), "user_data")
		if err := os.WriteFile(path, outputs(t, cloudInit(id))[ignition.NameUserData], 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(tool, "schema", "--config-file", path).CombinedOutput()
		if err != nil || !strings.Contains(string(out), "Valid ") || strings.Contains(strings.ToLower(string(out)), "deprecat") {
			t.Errorf("%s/%s: %v: %s", id.Cluster, id.Node, err, out)
		}
	}
}

// python runs a program with cloud-init's own modules, which belong to the
// system's Python, and decodes the JSON that it prints.
func python(t *testing.T, program string, args ...string) map[string]any {
	t.Helper()
	need.Tool(t, "cloud-init")
	cmd := exec.Command("/usr/bin/python3", append([]string{"-c", program}, args...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"}
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	var v map[string]any
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return v
}

// readConfigDrive has cloud-init's data source read a mounted config drive and
// say what network it would set up.
const readConfigDrive = `
import json, sys
from cloudinit.sources.DataSourceConfigDrive import read_config_drive
from cloudinit.sources.helpers.openstack import convert_net_json
from cloudinit.net import network_state
r = read_config_drive(sys.argv[1])
net = convert_net_json(r.get("networkdata"), known_macs={"52:54:00:12:34:56": "ens3"})
state = network_state.parse_net_config_data(net) if net else None
print(json.dumps({"user": r["userdata"].decode(), "iid": r["metadata"]["instance-id"],
  "name": r["metadata"]["local-hostname"], "version": r["version"],
  "net": state._network_state["interfaces"] if state else None}, default=str))
`

const readNoCloud = `
import json, sys
from cloudinit import util
from cloudinit.sources import DataSourceNoCloud
from cloudinit.net import network_state
d = DataSourceNoCloud._merge_new_seed({"meta-data": {}, "user-data": "", "vendor-data": "", "network-config": None},
  util.pathprefix2dict(sys.argv[1], required=["user-data", "meta-data"], optional=["vendor-data", "network-config"]))
net = d["network-config"]
state = network_state.parse_net_config_data(net) if net else None
print(json.dumps({"user": d["user-data"].decode(), "iid": d["meta-data"]["instance-id"],
  "name": d["meta-data"]["local-hostname"], "version": 2,
  "net": state._network_state["interfaces"] if state else None}, default=str))
`

func TestCloudInitReadsVolumes(t *testing.T) {
	for _, id := range append(identities(t), everything(t)) {
		id := cloudInit(id)
		out := outputs(t, id)
		for name, program := range map[string]string{ignition.NameConfigISO: readConfigDrive, ignition.NameNoCloudISO: readNoCloud} {
			t.Run(id.Cluster+"/"+id.Node+"/"+name, func(t *testing.T) {
				got := python(t, program, extract(t, out[name]))
				if got["user"] != string(out[ignition.NameUserData]) {
					t.Error("user data are not those of the identity")
				}
				var meta struct{ UUID string }
				if err := json.Unmarshal(out[ignition.NameMetaData], &meta); err != nil {
					t.Fatal(err)
				}
				if got["iid"] != meta.UUID || len(meta.UUID) != 36 || got["name"] != id.FQDN || got["version"] != 2.0 {
					t.Errorf("got %v %v %v, want %v %v 2", got["iid"], got["name"], got["version"], meta.UUID, id.FQDN)
				}
				checkNetworkState(t, id, got["net"])
			})
		}
	}
}

// checkNetworkState compares cloud-init's idea of the network to the identity.
func checkNetworkState(t *testing.T, id *ignition.Identity, state any) {
	t.Helper()
	if id.Network == nil {
		if state != nil {
			t.Errorf("cloud-init would set up %v, want its fallback, DHCP", state)
		}
		return
	}
	links, ok := state.(map[string]any)
	if !ok {
		t.Fatalf("cloud-init would set up %v", state)
	}
	text, err := json.Marshal(links)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"192.0.2.77", "2001:db8:77::7", "192.0.2.1", "2001:db8:77::1", "198.51.100.0", "203.0.113.53", "9000"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("cloud-init knows nothing of %s: %s", want, text)
		}
	}
	if len(links) != 3 {
		t.Errorf("cloud-init knows the links %v, want 3", slices.Collect(maps.Keys(links)))
	}
}

// cloudConf is cloud-init's configuration as Debian has it, with the modules
// that matter here, and no others, which would want a network.
const cloudConf = `users: [default]
preserve_hostname: false
network: {config: disabled} # the links of the definition are not in this machine
datasource_list: [SOURCE]
cloud_init_modules: [bootcmd, write-files, set_hostname, update_hostname, users-groups]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts-user]
system_info:
  distro: debian
  default_user: {name: debian, lock_passwd: true, shell: /bin/bash}

  paths: {cloud_dir: /var/lib/cloud/, templates_dir: /etc/cloud/templates/}
`

// fakeSystemctl enables units by the real systemctl, and starts a unit as
// systemd would, because no systemd runs here: what is active is not started
// again.
const fakeSystemctl = `#!/bin/sh
set -e
for unit; do :; done
start() {
	[ ! -e "/run/active-$unit" ] || return 0
	$(sed -n s/^ExecStart=//p "/etc/systemd/system/$unit")
	: >"/run/active-$unit"
}
case "$1 $2" in
daemon-reload*) ;;
"enable --now") /usr/bin/systemctl enable "$unit" && start ;;
enable*) /usr/bin/systemctl enable "$unit" ;;
restart*) rm -f "/run/active-$unit" && start ;;
*) exit 1 ;;
esac
`

// cloudInitSystem is a system that cloud-init has brought up, all four stages.
func cloudInitSystem(t *testing.T, source, seed string, iso []byte) *system {
	t.Helper()
	need.Tool(t, "cloud-init")
	s := newSystem(t)
	s.write(t, "etc/cloud/cloud.cfg", strings.Replace(cloudConf, "SOURCE", source, 1), 0o644)
	s.write(t, "shim/systemctl", fakeSystemctl, 0o755)
	if err := os.MkdirAll(s.path("var/log"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.bootCloudInit(t, seed, iso)
	return s
}

// bootCloudInit boots a system with a seed, all four stages of cloud-init.
func (s *system) bootCloudInit(t *testing.T, seed string, iso []byte) {
	t.Helper()
	dir := s.path("var/lib/cloud/seed/" + seed)
	for _, old := range []string{dir, s.path("run")} {
		if err := os.RemoveAll(old); err != nil {
			t.Fatal(err)
		}
	}
	s.write(t, "run/.keep", "", 0o644)
	if err := os.CopyFS(dir, os.DirFS(extract(t, iso))); err != nil {
		t.Fatal(err)
	}
	// An enabled unit comes before cloud-init's last stage.
	if _, err := os.Lstat(s.path("etc/systemd/system/basic.target.wants/ingot-identity.service")); err == nil {
		s.mustRun(t, "/shim/systemctl", "restart", "ingot-identity.service")
	}
	for _, stage := range [][]string{{"init", "--local"}, {"init"}, {"modules", "--mode=config"}, {"modules", "--mode=final"}} {
		said := s.mustRun(t, append([]string{"/usr/bin/cloud-init"}, stage...)...)
		if strings.Contains(said, "WARNING") {
			t.Errorf("cloud-init %v said: %s", stage, said)
		}
	}
}

// A new ISO at the next boot brings the new identity; the same one, nothing.
func TestCloudInitRenewal(t *testing.T) {
	w := shipped(t, "prod")
	old := cloudInit(w.identity(t, "master0"))
	iso := outputs(t, old)[ignition.NameNoCloudISO]
	s := cloudInitSystem(t, "NoCloud", "nocloud", iso)
	before := tree(t, s.root, loose)
	s.bootCloudInit(t, "nocloud", iso)
	if diff := cmp.Diff(before, tree(t, s.root, loose)); diff != "" {
		t.Errorf("a boot with the same ISO changed the machine: %s", diff)
	}

	renewed := *old
	renewed.Files = nil
	for _, f := range old.Files {
		switch f.Path {
		case "/etc/kubernetes/pki/proxy.crt":
			f.Data = file(t, old, "/etc/kubernetes/pki/dns.crt").Data
		case "/etc/kubernetes/pki/proxy.key":
			continue
		}
		renewed.Files = append(renewed.Files, f)
	}
	s.bootCloudInit(t, "nocloud", outputs(t, &renewed)[ignition.NameNoCloudISO])
	checkBooted(t, s, &renewed)
	if _, err := os.Lstat(s.path("/etc/kubernetes/pki/proxy.key")); err == nil {
		t.Error("a file that the new identity has not is still there")
	}
}

func TestCloudInit(t *testing.T) {
	for _, c := range []struct{ cluster, node string }{{"prod", "master0"}, {"prod", "worker9"}, {"lab", "lab0"}} {
		id := cloudInit(shipped(t, c.cluster).identity(t, c.node))
		out := outputs(t, id)
		for source, volume := range map[string][2]string{
			"NoCloud": {"nocloud", ignition.NameNoCloudISO}, "ConfigDrive": {"config_drive", ignition.NameConfigISO},
		} {
			t.Run(c.node+"/"+source, func(t *testing.T) {
				s := cloudInitSystem(t, source, volume[0], out[volume[1]])
				checkBooted(t, s, id)
				checkNoLeak(t, s, id)
			})
		}
	}
}

// checkNoLeak looks for keys in what everybody may read.
func checkNoLeak(t *testing.T, s *system, id *ignition.Identity) {
	t.Helper()
	secrets := leaks(t, id)
	for _, dir := range []string{"var", "run", "etc", "tmp"} {
		for path := range tree(t, s.path(dir)) {
			path := s.path(filepath.Join(dir, path))
			info, err := os.Lstat(path)
			if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 && !strings.HasPrefix(path, s.path("var/log")) ||
				strings.HasPrefix(path, s.path("var/lib/cloud/seed")) {
				continue
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if found := leaked(secrets, string(data)); len(found) > 0 {
				t.Errorf("%s holds the secrets of %q", path, found)
			}
		}
	}
}

// Ignition and cloud-init must end in the same machine.
func TestSameMachine(t *testing.T) {
	id := everything(t)
	out := outputs(t, id)
	byIgnition := ignitionSystem(t, out[ignition.NameInline], id.Units...)
	startIdentity(t, byIgnition)
	checkBooted(t, byIgnition, id)
	byCloudInit := cloudInitSystem(t, "NoCloud", "nocloud", outputs(t, cloudInit(id))[ignition.NameNoCloudISO])
	checkBooted(t, byCloudInit, id)
	trees := make([]map[string]string, 2)
	for i, s := range []*system{byIgnition, byCloudInit} {
		trees[i] = tree(t, s.root, loose)
	}
	if diff := cmp.Diff(trees[0], trees[1]); diff != "" {
		t.Errorf("machines differ (-Ignition +cloud-init): %s", diff)
	}
	if len(trees[0]) < 80 {
		t.Errorf("only %d files were compared", len(trees[0]))
	}
}

// readGuestinfo has cloud-init's data source for VMware decode guestinfo.
const readGuestinfo = `
import json, sys
from cloudinit.sources import DataSourceVMware as v
g = json.load(open(sys.argv[1]))
get = lambda key: v.decode(key, g["guestinfo." + key + ".encoding"], g["guestinfo." + key])
m = v.process_metadata(v.load_json_or_yaml(get("metadata")))
print(json.dumps({"user": get("userdata"), "iid": m["instance-id"], "name": m["local-hostname"],
  "redact": m["redact"], "net": m.get("network")}))
`

func TestCloudInitReadsGuestinfo(t *testing.T) {
	for _, id := range []*ignition.Identity{cloudInit(shipped(t, "prod").identity(t, "master0")), cloudInit(everything(t))} {
		out := outputs(t, id)
		path := filepath.Join(t.TempDir(), "guestinfo.json")
		if err := os.WriteFile(path, out[ignition.NameGuestinfo], 0o600); err != nil {
			t.Fatal(err)
		}
		got := python(t, readGuestinfo, path)
		if got["user"] != string(out[ignition.NameUserData]) || got["name"] != id.FQDN || (got["net"] != nil) != (id.Network != nil) {
			t.Errorf("%s: cloud-init read %v %v", id.Node, got["name"], got["net"])
		}
	}
}
