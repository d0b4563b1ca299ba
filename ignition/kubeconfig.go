package ignition

import (
	"fmt"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
)

// kubeconfigs are the components that speak to the API, each with the
// credential it uses.
var kubeconfigs = []struct{ component, credential string }{
	{"controller-manager", "controller-manager"},
	{"dns", "dns"},
	{"kubelet", "kubelet-client"},
	{"proxy", "proxy"},
	{"scheduler", "scheduler"},
}

// kubeconfigFiles writes a kubeconfig for each component that the node has a
// credential for. They refer to keys by path, so they are small, hold no
// secret, and follow when a certificate is replaced.
func kubeconfigFiles(c *cluster.Cluster, m *pki.Material) ([]File, error) {
	var files []File
	for _, k := range kubeconfigs {
		cred, ok := m.Credential(k.credential)
		if !ok {
			continue
		}
		if cred.Authority != pki.Kubernetes {
			return nil, fmt.Errorf("certificate %q is of authority %q (%s)", cred.Name, cred.Authority, pki.Kubernetes)
		}
		stem := credentialStem(cred.Name)
		files = append(files, secret("/etc/kubernetes/"+k.component+".conf", []byte(`apiVersion: v1
kind: Config
clusters:
- name: `+c.Def.Name+`
  cluster:
    certificate-authority: `+authorityPath(pki.Kubernetes)+`
    server: `+c.LocalAPIURL()+`
users:
- name: `+k.component+`
  user:
    client-certificate: `+stem+`.crt
    client-key: `+stem+`.key
contexts:
- name: default
  context: {cluster: `+c.Def.Name+`, user: `+k.component+`}
current-context: default
`)))
	}
	return files, nil
}
