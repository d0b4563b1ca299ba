package ignition

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition/bundle"
	"github.com/ingot-k8s/ingot/node/boot/setting"
	"github.com/ingot-k8s/ingot/pki"
)

// Identity is what makes a machine one node of one cluster. It is plain data,
// safe for concurrent use once made.
type Identity struct {
	Cluster      string
	Node         string
	FQDN         string
	Zone         string
	Provisioning string    // cluster.ProvisioningIgnition or cluster.ProvisioningCloudInit
	Targets      []string  // where the definition says that machines run
	Time         time.Time // when the newest of the node's certificates begins: the clock of reproducible outputs

	Files   []File           // sorted by path, each path once
	Units   []Unit           // sorted by name, each name once
	Users   []User           // login accounts
	Network *cluster.Network // static network, nil for DHCP
	Boot    *setting.Setting // what the boot ISO does with the machine; nil where nothing is said
}

// File is one file as it will be on the machine.
type File struct {
	Path  string      // absolute and clean
	Mode  fs.FileMode // permission bits only
	Owner string      // user:group by name; with a question mark in front, root where there is no such user
	Data  []byte
	// Early files are written by the provisioning tool itself, because they are
	// needed before, or in order that, the bundle is unpacked. They stand readable
	// in the config, so nothing early may be secret.
	Early bool
}

// Unit is a systemd unit in /etc/systemd/system.
type Unit struct {
	Name    string
	Enabled bool
	Content string
}

// User is a login account without a password.
type User struct {
	Name    string
	SSHKeys []string // in authorized_keys form
}

// MeshPeers are the public mesh keys of nodes by name, as PEM blocks of type
// RSA PUBLIC KEY.
type MeshPeers map[string][]byte

// rootOwner owns everything that nothing else is said of.
const rootOwner = "root:root"

// Modes of files. Secrets are for root alone.
const (
	modePublic fs.FileMode = 0o644
	modeSecret fs.FileMode = 0o600
	modeScript fs.FileMode = 0o755
	modeSudo   fs.FileMode = 0o440 // sudoers(5) wants exactly this
)

// New makes the identity of a node from its key material. Peers must hold the
// keys of the nodes that MeshPeerNames lists, unless the cluster's image carries
// what is common (identity.common: false). The error names the node.
func New(c *cluster.Cluster, n *cluster.Node, m *pki.Material, peers MeshPeers) (*Identity, error) {
	id := &Identity{
		Cluster: c.Def.Name, Node: n.Name, FQDN: c.FQDN(n), Zone: n.Spec.Zone,
		Provisioning: c.Def.Provisioning, Targets: c.Def.Image.Targets,
		Network: n.Spec.Network, Boot: c.BootSetting(n),
	}
	for _, cred := range m.Credentials {
		if cred.Cert != nil && cred.Cert.NotBefore.After(id.Time) {
			id.Time = cred.Cert.NotBefore.UTC()
		}
	}
	parts := []func() ([]File, error){
		func() ([]File, error) { return factFiles(c, n) },
		func() ([]File, error) { return pkiFiles(c, n, m) },
		func() ([]File, error) { return kubeconfigFiles(c, m) },
		func() ([]File, error) { return meshFiles(c, n, m, peers) },
		func() ([]File, error) { return etcdFiles(c, n), nil },
		func() ([]File, error) { return networkFiles(n.Spec.Network), nil },
		func() ([]File, error) { return extraFiles(c, n) },
	}
	for _, part := range parts {
		files, err := part()
		if err != nil {
			return nil, fmt.Errorf("identity of node %q: %w", n.Name, err)
		}
		id.Files = append(id.Files, files...)
	}
	users, files := access(c)
	id.Users, id.Files = users, append(id.Files, files...)
	id.Units = extraUnits(c, n)
	slices.SortFunc(id.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(id.Units, func(a, b Unit) int { return cmp.Compare(a.Name, b.Name) })
	if err := id.check(); err != nil {
		return nil, fmt.Errorf("identity of node %q: %w", n.Name, err)
	}
	return id, nil
}

// check finds what would not arrive on the machine as it stands here.
func (id *Identity) check() error {
	var problems []error
	for i, f := range id.Files {
		if err := checkFilePath(f.Path); err != nil {
			problems = append(problems, err)
		}
		if i > 0 && id.Files[i-1].Path == f.Path {
			problems = append(problems, fmt.Errorf("file %q is there twice: the definition's own files cannot replace those of the identity", f.Path))
		}
	}
	for i, u := range id.Units {
		if u.Name == unitName {
			problems = append(problems, fmt.Errorf("unit %q is the identity's own and cannot be replaced", u.Name))
		}
		if i > 0 && id.Units[i-1].Name == u.Name {
			problems = append(problems, fmt.Errorf("unit %q is there twice", u.Name))
		}
	}
	return errors.Join(problems...)
}

// ownPaths are written by the unpacker or read by it.
var ownPaths = []string{bundlePath, pinPath, appliedPath, unpackPath, fetchPath}

func checkFilePath(p string) error {
	switch {
	case !strings.HasPrefix(p, "/") || p == "/":
		return fmt.Errorf("file %q: path is not absolute", p)
	case !bundle.IsClean(p):
		return fmt.Errorf("file %q: path has empty parts, \".\" or \"..\" in it, or a slash at the end", p)
	case strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }) || strings.HasSuffix(p, " "):
		return fmt.Errorf("file %q: path has control characters or a space at the end", p)
	case slices.Contains(ownPaths, p):
		return fmt.Errorf("file %q is the identity's own and cannot be replaced", p)
	}
	return nil
}

// public, secret and early make the usual kinds of files.
func public(path, content string) File {
	return File{Path: path, Mode: modePublic, Owner: rootOwner, Data: []byte(content)}
}

func secret(path string, data []byte) File {
	return File{Path: path, Mode: modeSecret, Owner: rootOwner, Data: data}
}

func early(path string, mode fs.FileMode, content string) File {
	return File{Path: path, Mode: mode, Owner: rootOwner, Data: []byte(content), Early: true}
}
