package kubeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Node is what is read of a Node object.
type Node struct {
	Metadata struct {
		Name              string            `json:"name"`
		ResourceVersion   string            `json:"resourceVersion"`
		Labels            map[string]string `json:"labels"`
		DeletionTimestamp *time.Time        `json:"deletionTimestamp,omitempty"`
	} `json:"metadata"`
	Spec struct {
		Taints        []Taint `json:"taints"`
		Unschedulable bool    `json:"unschedulable"`
	} `json:"spec"`
	Status struct {
		Conditions []Condition `json:"conditions"`
	} `json:"status"`
}

// Taint keeps pods away from a node.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
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
	data, err := c.do(ctx, http.MethodGet, "/api/v1/nodes/"+url.PathEscape(name)+"?resourceVersion=0", "", nil)
	if err != nil {
		return nil, err
	}
	var n Node
	if err := json.Unmarshal(data, &n); err != nil {
		return nil, fmt.Errorf("reading node %q of the API: %w", name, err)
	}
	return &n, nil
}
