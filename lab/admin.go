package lab

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"go.yaml.in/yaml/v3"
)

// maxKubeconfig bounds the admin's kubeconfig, in bytes.
const maxKubeconfig = 1 << 20

// admin is what "ingot iso" has put into the admin's kubeconfig.
type admin struct {
	document yaml.Node
	server   *yaml.Node // in it, the URL of the API
	tls      *tls.Config
}

// entries are the parts of a kubeconfig that are used.
type entries struct {
	Clusters []struct {
		Cluster struct {
			Server yaml.Node `yaml:"server"`
			CA     string    `yaml:"certificate-authority-data"`
		} `yaml:"cluster"`
	} `yaml:"clusters"`
	Users []struct {
		User struct {
			Cert string `yaml:"client-certificate-data"`
			Key  string `yaml:"client-key-data"`
		} `yaml:"user"`
	} `yaml:"users"`
}

func readAdmin(path string) (*admin, error) {
	data, err := atomicfile.ReadFile(path, maxKubeconfig)
	if err != nil {
		return nil, &MissingError{What: "admin's kubeconfig", Path: path, Err: cause(err)}
	}
	a, err := parseAdmin(data)
	if err != nil {
		return nil, fmt.Errorf("reading the admin's kubeconfig %q: %w", path, err)
	}
	return a, nil
}

func parseAdmin(data []byte) (*admin, error) {
	a := &admin{}
	if err := yaml.Unmarshal(data, &a.document); err != nil {
		return nil, err
	}
	var e entries
	if err := a.document.Decode(&e); err != nil {
		return nil, err
	}
	if len(e.Clusters) != 1 || len(e.Users) != 1 {
		return nil, fmt.Errorf("it has %d clusters and %d users, want one of each", len(e.Clusters), len(e.Users))
	}
	if a.server = serverOf(&a.document); a.server == nil {
		return nil, errors.New("its cluster has no server")
	}
	var parts [3][]byte
	for i, text := range []string{e.Clusters[0].Cluster.CA, e.Users[0].User.Cert, e.Users[0].User.Key} {
		var err error
		if parts[i], err = base64.StdEncoding.DecodeString(text); err != nil {
			return nil, err
		}
	}
	cert, err := tls.X509KeyPair(parts[1], parts[2])
	if err != nil {
		return nil, err
	}
	a.tls = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{cert}}
	if !a.tls.RootCAs.AppendCertsFromPEM(parts[0]) {
		return nil, errors.New("its cluster has no certificate of an authority")
	}
	return a, nil
}

// serverOf finds the value of clusters[0].cluster.server.
func serverOf(n *yaml.Node) *yaml.Node {
	for _, step := range []string{"", "clusters", "", "cluster", "server"} {
		if step == "" && len(n.Content) > 0 {
			n = n.Content[0]
			continue
		}
		next := (*yaml.Node)(nil)
		for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == step {
				next = n.Content[i+1]
			}
		}
		if next == nil {
			return nil
		}
		n = next
	}
	return n
}

// write makes a kubeconfig that leads to another server.
func (a *admin) write(path, server string) error {
	a.server.SetString(server)
	var text strings.Builder
	e := yaml.NewEncoder(&text)
	e.SetIndent(2)
	e.CompactSeqIndent()
	if err := e.Encode(&a.document); err != nil {
		return fmt.Errorf("writing kubeconfig: %w", err)
	}
	return atomicfile.WriteNoSync(path, []byte(text.String()), 0o600)
}

// client asks one controller's API server.
type client struct {
	name string
	http http.Client
}

const (
	// answerOK is what an API server says that is ready.
	answerOK = "ok"
	// conditionTrue is the status of the condition Ready of a node that is.
	conditionTrue = "True"
	// askTime is how long an answer may take: without KVM, some take seconds.
	askTime = 20 * time.Second
	// maxAnswer bounds an answer, in bytes: a node is some 10 kB.
	maxAnswer = 64 << 20
)

// client is one for the API server that dial leads to. Its certificate is for
// 127.0.0.1 among others.
func (a *admin) client(name string, dial func(context.Context) (net.Conn, error)) *client {
	return &client{name: name, http: http.Client{
		Timeout: askTime,
		Transport: &http.Transport{
			TLSClientConfig: a.tls.Clone(), ForceAttemptHTTP2: true, IdleConnTimeout: time.Minute,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				limited, cancel := context.WithTimeout(ctx, connectWait)
				defer cancel()
				return dial(limited)
			},
		},
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// ask finds out whether the API server is ready: answerOK, or what it says.
func (c *client) ask(ctx context.Context) string {
	body, err := c.get(ctx, "/readyz")
	if err != nil {
		c.http.CloseIdleConnections() // the next attempt is not to wait for this one
		return short(err)
	}
	return strings.TrimSpace(string(body))
}

// nodeState is what the API has on a node.
type nodeState struct {
	ready  string // status of the condition Ready
	bootID string // of the kernel that the kubelet has reported
}

// nodes asks for all nodes, as the API server has them in its memory: it need
// not ask etcd.
func (c *client) nodes(ctx context.Context) (map[string]nodeState, error) {
	body, err := c.get(ctx, "/api/v1/nodes?resourceVersion=0")
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
			Status struct {
				NodeInfo struct {
					BootID string `json:"bootID"`
				} `json:"nodeInfo"`
				Conditions []struct {
					Type   string `json:"type"`
					Status string `json:"status"`
				} `json:"conditions"`
			} `json:"status"`
		} `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, err
	}
	out := map[string]nodeState{}
	for _, n := range list.Items {
		state := nodeState{ready: "Unknown", bootID: n.Status.NodeInfo.BootID}
		for _, condition := range n.Status.Conditions {
			if condition.Type == "Ready" {
				state.ready = condition.Status
			}
		}
		out[n.Metadata.Name] = state
	}
	return out, nil
}

func (c *client) get(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://127.0.0.1"+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }() // it was read
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, refusal(response.Status, body)
	}
	return body, nil
}

// refusal is an answer other than 200, with the reason where Kubernetes gives
// one (meta/v1 Status).
func refusal(status string, body []byte) error {
	var reason struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(body, &reason) == nil && reason.Message != "" {
		return fmt.Errorf("%s: %s", status, reason.Message)
	}
	return errors.New(status)
}

// short is an error without the URL, which is the same for all.
func short(err error) string {
	for {
		inner := errors.Unwrap(err)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			return "no answer in time"
		}
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}
