package etcd

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Member is a member of a cluster of etcd.
type Member struct {
	ID         ID       `json:"ID"`
	Name       string   `json:"name"` // empty until it was started
	PeerURLs   []string `json:"peerURLs"`
	ClientURLs []string `json:"clientURLs"`
	IsLearner  bool     `json:"isLearner"`
}

// started reports whether a member has told the others where it serves, which
// it does once it takes part.
func (m Member) started() bool { return len(m.ClientURLs) > 0 }

// label is what people call a member.
func (m Member) label() string {
	if m.Name != "" {
		return m.Name
	}
	return strings.Join(m.PeerURLs, ",")
}

// header is that of every answer of etcd.
type header struct {
	ClusterID ID `json:"cluster_id"`
	MemberID  ID `json:"member_id"`
}

// MemberStatus is what a member says of itself.
type MemberStatus struct {
	Header    header   `json:"header"`
	Version   string   `json:"version"`
	Leader    ID       `json:"leader"`
	DBSize    int64    `json:"dbSize,string"`
	IsLearner bool     `json:"isLearner"`
	Errors    []string `json:"errors"`
}

// membership is a member list, with the cluster that it is of.
type membership struct {
	Header  header   `json:"header"`
	Member  *Member  `json:"member"` // the one that was added
	Members []Member `json:"members"`
}

// dialFunc opens a connection, as net.Dialer.DialContext does.
type dialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// web asks others over HTTP. Each request has a connection of its own: it is
// asked rarely, and what answers at an address may be another than before.
type web struct {
	dial    dialFunc
	timeout time.Duration
}

// refusal is an answer with another status than 200.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string {
	return fmt.Sprintf("status %d: %s", r.status, r.message)
}

// do sends one request and reads its answer.
func (w web) do(ctx context.Context, config *tls.Config, method, url string, body []byte) ([]byte, http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, w.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{DialContext: w.dial, TLSClientConfig: config, DisableKeepAlives: true, TLSHandshakeTimeout: w.timeout}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = answer.Body.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, answer.Header, &refusal{status: answer.StatusCode, message: complaint(text)}
	}
	return text, answer.Header, nil
}

// maxAnswer bounds an answer, in bytes; metrics of etcd have about 200 KiB.
const maxAnswer = 8 << 20

// complaint is the message of an error of the gateway.
func complaint(text []byte) string {
	var e struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	if json.Unmarshal(text, &e) == nil && e.Message+e.Error != "" {
		if e.Message != "" {
			return e.Message
		}
		return e.Error
	}
	return strings.Join(strings.Fields(string(text[:min(len(text), 200)])), " ")
}

// member is a member's endpoint for clients.
type member struct {
	web
	config *tls.Config
	url    string
}

// call is one call of etcd's JSON gateway.
func (m member) call(ctx context.Context, path string, request, answer any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	text, _, err := m.do(ctx, m.config, http.MethodPost, m.url+path, body)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, answer)
}

// quorum proves that the member is in touch with a quorum: it can only answer
// a linearizable read once it has everything that was committed before.
func (m member) quorum(ctx context.Context) error {
	var answer struct{}
	// One key that need not exist: "ingot", in base64.
	return m.call(ctx, "/v3/kv/range", map[string]any{"key": "aW5nb3Q=", "count_only": true}, &answer)
}

// list is the member list as it was committed after the call began. A list
// that follows a linearizable read is what the field "linearizable" of the
// request gives since etcd 3.5; 3.4 refuses that field.
func (m member) list(ctx context.Context) (*membership, error) {
	if err := m.quorum(ctx); err != nil {
		return nil, err
	}
	var out membership
	if err := m.call(ctx, "/v3/cluster/member/list", struct{}{}, &out); err != nil {
		return nil, err
	}
	if out.Header.ClusterID == 0 || len(out.Members) == 0 {
		return nil, errors.New("the member list is empty")
	}
	return &out, nil
}

func (m member) status(ctx context.Context) (*MemberStatus, error) {
	var out MemberStatus
	return &out, m.call(ctx, "/v3/maintenance/status", struct{}{}, &out)
}

// add adds a member that takes part in no vote yet.
func (m member) add(ctx context.Context, peerURL string) (*membership, error) {
	var out membership
	err := m.call(ctx, "/v3/cluster/member/add", map[string]any{"peerURLs": []string{peerURL}, "isLearner": true}, &out)
	if err == nil && (out.Member == nil || out.Member.ID == 0) {
		err = errors.New("the answer does not have the new member")
	}
	return &out, err
}

func (m member) remove(ctx context.Context, id ID) error {
	var out membership
	return m.call(ctx, "/v3/cluster/member/remove", map[string]ID{"ID": id}, &out)
}

func (m member) promote(ctx context.Context, id ID) error {
	var out membership
	return m.call(ctx, "/v3/cluster/member/promote", map[string]ID{"ID": id}, &out)
}

func (m member) moveLeader(ctx context.Context, to ID) error {
	var out struct{}
	return m.call(ctx, "/v3/maintenance/transfer-leadership", map[string]ID{"targetID": to}, &out)
}

// own finds the entries of a list that are this node's, by name or peer URL.
func own(list []Member, me Controller) []Member {
	var out []Member
	for _, m := range list {
		if m.Name == me.Name || slices.Contains(m.PeerURLs, me.PeerURL) {
			out = append(out, m)
		}
	}
	return out
}

// exactly reports whether an entry is this node's and no other's: its peer URL
// alone, and its name once it has one.
func exactly(m Member, me Controller) bool {
	return slices.Equal(m.PeerURLs, []string{me.PeerURL}) && (m.Name == me.Name || m.Name == "")
}

// byID finds a member.
func byID(list []Member, id ID) (Member, bool) {
	i := slices.IndexFunc(list, func(m Member) bool { return m.ID == id })
	if i < 0 {
		return Member{}, false
	}
	return list[i], true
}

// voters are the members that count.
func voters(list []Member) []Member {
	return slices.DeleteFunc(slices.Clone(list), func(m Member) bool { return m.IsLearner })
}
