package vsphere

import (
	"fmt"

	"github.com/vmware/govmomi/vim25/types"
)

// Names of our settings of a machine, among those that vSphere calls its extra
// configuration.
const (
	markCluster  = "ingot.cluster"
	markImage    = "ingot.image"    // id
	markNode     = "ingot.node"     // name; "-" for a template
	markState    = "ingot.state"    // one of the states
	markIdentity = "ingot.identity" // SHA-256 of the file that it was made with
)

// States of what we make.
const (
	stateMaking = "making"
	stateReady  = "ready"
)

// noNode is the node of a template. It is written, because a clone takes over
// what its template has.
const noNode = "-"

// marks are our settings of a machine.
type marks struct {
	Cluster, Image, Node, State, Identity string
}

// options are the marks as vSphere takes them.
func (m marks) options() []types.BaseOptionValue {
	var out []types.BaseOptionValue
	for _, o := range []struct{ key, value string }{
		{markCluster, m.Cluster}, {markImage, m.Image}, {markNode, m.Node}, {markState, m.State}, {markIdentity, m.Identity},
	} {
		if o.value != "" {
			out = append(out, &types.OptionValue{Key: o.key, Value: o.value})
		}
	}
	return out
}

// marksOf finds our settings among those of a machine.
func marksOf(options []types.BaseOptionValue) marks {
	var m marks
	to := map[string]*string{
		markCluster: &m.Cluster, markImage: &m.Image, markNode: &m.Node, markState: &m.State, markIdentity: &m.Identity,
	}
	for _, o := range options {
		if v := o.GetOptionValue(); v != nil {
			if p, ours := to[v.Key]; ours {
				*p = fmt.Sprint(v.Value)
			}
		}
	}
	return m
}
