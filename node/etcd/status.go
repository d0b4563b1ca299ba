package etcd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Report is what "ingot-node etcd status --json" prints.
type Report struct {
	Node     string    `json:"node"`
	Decision *Decision `json:"decision"` // null where nothing was decided since the machine was started
	Data     bool      `json:"data"`
	Left     bool      `json:"left"`
	// Cluster and Member are the IDs in this node's data, in hexadecimal.
	Cluster string         `json:"cluster,omitempty"`
	Member  string         `json:"member,omitempty"`
	Quorum  bool           `json:"quorum"` // this node's member is in touch with one
	Role    string         `json:"role"`   // leader, voter, learner, none
	Members []ReportMember `json:"members"`
	Problem string         `json:"problem,omitempty"`
}

// ReportMember is one member as this node sees it.
type ReportMember struct {
	ID      string `json:"id"` // in hexadecimal
	Name    string `json:"name"`
	Role    string `json:"role"` // leader, voter, learner
	Answers bool   `json:"answers"`
	DBSize  int64  `json:"dbSize,omitempty"` // of its database, in bytes
	Version string `json:"version,omitempty"`
}

// Good reports whether the node is a voting member in touch with a quorum.
func (r *Report) Good() bool { return r.Quorum && (r.Role == "voter" || r.Role == "leader") }

// Report asks this node's etcd, or else the others, for the members.
func (k *Keeper) Report(ctx context.Context) (*Report, error) {
	decision, err := readJSON[Decision](k.Root, decisionPath)
	if err != nil {
		return nil, err
	}
	l, err := readLeft(k.Root)
	if err != nil {
		return nil, err
	}
	d, err := readData(k.Root)
	if err != nil {
		return nil, err
	}
	t, err := readTrust(k.Root)
	if err != nil {
		return nil, err
	}
	r := &Report{Node: k.facts.Me().Name, Decision: decision, Data: d.There, Left: l != nil, Role: "none", Members: []ReportMember{}}
	if d.Cluster != 0 {
		r.Cluster, r.Member = d.Cluster.String(), d.Member.String()
	}
	list, err := k.at(t, k.facts.Me().ClientURL).list(ctx)
	r.Quorum = err == nil
	if err != nil {
		r.Problem = "etcd of this node: " + short(err)
		if _, list = (&watch{Keeper: k}).others(ctx, t); list == nil {
			r.Problem += "; no other controller is in touch with a quorum either"
			return r, nil
		}
	}
	for _, m := range list.Members {
		r.add(ctx, k, t, m, m.ID == d.Member)
	}
	return r, nil
}

func (r *Report) add(ctx context.Context, k *Keeper, t *trust, m Member, mine bool) {
	out := ReportMember{ID: m.ID.String(), Name: m.label(), Role: "voter"}
	if m.IsLearner {
		out.Role = "learner"
	}
	if m.started() {
		if s, err := k.at(t, m.ClientURLs[0]).status(ctx); err == nil {
			out.Answers, out.DBSize, out.Version = true, s.DBSize, s.Version
			if s.Leader == m.ID {
				out.Role = "leader"
			}
		}
	}
	if mine {
		r.Role = out.Role
	}
	r.Members = append(r.Members, out)
}

// Text is the report for people, or as JSON.
func (r *Report) Text(asJSON bool) (string, error) {
	if asJSON {
		text, err := json.MarshalIndent(r, "", "  ")
		return string(text) + "\n", err
	}
	var b strings.Builder
	switch {
	case r.Left:
		fmt.Fprintf(&b, "%s has left the cluster of etcd\n", r.Node)
	case r.Role == "none":
		fmt.Fprintf(&b, "%s is no member of etcd\n", r.Node)
	default:
		fmt.Fprintf(&b, "%s is a %s of etcd, member %s of cluster %s\n", r.Node, r.Role, r.Member, r.Cluster)
	}
	if d := r.Decision; d != nil {
		fmt.Fprintf(&b, "decided at %s: %s: %s\n", d.Time.Format("2006-01-02 15:04:05 MST"), d.What, d.Why)
		for _, s := range d.Steps {
			b.WriteString("  " + s + "\n")
		}
	}
	for _, m := range r.Members {
		state := "does not answer"
		if m.Answers {
			state = fmt.Sprintf("%.1f MiB, etcd %s", float64(m.DBSize)/(1<<20), m.Version)
		}
		fmt.Fprintf(&b, "  %-16s %-16s %-8s %s\n", m.Name, m.ID, m.Role, state)
	}
	if r.Problem != "" {
		b.WriteString(r.Problem + "\n")
	}
	return b.String(), nil
}
