// Package kubeapi is a client of the Kubernetes API that is no larger than what
// ingot-node asks: whether the API is ready, Node objects, and Leases.
package kubeapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/node/mtls"
)

// PKI is the folder of the identity's certificates.
const PKI = "/etc/kubernetes/pki"

// serverName is a name that every kube-apiserver's certificate has.
const serverName = "kubernetes"

// maxResponse bounds an answer, in bytes. A page of nodes has a few MB.
const maxResponse = 32 << 20

// Config says whom to ask, as whom.
type Config struct {
	Root    string // folder that stands for /
	Address string // host:port of kube-apiserver or of the node's balancer
	// Credential is the name of a client certificate below PKI; empty asks as
	// nobody, which is enough for health.
	Credential string
	// As is a user that the requests are made for, with the group
	// system:masters; empty for the credential's own.
	As string
}

// Client asks one address. It is safe for use by several goroutines.
type Client struct {
	http *http.Client
	base string
	as   string
}

// StatusError is an answer that is not a success.
type StatusError struct {
	Code    int    // of HTTP
	Message string // what the API says, shortened
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("the API answers %d", e.Code)
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// New makes a client. Nothing is read or dialled before the first request.
func New(cfg Config) *Client {
	at := func(name string) string { return filepath.Join(cfg.Root, PKI, name) }
	conf := mtls.Config{Authority: at("ca.crt"), ServerName: serverName}
	if cfg.Credential != "" {
		conf.Certificate, conf.Key = at(cfg.Credential+".crt"), at(cfg.Credential+".key")
	}
	return &Client{http: mtls.Client(conf), base: "https://" + cfg.Address, as: cfg.As}
}

// Ready asks whether kube-apiserver is ready to serve.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, request{path: "/readyz"})
	return err
}

// request is one to make. Without a method it is GET.
type request struct {
	method, path        string
	accept, contentType string
	body                []byte
}

// do makes one request and reads the whole answer.
func (c *Client) do(ctx context.Context, r request) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "ingot-node")
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	if r.contentType != "" {
		req.Header.Set("Content-Type", r.contentType)
	}
	if c.as != "" { // kubernetes.io, "User impersonation"
		req.Header.Set("Impersonate-User", c.as)
		req.Header.Set("Impersonate-Group", "system:masters")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, mtls.Reason(err)
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	if err != nil {
		return nil, mtls.Reason(err)
	}
	if resp.StatusCode/100 != 2 {
		return nil, &StatusError{Code: resp.StatusCode, Message: message(data)}
	}
	return data, nil
}

// message is the sentence of a Status object, or the start of what else came.
func message(data []byte) string {
	const most = 300
	text := string(data)
	var status struct {
		Message string `json:"message"`
	}
	if json.Unmarshal(data, &status) == nil && status.Message != "" {
		text = status.Message
	}
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.Join(strings.Fields(text), " ")
}
