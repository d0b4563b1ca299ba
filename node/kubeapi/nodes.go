package kubeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Node is what is read of a Node object.
type Node struct {
	Spec struct {
		Unschedulable bool `json:"unschedulable"`
	} `json:"spec"`
	Status struct {
		Conditions []Condition `json:"conditions"`
	} `json:"status"`
}

// Condition is one of a node's.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"` // True, False, Unknown
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Condition is the condition of a type, or one of status Unknown.
func (n *Node) Condition(kind string) Condition {
	for _, c := range n.Status.Conditions {
		if c.Type == kind {
			return c
		}
	}
	return Condition{Type: kind, Status: "Unknown"}
}

// Node asks for one node, as the API server has it in its cache.
func (c *Client) Node(ctx context.Context, name string) (*Node, error) {
	data, err := c.do(ctx, request{path: "/api/v1/nodes/" + url.PathEscape(name) + "?resourceVersion=0"})
	if err != nil {
		return nil, err
	}
	var n Node
	if err := json.Unmarshal(data, &n); err != nil {
		return nil, fmt.Errorf("reading node %q of the API: %w", name, err)
	}
	return &n, nil
}

// Meta is what is read of an object's metadata.
type Meta struct {
	Name        string            `json:"name"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// Patch changes labels and annotations: values to set, nil for those to remove.
type Patch struct {
	Labels      map[string]*string `json:"labels,omitempty"`
	Annotations map[string]*string `json:"annotations,omitempty"`
}

// metadataOnly asks for objects without spec and status (kubernetes.io, "API
// Concepts", "Metadata-only fetches").
const metadataOnly = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

// NodeMetadata lists the metadata of all nodes, as the API server has it in its
// cache.
func (c *Client) NodeMetadata(ctx context.Context) ([]Meta, error) {
	data, err := c.do(ctx, request{path: "/api/v1/nodes?resourceVersion=0", accept: metadataOnly})
	if err != nil {
		return nil, err
	}
	var list struct {
		Items []struct {
			Metadata Meta `json:"metadata"`
		} `json:"items"`
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("reading the nodes of the API: %w", err)
	}
	out := make([]Meta, len(list.Items))
	for i := range list.Items {
		out[i] = list.Items[i].Metadata
	}
	return out, nil
}

// PatchNode changes the metadata of a node that is there (RFC 7386, JSON Merge
// Patch).
func (c *Client) PatchNode(ctx context.Context, name string, p *Patch) error {
	body, err := json.Marshal(map[string]*Patch{"metadata": p})
	if err != nil {
		return fmt.Errorf("encoding a patch: %w", err)
	}
	_, err = c.do(ctx, request{
		method: http.MethodPatch, path: "/api/v1/nodes/" + url.PathEscape(name) + "?fieldManager=ingot",
		contentType: "application/merge-patch+json", body: body,
	})
	return err
}
