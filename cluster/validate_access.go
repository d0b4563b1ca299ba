package cluster

import (
	"crypto/rsa"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// minRSABits is the least that OpenSSH itself would still make, and what age demands.
const minRSABits = 2048

// userName is what Debian's adduser takes.
var userName = regexp.MustCompile(`^[a-z_][-a-z0-9_]{0,31}$`)

// systemUsers are accounts of Debian's base and of Ingot's components that
// nobody logs in to.
var systemUsers = []string{
	"_apt", "backup", "bin", "daemon", "etcd", "games", "haproxy", "irc", "list", "lp", "mail", "man", "messagebus", "news",
	"nobody", "prometheus", "proxy", "sshd", "sync", "sys", "systemd-network", "systemd-resolve", "systemd-timesync", "uucp", "www-data",
}

// sshKeyTypes are the keys that may log in. DSA is broken by its size.
var sshKeyTypes = []string{
	ssh.KeyAlgoED25519, ssh.KeyAlgoSKED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKECDSA256, ssh.KeyAlgoRSA,
}

func (v *validator) checkAccess() {
	const path = "access.user"
	switch user := v.def.Access.User; {
	case !userName.MatchString(user):
		v.errorf(path, "%s is not a user name; want 1 to 32 lower case letters, digits, dashes and underscores, with a letter first", quoted(user))
	case slices.Contains(systemUsers, user):
		v.errorf(path, "%s is an account of the system that nobody may log in to; take another name", quoted(user))
	}
	keys := seen{}
	each("access.sshKeys", v.def.Access.SSHKeys, func(at, s string) { v.checkSSHKey(at, s, keys) })
}

func (v *validator) checkSSHKey(path, s string, keys seen) {
	const allowed = "want one line as in a .pub file, such as ssh-ed25519 AAAA... ops@example.com"
	s = strings.TrimSpace(s)
	if hasPrivateKey(s) || base64PrivateKey(s) {
		v.hide(s)
		v.errorf(path, "a private key (not shown) where the public one belongs; take it out of this file, and consider it known to others; %s", allowed)
		return
	}
	if strings.ContainsAny(s, "\r\n") {
		v.errorf(path, "more than one line; %s", allowed)
		return
	}
	if strings.HasPrefix(s, "age1") {
		v.errorf(path, "an age recipient, which cannot log in; it belongs to pki.recipients; here %s", allowed)
		return
	}
	// Certificates and DSA keys are told apart before parsing, which no
	// version of the SSH package does alike.
	for _, word := range strings.Fields(s) {
		if strings.HasSuffix(word, "-cert-v01@openssh.com") {
			v.errorf(path, "an SSH certificate, which expires; %s", allowed)
			return
		}
		if word == ssh.InsecureKeyAlgoDSA { //nolint:staticcheck // named to refuse it
			v.errorf(path, "a DSA key, which is too weak and refused by OpenSSH itself; allowed: %s", strings.Join(sshKeyTypes, ", "))
			return
		}
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(s))
	if err != nil {
		v.errorf(path, "%s is not an SSH public key; %s", quoted(s), allowed)
		return
	}
	if !slices.Contains(sshKeyTypes, key.Type()) {
		v.errorf(path, "keys of type %s cannot log in; allowed: %s", quoted(key.Type()), strings.Join(sshKeyTypes, ", "))
		return
	}
	if c, ok := key.(ssh.CryptoPublicKey); ok {
		if k, ok := c.CryptoPublicKey().(*rsa.PublicKey); ok && k.N.BitLen() < minRSABits {
			v.errorf(path, "an RSA key of %d bits, which is too weak; at least %d, or take ssh-ed25519", k.N.BitLen(), minRSABits)
			return
		}
	}
	v.once(keys, string(key.Marshal()), path, "the SSH key "+ssh.FingerprintSHA256(key))
}

// opensshMagic is what the inside of an OpenSSH private key starts with
// (OpenSSH, PROTOCOL.key).
const opensshMagic = "openssh-key-v1\x00"

// base64PrivateKey finds the inside of an OpenSSH private key without its frame.
func base64PrivateKey(s string) bool {
	prefix := base64.RawStdEncoding.EncodeToString([]byte(opensshMagic))
	return strings.Contains(s, prefix[:len(prefix)-1])
}
