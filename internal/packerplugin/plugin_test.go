package packerplugin

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRelease(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3": "1.2.3", "1.2.3": "1.2.3", "v1.2.3-4-gabcdef0-dirty": "1.2.3", "v1.2.3-rc1": "1.2.3",
		"dev": "0.0.0", "abcdef0": "0.0.0", "": "0.0.0",
	} {
		if got := release(version); got != want {
			t.Errorf("%q is released as %q, want %q", version, got, want)
		}
	}
}

// What a template may name; a name that is here stays.
func TestSet(t *testing.T) {
	set := Set()
	got := map[string][]string{
		"builders": slices.Sorted(maps.Keys(set.Builders)), "data sources": slices.Sorted(maps.Keys(set.Datasources)),
		"provisioners": slices.Sorted(maps.Keys(set.Provisioners)), "post-processors": slices.Sorted(maps.Keys(set.PostProcessors)),
	}
	want := map[string][]string{
		"builders": {"image"}, "data sources": {"cluster"}, "post-processors": {"digitalocean", "ova", "qcow2", "raw-gz", "vmdk", "vsphere"},
		"provisioners": {
			"apiendpoint", "clean", "containerd", "controlplane", "dns", "etcd", "extras", "identity", "kubelet", "node", "nodecare",
			"nodeexporter", "proxy", "system", "tinc",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the plugin has others (-want +got):\n%s", diff)
	}
}
