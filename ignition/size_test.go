package ignition_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
)

// Every node of the shipped clusters must fit where there is nothing but user
// data, by either tool. The sizes are printed with "go test -v".
func TestSize(t *testing.T) {
	for _, id := range identities(t) {
		both(t, id, func(t *testing.T, id *ignition.Identity) {
			files, err := ignition.Outputs(id)
			if err != nil {
				t.Fatal(err)
			}
			size := ignition.Size(files)
			for _, f := range files {
				t.Logf("%s/%s %s: %d bytes", id.Cluster, id.Node, f.Name, len(f.Data))
			}
			if size == 0 || size > ignition.UserDataLimit {
				t.Errorf("%s/%s has %d bytes, and at most %d are allowed", id.Cluster, id.Node, size, ignition.UserDataLimit)
			}
		})
	}
}

func TestTooLarge(t *testing.T) {
	noise := make([]byte, 60<<10)
	for i := range noise {
		noise[i] = byte(rand.Int())
	}
	id := *shipped(t, "prod").identity(t, "worker9")
	id.Files = append([]ignition.File{{Path: "/etc/app/model.bin", Mode: 0o644, Owner: "root:root", Data: noise}}, id.Files...)
	both(t, &id, func(t *testing.T, id *ignition.Identity) {
		_, err := ignition.Outputs(id)
		var large *ignition.TooLargeError
		if !errors.As(err, &large) {
			t.Fatalf("got %v, want a *TooLargeError", err)
		}
		if large.Target != "digitalocean" || large.Node != "worker9" || large.Parts[0].Path != "/etc/app/model.bin" || large.Parts[0].Size < 80_000 {
			t.Errorf("got %+v", large)
		}
		for _, want := range []string{`"worker9"`, "/etc/app/model.bin 8", "target digitalocean takes at most 65536", "rsa_key.priv"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("error does not say %q: %v", want, err)
			}
		}
		id.Targets = []string{"qemu", "esxi"}
		if _, err := ignition.Outputs(id); err == nil || !strings.Contains(err.Error(), "target esxi takes at most 65280") {
			t.Errorf("guestinfo: got %v", err)
		}
		id.Targets = []string{"metal"}
		out := outputs(t, id)
		if out[ignition.NameConfigISO] == nil || out[ignition.NameGuestinfo] != nil || out[ignition.NameInline] != nil {
			t.Error("a drive takes any size: want config.iso, without guestinfo.json and user_data.inline")
		}
	})
}

func BenchmarkNode(b *testing.B) {
	w := shipped(b, "prod")
	n, _ := w.cluster.Node("master0")
	for _, p := range []string{cluster.ProvisioningIgnition, cluster.ProvisioningCloudInit} {
		b.Run(p, func(b *testing.B) {
			dir := b.TempDir()
			for b.Loop() {
				id, err := ignition.New(w.cluster, n, w.material[n.Name], w.peers)
				if err != nil {
					b.Fatal(err)
				}
				id.Provisioning = p
				files, err := ignition.Outputs(id)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := ignition.WriteNode(dir, files); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Keys that cannot be small are no error: a drive holds them.
func TestLargeKeys(t *testing.T) {
	w := newWorld(t, `apiVersion: ingot/v1
kind: Cluster
name: rsa
domain: rsa.example.com
pki: {keyType: rsa-2048}
mesh: {keyBits: 3072}
image: {targets: [qemu, esxi, digitalocean, metal]}
nodes:
  - {name: c0, roles: [controller], address: 192.0.2.1}
`)
	both(t, w.identity(t, "c0"), func(t *testing.T, id *ignition.Identity) {
		files, err := ignition.Outputs(id)
		if err != nil {
			t.Fatal(err)
		}
		if size := ignition.Size(files); size <= ignition.UserDataLimit {
			t.Errorf("%d bytes: is this test of any worth?", size)
		}
		for _, f := range files {
			if f.Name != ignition.NameConfigISO {
				continue
			}
			in, human, _ := look(t, f.Data, id.Time.Add(time.Hour))
			if in.Node != "c0" || len(in.Certificates) != 16 || strings.Contains(human, "PRIVATE KEY") {
				t.Errorf("got %s", human)
			}
		}
	})
}
