package cluster

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
	"net/netip"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"filippo.io/age"
	"filippo.io/age/agessh"
)

// Limits of the lifetimes. A certificate that lives for less than an hour is
// over before a machine has booted and its clock is right; dates after 2049
// are encoded in another form (RFC 5280, 4.1.2.5), which works, but nobody
// needs an authority for a hundred years.
const (
	minCertLifetime = Duration(time.Hour)
	maxCALifetime   = Duration(100 * year)
)

// authorities are the authorities of package pki, which labels of a remote
// signer are for.
var authorities = []string{"kubernetes", "etcd", "front-proxy"}

func (v *validator) checkPKI() {
	p := &v.def.PKI
	if p.CALifetime > maxCALifetime {
		v.errorf("pki.caLifetime", "%s is too long; at most %s", p.CALifetime, maxCALifetime)
	}
	if p.CertLifetime < minCertLifetime {
		v.errorf("pki.certLifetime", "%s is too short; at least %s", p.CertLifetime, minCertLifetime)
	}
	if p.CertLifetime > p.CALifetime {
		v.errorf(v.oneGiven("pki.certLifetime", "pki.caLifetime"), "certificates (certLifetime %s) cannot outlive their authority (caLifetime %s)", p.CertLifetime, p.CALifetime)
	}
	if p.RenewBefore >= p.CertLifetime {
		v.errorf(v.oneGiven("pki.renewBefore", "pki.certLifetime"), "renewBefore %s is not less than certLifetime %s: every run would issue every certificate again", p.RenewBefore, p.CertLifetime)
	}
	once := seen{}
	each("pki.recipients", p.Recipients, func(at, s string) { v.checkRecipient(at, s, once) })
	if p.Remote != nil {
		v.checkRemote(p.Remote)
	}
}

// oneGiven picks the path that stands in the definition, the first if both or none do.
func (v *validator) oneGiven(a, b string) string {
	if !v.given(a) && v.given(b) {
		return b
	}
	return a
}

func (v *validator) checkRecipient(path, s string, once seen) {
	const allowed = "allowed: an age recipient (age1...), or an SSH public key of type ssh-ed25519 or ssh-rsa"
	s = strings.TrimSpace(s)
	switch {
	case hasPrivateKey(s):
		v.errorf(path, "a private key (not shown) where the public part belongs; take it out of this file, and consider it known to others; %s", allowed)
	case strings.HasPrefix(s, "age1"):
		r, err := age.ParseX25519Recipient(s)
		if err != nil {
			v.errorf(path, "%s is not an age recipient of the X25519 kind: keys of plugins and other kinds are not supported, or it is mistyped; %s", quoted(s), allowed)
			return
		}
		v.once(once, r.String(), path, "the recipient "+quoted(s))
	case strings.HasPrefix(s, "ssh-ed25519 "), strings.HasPrefix(s, "ssh-rsa "):
		if _, err := agessh.ParseRecipient(s); err != nil {
			v.errorf(path, "%s is not a usable SSH public key: %s; %s", quoted(s), lastCause(err), allowed)
			return
		}
		v.once(once, strings.Join(strings.Fields(s)[:2], " "), path, "the recipient "+quoted(s))
	default:
		v.errorf(path, "%s is not a recipient; %s", quoted(s), allowed)
	}
}

// lastCause drops what wraps an error of agessh, which repeats the key.
func lastCause(err error) string {
	s := err.Error()
	if i := strings.LastIndex(s, "\": "); i >= 0 {
		s = s[i+len("\": "):]
	}
	return s
}

func (v *validator) checkRemote(r *RemoteSigner) {
	const path = "pki.remote"
	if r.URL != "" {
		v.checkRemoteURL(path+".url", r.URL)
	}
	labels := map[string]string{}
	for _, a := range authorities {
		labels[a] = r.Label(a)
	}
	for _, key := range sortedKeys(r.Labels) {
		at := join(path+".labels", key)
		if !slices.Contains(authorities, key) {
			v.keyErrorf(at, "unknown authority (allowed: %s)%s", strings.Join(authorities, ", "), didYouMean(key, authorities))
		} else if label := r.Labels[key]; label == "" || !oneLine(label) {
			v.errorf(at, "%s is not a label of a signer", quoted(label))
		}
	}
	owner := map[string]string{}
	for _, a := range authorities {
		if other, twice := owner[labels[a]]; twice {
			v.errorf(join(path+".labels", a), "the label %s is that of the authority %s as well; one signer for two authorities would let the certificates of one in at the other", quoted(labels[a]), other)
		}
		owner[labels[a]] = a
	}
	v.checkAuthKeyFile(path+".authKeyFile", r.AuthKeyFile)
	if r.CAFile != "" {
		v.checkCAFile(path+".caFile", r.CAFile)
	}
}

func (v *validator) checkRemoteURL(path, s string) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		v.errorf(path, "%s is not the URL of a server; want https://host:port", quotedURL(s))
		return
	}
	if u.User != nil {
		v.errorf(path, "a URL with a user name or password in it; the server knows us by authKeyFile")
		return
	}
	host := u.Hostname()
	a, err := netip.ParseAddr(host)
	if err != nil && !within(host, "localhost") {
		if problem := nameProblem(strings.ToLower(host)); problem != "" {
			v.errorf(path, "%s", problem)
		}
	}
	if _, err := port(u.Port()); u.Port() != "" && err != nil {
		v.errorf(path, "the port %s is not in 1 to 65535", quoted(u.Port()))
	}
	if u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		v.errorf(path, "%s has a path or query; want https://host:port", quoted(s))
	}
	if loopback := within(host, "localhost") || err == nil && a.IsLoopback(); u.Scheme == "http" && !loopback {
		v.errorf(path, "%s is not encrypted: anyone on the way could read and repeat requests; http is allowed for loopback only, else https", quoted(s))
	}
}

// quotedURL shows a URL that may carry a password only up to its scheme.
func quotedURL(s string) string {
	if strings.Contains(s, "@") {
		return "the value (not shown: it may have a password in it)"
	}
	return quoted(s)
}

// minHexKey is the length from which a hexadecimal word is a key and not the name of a file.
const minHexKey = 32

// checkAuthKeyFile checks the name of the file alone: it is not committed, so
// those who only validate a definition don't have it.
func (v *validator) checkAuthKeyFile(path, s string) {
	if s == "" {
		return
	}
	bare := strings.TrimPrefix(s, "hex:")
	if _, err := hex.DecodeString(bare); err == nil && len(bare) >= minHexKey || hasPrivateKey(s) {
		v.hide(s)
		v.errorf(path, "the key itself (not shown) where the name of its file belongs; take it out of this file, and make a new one")
		return
	}
	if filepath.Clean(s) != s || !oneLine(s) {
		v.errorf(path, "%s is not a clean path of a file; write it without \".\" and doubled slashes", quoted(s))
	}
}

func (v *validator) checkCAFile(path, s string) {
	data, ok := v.source(path, s)
	if !ok {
		return
	}
	block, _ := pem.Decode(data)
	switch {
	case bytes.Contains(data, []byte("PRIVATE KEY")):
		v.errorf(path, "%s has a private key in it; want the certificate alone", quoted(s))
	case block == nil || block.Type != "CERTIFICATE":
		v.errorf(path, "%s has no PEM certificate in it", quoted(s))
	}
}
