package identity

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// readPrivate reads a private key and gives its public side, the only part of
// it that leaves this function.
func (c *check) readPrivate(path string) (crypto.PublicKey, error) {
	data, err := c.read(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(data)
	if block == nil || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, fmt.Errorf("%s is not one key in PEM", path)
	}
	var key any
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("%s is not a private key", path)
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s has a key that cannot be read", path)
	}
	return signer.Public(), nil
}

func samePublic(a, b crypto.PublicKey) bool {
	k, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && k.Equal(b)
}

// checkServiceAccount makes sure that what signs service account tokens and
// what checks them are one pair.
func (c *check) checkServiceAccount() {
	if !c.facts.Has("controller") {
		return
	}
	const stem = "/etc/kubernetes/pki/sa"
	private, err := c.readPrivate(stem + ".key")
	if err != nil {
		c.problem("service account key: %v", err)
	}
	data, err := c.read(stem + ".pub")
	if err != nil {
		c.problem("service account key: %v", err)
		return
	}
	block, _ := pem.Decode(data)
	var public any
	if block != nil && block.Type == "PUBLIC KEY" {
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	}
	switch {
	case err != nil || public == nil:
		c.problem("service account key: %s.pub is not a public key in PEM", stem)
	case private != nil && !samePublic(private, public):
		c.problem("service account key: %s.pub and %s.key are not one pair", stem, stem)
	}
}

// meshFiles gives the folder of tinc's settings, and in it the node's own host
// file.
func (c *check) meshFiles() (dir, host string) {
	dir = "/etc/tinc/" + c.facts.Mesh.Interface + "/"
	return dir, dir + "hosts/" + strings.ReplaceAll(c.facts.Name, "-", "_") // tinc knows no hyphen
}

// checkMesh makes sure that the node's private mesh key belongs to the public
// one that the identity has and that the other nodes know from the image.
func (c *check) checkMesh() {
	dir, host := c.meshFiles()
	private, err := c.readPrivate(dir + "rsa_key.priv")
	if err != nil {
		c.problem("mesh key: %v", err)
		return
	}
	data, err := c.read(host)
	if err != nil {
		c.problem("mesh key: %v", err)
		return
	}
	block, _ := pem.Decode(data) // the settings in front of it are left out
	if block == nil || block.Type != "RSA PUBLIC KEY" {
		c.problem("mesh key: %s has no public key", host)
		return
	}
	public, err := x509.ParsePKCS1PublicKey(block.Bytes)
	if err != nil {
		c.problem("mesh key: %s has a public key that cannot be read", host)
		return
	}
	if !samePublic(private, public) {
		c.problem("mesh key: %srsa_key.priv does not belong to the public key in %s", dir, host)
		return
	}
	n, ok := c.image.Node(c.facts.Name)
	if !ok || n.MeshKey == "" || c.facts.Cluster != c.image.Name {
		return
	}
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(public))
	if got := hex.EncodeToString(sum[:]); got != n.MeshKey {
		c.problem("mesh key: that of the identity is %s, and the other nodes know node %s by %s: bake the image again with the keys of today, or take the identity that was made with the image's",
			short(got), c.facts.Name, short(n.MeshKey))
	}
}

// secretFiles are patterns of the files of an identity that only root, or who
// runs etcd, may read.
var secretFiles = []string{
	"/etc/kubernetes/pki/*.key", "/etc/kubernetes/*.conf", "/etc/kubernetes/encryption.yaml",
	"/etc/etcd/pki/*.key", "/etc/tinc/*/rsa_key.priv", "/etc/ingot/identity.bundle",
}

// checkModes puts the modes of secret files right, and refuses owners who have
// nothing to do with them.
func (c *check) checkModes() {
	for _, pattern := range secretFiles {
		paths, err := filepath.Glob(c.at(pattern))
		if err != nil {
			continue // only of a pattern that is wrong, and these are not
		}
		for _, path := range paths {
			c.checkMode(path)
		}
	}
}

func (c *check) checkMode(path string) {
	shown := "/" + strings.TrimPrefix(strings.TrimPrefix(path, c.root), "/")
	info, err := os.Lstat(path)
	if err != nil {
		return // gone since
	}
	if !info.Mode().IsRegular() {
		if !slices.ContainsFunc(c.Problems, func(p string) bool { return strings.Contains(p, shown+" ") }) {
			c.problem("%s is not a regular file", shown)
		}
		return
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && !c.mayOwn(shown, int(stat.Uid)) {
		c.problem("%s belongs to user %d, who could read and change it", shown, stat.Uid)
	}
	mode := info.Mode().Perm()
	if mode&0o077 == 0 {
		return
	}
	const right fs.FileMode = 0o600
	if err := os.Chmod(path, right); err != nil {
		c.problem("%s has mode %04o, and it could not be made %04o", shown, mode, right)
		return
	}
	c.warn("%s had mode %04o, and has %04o now: who was on this machine may have read it", shown, mode, right)
}

// mayOwn reports whether a user may own a secret file: root, who runs this
// program, and for etcd's the user etcd.
func (c *check) mayOwn(path string, uid int) bool {
	if uid == 0 || uid == os.Geteuid() {
		return true
	}
	return strings.HasPrefix(path, "/etc/etcd/") && uid == c.userID("etcd")
}

// userID is the number of a user by the machine's own list, -1 for none.
func (c *check) userID(name string) int {
	data, err := c.read("/etc/passwd")
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Split(line, ":"); len(fields) > 2 && fields[0] == name {
			if uid, err := strconv.Atoi(fields[2]); err == nil {
				return uid
			}
		}
	}
	return -1
}
