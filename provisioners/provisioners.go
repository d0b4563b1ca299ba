// Package provisioners puts the layers of an image together: one package below
// it for each component.
package provisioners

import (
	"errors"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/ingot-k8s/ingot/provisioners/apiendpoint"
	"github.com/ingot-k8s/ingot/provisioners/containerd"
	"github.com/ingot-k8s/ingot/provisioners/controlplane"
	"github.com/ingot-k8s/ingot/provisioners/dns"
	"github.com/ingot-k8s/ingot/provisioners/etcd"
	"github.com/ingot-k8s/ingot/provisioners/extras"
	"github.com/ingot-k8s/ingot/provisioners/identity"
	"github.com/ingot-k8s/ingot/provisioners/kubelet"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/nodecare"
	"github.com/ingot-k8s/ingot/provisioners/nodeexporter"
	"github.com/ingot-k8s/ingot/provisioners/proxy"
	"github.com/ingot-k8s/ingot/provisioners/system"
	"github.com/ingot-k8s/ingot/provisioners/tinc"
)

// Names lists the components whose layers [All] gives, in the same order.
func Names() []string {
	return []string{
		"system", "identity", "tinc", "dns", "apiendpoint", "etcd", "controlplane", "containerd", "kubelet", "proxy",
		"nodeexporter", "nodecare", "extras",
	}
}

// All lists the layers of the cluster's image, from the system up to what the
// definition itself brings. No two of them have the same path. The error lists
// all that is wrong.
func All(c *cluster.Cluster, pub *pki.Public) ([]layer.Layer, error) {
	identityLayer, err := identity.Layer(c, pub)
	tincLayer, tincErr := tinc.Layer(c, pub)
	careLayer, careErr := nodecare.Layer(c)
	extrasLayer, extrasErr := extras.Layer(c)
	if err := errors.Join(err, tincErr, careErr, extrasErr); err != nil {
		return nil, err
	}
	return []layer.Layer{
		system.Layer(c),
		identityLayer,
		tincLayer,
		dns.Layer(c),
		apiendpoint.Layer(c),
		etcd.Layer(c),
		controlplane.Layer(c),
		containerd.Layer(c),
		kubelet.Layer(c),
		proxy.Layer(c),
		nodeexporter.Layer(c),
		careLayer,
		extrasLayer,
	}, nil
}
