package kubelet_test

import (
	"slices"
	"testing"

	"github.com/ingot-k8s/ingot/provisioners"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/layer"
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

// TestAmongOtherLayers: all layers go together, and the others bring what the
// kubelet does not start without.
func TestAmongOtherLayers(t *testing.T) {
	for _, name := range sample.Names() {
		t.Run(name, func(t *testing.T) {
			c := sample.Cluster(t, name)
			layers, err := provisioners.All(c, sample.Public(c))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := layer.Merge(layers...); err != nil {
				t.Error(err)
			}
			if _, err := layer.Users(layers...); err != nil {
				t.Error(err)
			}
			sysctls := map[string]string{}
			var names []string
			for _, l := range layers {
				names = append(names, l.Name)
				for key, value := range l.Sysctls {
					sysctls[key] = value
				}
			}
			for key, want := range kernelSettings {
				if sysctls[key] != want {
					t.Errorf("%s is %q, want %q", key, sysctls[key], want)
				}
			}
			for _, want := range []string{"etcd", "containerd", "kubelet", "proxy", "controlplane"} {
				if !slices.Contains(names, want) {
					t.Errorf("the layer %s is not among %q", want, names)
				}
			}
		})
	}
}
