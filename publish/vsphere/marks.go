package vsphere

import (
	"fmt"
	"maps"
	"slices"

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

// settings are the marks by their names.
func (m marks) settings() map[string]string {
	out := map[string]string{}
	for key, value := range map[string]string{
		markCluster: m.Cluster, markImage: m.Image, markNode: m.Node, markState: m.State, markIdentity: m.Identity,
	} {
		if value != "" {
			out[key] = value
		}
	}
	return out
}

// options are the marks as vSphere takes them.
func (m marks) options() []types.BaseOptionValue {
	var out []types.BaseOptionValue
	settings := m.settings()
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		out = append(out, &types.OptionValue{Key: key, Value: settings[key]})
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
