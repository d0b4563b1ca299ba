package kubelet_test

import (
	"maps"
	"testing"

	"github.com/ingot-k8s/ingot/provisioners"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
)

// kernelSettings are what the kubelet insists on with protectKernelDefaults
// (kubernetes, pkg/util/sysctl), and what packets between pods, the mesh and
// Services need. The layer system sets them, so that a definition may add its own.
var kernelSettings = map[string]string{
	"kernel.keys.root_maxbytes":           "25000000",
	"kernel.keys.root_maxkeys":            "1000000",
	"kernel.panic":                        "10",
	"kernel.panic_on_oops":                "1",
	"net.bridge.bridge-nf-call-ip6tables": "1",
	"net.bridge.bridge-nf-call-iptables":  "1",
	"net.ipv4.ip_forward":                 "1",
	"net.ipv6.conf.all.forwarding":        "1",
	"vm.overcommit_memory":                "1",
	"vm.panic_on_oom":                     "0",
}

// TestKernelSettings: without them the kubelet does not start.
func TestKernelSettings(t *testing.T) {
	for _, name := range sample.Names() {
		c := sample.Cluster(t, name)
		layers, err := provisioners.All(c, sample.Public(c))
		if err != nil {
			t.Fatal(err)
		}
		sysctls := map[string]string{}
		for _, l := range layers {
			maps.Copy(sysctls, l.Sysctls)
		}
		for key, want := range kernelSettings {
			if sysctls[key] != want {
				t.Errorf("%s: %s is %q, want %q", name, key, sysctls[key], want)
			}
		}
	}
}
