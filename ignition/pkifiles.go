package ignition

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
)

// Folders of keys and certificates: where kubeadm, and so most documentation,
// has those of Kubernetes, and etcd's beside its settings.
const (
	kubePKI        = "/etc/kubernetes/pki/"
	etcdPKI        = "/etc/etcd/pki/"
	encryptionPath = "/etc/kubernetes/encryption.yaml"
)

// credentialStem is the path of a credential without .crt or .key.
func credentialStem(name string) string {
	if rest, ok := strings.CutPrefix(name, "etcd-"); ok {
		return etcdPKI + rest
	}
	return kubePKI + name
}

// authorityPath is the path of an authority's certificate.
func authorityPath(a pki.Authority) string {
	switch a {
	case pki.Etcd:
		return etcdPKI + "ca.crt"
	case pki.FrontProxy:
		return kubePKI + "front-proxy-ca.crt"
	default:
		return kubePKI + "ca.crt"
	}
}

// ownerOf gives etcd's files to the user that runs it, where there is one.
func ownerOf(stem string) string {
	if strings.HasPrefix(stem, etcdPKI) {
		return etcdOwner
	}
	return rootOwner
}

func pkiFiles(c *cluster.Cluster, n *cluster.Node, m *pki.Material) ([]File, error) {
	var files []File
	needed := map[pki.Authority]bool{pki.Kubernetes: true}
	for _, cred := range m.Credentials {
		stem := credentialStem(cred.Name)
		if len(cred.CertPEM) == 0 || len(cred.KeyPEM) == 0 {
			return nil, fmt.Errorf("certificate %q comes without its certificate or its key", cred.Name)
		}
		files = append(files,
			File{Path: stem + ".crt", Mode: modePublic, Owner: ownerOf(stem), Data: cred.CertPEM},
			File{Path: stem + ".key", Mode: modeSecret, Owner: ownerOf(stem), Data: cred.KeyPEM})
		needed[cred.Authority] = true
	}
	for _, a := range pki.Authorities() {
		if !needed[a] {
			continue
		}
		cert, ok := m.CAs[a]
		if !ok {
			return nil, fmt.Errorf("certificate of authority %q is missing", a)
		}
		path := authorityPath(a)
		files = append(files, File{Path: path, Mode: modePublic, Owner: ownerOf(path), Data: cert})
	}
	if !n.Has(cluster.Controller) {
		return files, nil
	}
	if len(m.ServiceAccountKeyPEM) == 0 || len(m.ServiceAccountPubPEM) == 0 {
		return nil, fmt.Errorf("service account key is missing, and %q is a controller", n.Name)
	}
	files = append(files, secret(kubePKI+"sa.key", m.ServiceAccountKeyPEM), public(kubePKI+"sa.pub", string(m.ServiceAccountPubPEM)))
	if *c.Def.Features.Encryption {
		if len(m.EncryptionKey) != encryptionKeySize {
			return nil, fmt.Errorf("encryption key has %d bytes (%d), and %q is a controller", len(m.EncryptionKey), encryptionKeySize, n.Name)
		}
		files = append(files, secret(encryptionPath, encryptionConfig(m.EncryptionKey)))
	}
	return files, nil
}

// encryptionKeySize is what secretbox (XSalsa20-Poly1305) takes, in bytes.
const encryptionKeySize = 32

// encryptionConfig has kube-apiserver encrypt Secrets, and read those that
// were written before encryption was switched on (kubernetes.io, "Encrypting
// Confidential Data at Rest").
func encryptionConfig(key []byte) []byte {
	return []byte(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources: [secrets]
  providers:
  - secretbox:
      keys:
      - name: key1
        secret: ` + base64.StdEncoding.EncodeToString(key) + `
  - identity: {}
`)
}
