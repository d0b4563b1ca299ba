package etcd

import (
	"crypto/sha1" //nolint:gosec // etcd derives its identifiers so
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// ID is an identifier of etcd, of a member or a cluster. Its JSON gateway
// writes them as decimal strings, its logs and its peers in hexadecimal.
type ID uint64

// String is the ID as etcd's logs have it.
func (id ID) String() string { return strconv.FormatUint(uint64(id), 16) }

// MarshalText writes an ID as the gateway does.
func (id ID) MarshalText() ([]byte, error) { return strconv.AppendUint(nil, uint64(id), 10), nil }

// UnmarshalText reads what the gateway writes.
func (id *ID) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	*id = ID(n)
	return err
}

// token is the name under which members agree to start a cluster. It follows
// from the nonces of all, so that no two clusters ever have the same one, even
// with the same members: etcd derives the cluster's ID from it, and members of
// clusters with other IDs refuse one another.
func token(f *Facts, vector []string) string {
	sum := sha256.Sum256([]byte(f.Definition + "\n" + strings.Join(vector, "\n")))
	return f.Cluster + "-" + hex.EncodeToString(sum[:6])
}

// firstMembers are the IDs that etcd gives the members of a new cluster: the
// start of the SHA-1 of peer URL and token (etcd,
// server/etcdserver/api/membership/member.go, computeMemberID).
func firstMembers(f *Facts, token string) []ID {
	var out []ID
	for _, c := range f.Controllers {
		sum := sha1.Sum([]byte(c.PeerURL + token)) //nolint:gosec // as etcd does
		out = append(out, ID(binary.BigEndian.Uint64(sum[:8])))
	}
	return out
}

// clusterID is the ID that etcd gives a new cluster: the start of the SHA-1 of
// the sorted IDs of its members (there, cluster.go, genID).
func clusterID(members []ID) ID {
	sorted := slices.Sorted(slices.Values(members))
	var b []byte
	for _, id := range sorted {
		b = binary.BigEndian.AppendUint64(b, uint64(id))
	}
	sum := sha1.Sum(b) //nolint:gosec // as etcd does
	return ID(binary.BigEndian.Uint64(sum[:8]))
}
