package ignition_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/epoch"
	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// The same keys give the same bytes; another clock changes nothing but the
// stamps of the volumes.
func TestOutputsReproducible(t *testing.T) {
	w := shipped(t, "prod")
	both(t, w.identity(t, "master0"), func(t *testing.T, id *ignition.Identity) {
		first := outputs(t, id)
		again := *w.identity(t, "master0")
		again.Provisioning = id.Provisioning
		if diff := cmp.Diff(first, outputs(t, &again)); diff != "" {
			t.Errorf("two runs differ: %s", diff)
		}
		t.Setenv(epoch.Variable, "1700000000")
		for name, data := range outputs(t, id) {
			if same := bytes.Equal(data, first[name]); same == strings.HasSuffix(name, ".iso") {
				t.Errorf("%s with another clock: the same is %v", name, same)
			}
		}
		t.Setenv(epoch.Variable, "tomorrow")
		if _, err := ignition.Outputs(id); err == nil || !strings.Contains(err.Error(), "tomorrow") {
			t.Errorf("a wrong clock: got %v", err)
		}
	})
}

// A machine must see that it has a new identity, and only then.
func TestInstanceID(t *testing.T) {
	w := shipped(t, "prod")
	seen := map[string]string{}
	uuid := func(id *ignition.Identity) string {
		var meta struct{ UUID string }
		if err := json.Unmarshal(outputs(t, id)[ignition.NameMetaData], &meta); err != nil {
			t.Fatal(err)
		}
		return meta.UUID
	}
	for _, node := range []string{"master0", "master1", "worker9"} {
		both(t, w.identity(t, node), func(t *testing.T, id *ignition.Identity) {
			u := uuid(id)
			if len(u) != 36 || u[14] != '8' || !strings.ContainsRune("89ab", rune(u[19])) {
				t.Errorf("%q is not a UUID of version 8", u)
			}
			if other, ok := seen[u]; ok {
				t.Errorf("%s and %s have one ID", node, other)
			}
			seen[u] = node
			changed := *id
			changed.Files = slices.Clone(id.Files)
			changed.Files[3].Data = append(slices.Clone(changed.Files[3].Data), '\n')
			if uuid(&changed) == u {
				t.Error("a changed identity has the same ID")
			}
		})
	}
}

// Every ISO as xorriso reads it, beside the files in the folder.
func TestVolumes(t *testing.T) {
	for _, id := range append(identities(t), everything(t)) {
		both(t, id, func(t *testing.T, id *ignition.Identity) {
			out := outputs(t, id)
			want := map[string][]byte{
				"openstack/latest/user_data":      out[ignition.NameUserData],
				"openstack/latest/meta_data.json": out[ignition.NameMetaData],
			}
			if network, ok := out[ignition.NameNetworkData]; ok {
				want["openstack/latest/network_data.json"] = network
			}
			if bundle, ok := out[ignition.NameBundle]; ok {
				want["ingot/identity.bundle"] = bundle
			}
			seed := map[string][]byte{"user-data": out[ignition.NameUserData], "meta-data": nil, "network-config": nil}
			if id.Boot != nil {
				want[setting.Path], seed[setting.Path] = nil, nil
			}
			checkVolume(t, out[ignition.NameConfigISO], "config-2", want)
			if iso, ok := out[ignition.NameNoCloudISO]; ok {
				checkVolume(t, iso, "cidata", seed)
			}
		})
	}
}

// checkVolume compares a volume to its files; nil stands for any content.
func checkVolume(t *testing.T, iso []byte, label string, want map[string][]byte) {
	t.Helper()
	if got := strings.TrimRight(string(iso[16*2048+40:16*2048+72]), " "); got != label {
		t.Errorf("label is %q, want %q", got, label)
	}
	dir := extract(t, iso)
	got := map[string][]byte{}
	for path, entry := range tree(t, dir) {
		if strings.HasPrefix(entry, "-") {
			data, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil {
				t.Fatal(err)
			}
			got[path] = data
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("%s: files differ (-want +got): %s", label, diff)
	}
	for path, data := range want {
		if data != nil && !bytes.Equal(data, got[path]) {
			t.Errorf("%s: %s has other content", label, path)
		}
	}
}

func TestGuestinfo(t *testing.T) {
	id := everything(t)
	values := func(id *ignition.Identity) map[string]string {
		v := map[string]string{}
		if err := json.Unmarshal(outputs(t, id)[ignition.NameGuestinfo], &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	decode := func(text string, packed bool) string {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if !packed {
			return string(data)
		}
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if data, err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		return string(data)
	}

	v, out := values(id), outputs(t, id)
	if decode(v["guestinfo.ignition.config.data"], true) != string(out[ignition.NameUserData]) ||
		v["guestinfo.ignition.config.data.encoding"] != "gzip+base64" ||
		decode(v["guestinfo.ingot.identity.bundle"], false) != string(out[ignition.NameBundle]) || len(v) != 3 {
		t.Errorf("Ignition: got keys %q", slices.Collect(maps.Keys(v)))
	}
	v, out = values(cloudInit(id)), outputs(t, cloudInit(id))
	if decode(v["guestinfo.userdata"], true) != string(out[ignition.NameUserData]) || v["guestinfo.userdata.encoding"] != "gzip+base64" || len(v) != 4 {
		t.Errorf("cloud-init: got keys %q", slices.Collect(maps.Keys(v)))
	}
	meta := decode(v["guestinfo.metadata"], false)
	for _, want := range []string{`"local-hostname": "ctl-1.every.example.com"`, `"192.0.2.77/24"`, `"redact": [`} {
		if !strings.Contains(meta, want) {
			t.Errorf("metadata has no %s: %s", want, meta)
		}
	}
}

// A renderer that has seen other nodes makes the same of a node as a new one.
func TestRendererRemembersShapesOnly(t *testing.T) {
	var r ignition.Renderer
	for _, id := range identities(t) {
		first, err := ignition.Outputs(id)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			again, err := r.Outputs(id)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(first, again); diff != "" {
				t.Errorf("%s differs:\n%s", id.Node, diff)
			}
		}
	}
}
