package kubeapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Lease is what is read of a Lease object (kubernetes.io, "Lease").
type Lease struct {
	// Version is the object's resourceVersion: a change of the Lease names the
	// one that it was made from.
	Version string
	Holder  string // empty for nobody
	// Duration is for how long the holder has not to be taken for gone; zero
	// where nothing says so.
	Duration time.Duration
	// Renewed and Acquired are by the holder's clock, as it wrote them: they say
	// whether the record has changed, and nothing about the time here.
	Renewed, Acquired string
	Transitions       int // how often another holder has taken it
}

// lease is the object in JSON.
type lease struct {
	Metadata struct {
		Version string `json:"resourceVersion,omitempty"`
	} `json:"metadata"`
	Spec struct {
		// Null takes the holder away.
		Holder      *string `json:"holderIdentity"`
		Seconds     *int    `json:"leaseDurationSeconds,omitempty"`
		Renewed     string  `json:"renewTime,omitempty"`
		Acquired    string  `json:"acquireTime,omitempty"`
		Transitions *int    `json:"leaseTransitions,omitempty"`
	} `json:"spec"`
}

// microTime is how the API writes the times of a Lease (metav1.MicroTime).
const microTime = "2006-01-02T15:04:05.000000Z07:00"

// MicroTime is a time in the form of a Lease's.
func MicroTime(t time.Time) string { return t.UTC().Format(microTime) }

func leasePath(namespace, name string) string {
	return "/apis/coordination.k8s.io/v1/namespaces/" + url.PathEscape(namespace) + "/leases/" + url.PathEscape(name)
}

// Lease asks for one Lease, as etcd has it.
func (c *Client) Lease(ctx context.Context, namespace, name string) (*Lease, error) {
	data, err := c.do(ctx, request{path: leasePath(namespace, name)})
	if err != nil {
		return nil, err
	}
	return parseLease(data)
}

// PatchLease writes the holder's fields of a Lease that is there, if it is still
// of the version that l has, and gives what it is then. Else the error is a
// [StatusError] of code 409.
func (c *Client) PatchLease(ctx context.Context, namespace, name string, l *Lease) (*Lease, error) {
	var o lease
	o.Metadata.Version = l.Version
	if l.Holder != "" {
		o.Spec.Holder = &l.Holder
	}
	if seconds := int(l.Duration / time.Second); seconds > 0 {
		o.Spec.Seconds = &seconds
	}
	o.Spec.Renewed, o.Spec.Acquired, o.Spec.Transitions = l.Renewed, l.Acquired, &l.Transitions
	body, err := json.Marshal(&o)
	if err != nil {
		return nil, fmt.Errorf("encoding a Lease: %w", err)
	}
	data, err := c.do(ctx, request{
		method: http.MethodPatch, path: leasePath(namespace, name) + "?fieldManager=ingot-edge",
		contentType: "application/merge-patch+json", body: body,
	})
	if err != nil {
		return nil, err
	}
	return parseLease(data)
}

func parseLease(data []byte) (*Lease, error) {
	var o lease
	if err := json.Unmarshal(data, &o); err != nil {
		return nil, fmt.Errorf("reading a Lease of the API: %w", err)
	}
	l := &Lease{Version: o.Metadata.Version, Renewed: o.Spec.Renewed, Acquired: o.Spec.Acquired}
	if o.Spec.Holder != nil {
		l.Holder = *o.Spec.Holder
	}
	if o.Spec.Seconds != nil {
		l.Duration = time.Duration(*o.Spec.Seconds) * time.Second
	}
	if o.Spec.Transitions != nil {
		l.Transitions = *o.Spec.Transitions
	}
	return l, nil
}
