package sample

import (
	"encoding/pem"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
)

// Public is what an image has of a cluster's key store, with names in place of
// keys, so that it is always the same.
func Public(c *cluster.Cluster) *pki.Public {
	pub := &pki.Public{CAs: map[pki.Authority][]byte{}, MeshKeys: map[string][]byte{}}
	for _, a := range pki.Authorities() {
		pub.CAs[a] = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("authority " + a + " of " + pki.Authority(c.Def.Name))})
	}
	for i := range c.Nodes {
		pub.MeshKeys[c.Nodes[i].Name] = pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: []byte("mesh key of " + c.Nodes[i].Name)})
	}
	return pub
}

// Must is a layer that has no error, for [Golden].
func Must[L any](l L, err error) L {
	if err != nil {
		panic(err)
	}
	return l
}
