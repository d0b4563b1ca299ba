package pki

import (
	"bytes"
	"fmt"
	"net/url"

	"github.com/ingot-k8s/ingot/cluster"
	"go.yaml.in/yaml/v3"
)

// The parts of a kubeconfig that we write (k8s.io/client-go, clientcmd/api/v1).
type (
	kubeconfig struct {
		APIVersion     string         `yaml:"apiVersion"`
		Kind           string         `yaml:"kind"`
		Clusters       []kubeCluster  `yaml:"clusters"`
		Users          []kubeUser     `yaml:"users"`
		Contexts       []kubeContext  `yaml:"contexts"`
		CurrentContext string         `yaml:"current-context"`
		Preferences    map[string]any `yaml:"preferences"`
	}
	kubeCluster struct {
		Name    string `yaml:"name"`
		Cluster struct {
			Server string `yaml:"server"`
			CA     b64    `yaml:"certificate-authority-data"`
		} `yaml:"cluster"`
	}
	kubeUser struct {
		Name string `yaml:"name"`
		User struct {
			Cert b64 `yaml:"client-certificate-data"`
			Key  b64 `yaml:"client-key-data"`
		} `yaml:"user"`
	}
	kubeContext struct {
		Name    string `yaml:"name"`
		Context struct {
			Cluster string `yaml:"cluster"`
			User    string `yaml:"user"`
		} `yaml:"context"`
	}
)

// Kubeconfig writes a kubeconfig with embedded certificates for a credential:
// the cluster is called as in the definition, user and context <cluster>-<name>,
// where name is the certificate's common name. endpoint is the URL of the API,
// by default [cluster.Cluster.ExternalAPIURL]; caPEM is the authority of its
// certificate. The same input gives the same bytes. They hold a private key.
func Kubeconfig(c *cluster.Cluster, cred *Credential, endpoint string, caPEM []byte) ([]byte, error) {
	if endpoint == "" {
		endpoint = c.ExternalAPIURL()
	}
	if u, err := url.Parse(endpoint); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("writing kubeconfig: endpoint %q is not a URL of the form https://host:port", endpoint)
	}
	if _, err := parseCert(caPEM); err != nil {
		return nil, fmt.Errorf("writing kubeconfig: authority: %w", err)
	}
	name := c.Def.Name + "-" + cred.Cert.Subject.CommonName
	k := kubeconfig{
		APIVersion: "v1", Kind: "Config",
		Clusters: make([]kubeCluster, 1), Users: make([]kubeUser, 1), Contexts: make([]kubeContext, 1),
		CurrentContext: name, Preferences: map[string]any{},
	}
	k.Clusters[0].Name = c.Def.Name
	k.Clusters[0].Cluster.Server = endpoint
	k.Clusters[0].Cluster.CA = caPEM
	k.Users[0].Name = name
	k.Users[0].User.Cert, k.Users[0].User.Key = cred.CertPEM, cred.KeyPEM
	k.Contexts[0].Name = name
	k.Contexts[0].Context.Cluster, k.Contexts[0].Context.User = c.Def.Name, name
	return encodeYAML(k)
}

// b64 is data that YAML has as base64 text.
type b64 []byte

// MarshalYAML implements yaml.Marshaler.
func (b b64) MarshalYAML() (any, error) { return base64Text(b), nil }

// encodeYAML writes YAML with the indentation of kubectl.
func encodeYAML(v any) ([]byte, error) {
	var b bytes.Buffer
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("writing kubeconfig: %w", err)
	}
	if err := e.Close(); err != nil {
		return nil, fmt.Errorf("writing kubeconfig: %w", err)
	}
	return b.Bytes(), nil
}
