package kube

import (
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// Where things are on a machine. What is in /etc comes with the node's identity.
const (
	Dir     = "/usr/lib/ingot/kubernetes/" // settings of the components that an image carries
	PKI     = "/etc/kubernetes/pki/"
	CA      = PKI + "ca.crt"
	NodeEnv = "/etc/ingot/node.env"
)

// Kubeconfig is the kubeconfig of a component that runs as a user of its own
// and so cannot read the identity's private keys: systemd hands its service a
// copy of its own one, as a credential called client.key. The fixed path is
// the one that systemd.exec(5), LoadCredential=, gives for files of settings.
//
// The certificate's name is that of the identity, such as scheduler.
func Kubeconfig(c *cluster.Cluster, service, certificate string) []byte {
	return []byte(strings.NewReplacer(
		"@CLUSTER@", c.Def.Name, "@CA@", CA, "@SERVER@", c.LocalAPIURL(), "@USER@", certificate,
		"@CERT@", PKI+certificate+".crt", "@KEY@", "/run/credentials/"+service+"/client.key",
	).Replace(`apiVersion: v1
kind: Config
clusters:
- name: @CLUSTER@
  cluster:
    certificate-authority: @CA@
    server: @SERVER@
users:
- name: @USER@
  user:
    client-certificate: @CERT@
    client-key: @KEY@
contexts:
- name: default
  context: {cluster: @CLUSTER@, user: @USER@}
current-context: default
`))
}
