package identity

import (
	"crypto/x509"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// soon is how long before its end a certificate is worth a warning.
const soon = 30 * 24 * time.Hour

// Certificate is one that a node must have. The list of them stands here a
// second time, beside that of package pki, which signs and is too large a
// package for a machine; a test compares them.
type Certificate struct {
	Name       string // of its request
	Path       string // without .crt and .key
	Authority  string
	CommonName string
	Groups     []string // organization
	Usage      []x509.ExtKeyUsage
	// Named certificates are of servers that are called by the node's name, full
	// name and mesh addresses.
	Named bool
}

// Certificates lists those that a node's roles need, in the order of the requests.
func Certificates(f *Facts) []Certificate {
	const kube, etcd = "/etc/kubernetes/pki/", "/etc/etcd/pki/"
	client := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	server := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	peer := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	node, nodes := "system:node:"+f.Name, []string{"system:nodes"}
	var out []Certificate
	if f.Has("controller") {
		out = []Certificate{
			{"etcd-server", etcd + "server", "etcd", f.Name, nil, peer, true},
			{"etcd-peer", etcd + "peer", "etcd", f.Name, nil, peer, true},
			{"apiserver", kube + "apiserver", "kubernetes", "kube-apiserver", nil, server, true},
			{"apiserver-kubelet-client", kube + "apiserver-kubelet-client", "kubernetes", "kube-apiserver-kubelet-client", []string{"system:masters"}, client, false},
			{"apiserver-etcd-client", kube + "apiserver-etcd-client", "etcd", "kube-apiserver-etcd-client", nil, client, false},
			{"front-proxy-client", kube + "front-proxy-client", "front-proxy", "front-proxy-client", nil, client, false},
			{"controller-manager", kube + "controller-manager", "kubernetes", "system:kube-controller-manager", nil, client, false},
			{"scheduler", kube + "scheduler", "kubernetes", "system:kube-scheduler", nil, client, false},
		}
	}
	return append(out,
		Certificate{"kubelet-client", kube + "kubelet-client", "kubernetes", node, nodes, client, false},
		Certificate{"kubelet-server", kube + "kubelet-server", "kubernetes", node, nodes, server, true},
		Certificate{"proxy", kube + "proxy", "kubernetes", "system:kube-proxy", nil, client, false},
		Certificate{"dns", kube + "dns", "kubernetes", "ingot:dns", nil, client, false},
		Certificate{"metrics", kube + "metrics", "kubernetes", f.Name, nil, server, true},
	)
}

// checkAuthorities judges the dates of the image's authorities.
func (c *check) checkAuthorities() {
	for _, name := range slices.Sorted(maps.Keys(c.authority)) {
		if c.needs(name) {
			c.checkDates("authority "+name, c.authority[name], "start a cluster with new authorities")
		}
	}
}

func (c *check) checkCertificates() {
	for _, want := range Certificates(c.facts) {
		cert, err := c.readCert(want.Path + ".crt")
		if err != nil {
			c.problem("certificate %s: %v", want.Name, err)
			continue
		}
		c.checkSignature(want, cert)
		c.checkSubject(want, cert)
		c.checkDates("certificate "+want.Name, cert, "make the identity again: ingot iso "+c.facts.Cluster+" "+c.facts.Name)
		public, err := c.readPrivate(want.Path + ".key")
		if err != nil {
			c.problem("certificate %s: %v", want.Name, err)
		} else if !samePublic(public, cert.PublicKey) {
			c.problem("certificate %s: %s.key is not its key", want.Name, want.Path)
		}
	}
}

// checkSignature leaves out the authorities of which the identity was found to
// have others: one line says it all.
func (c *check) checkSignature(want Certificate, cert *x509.Certificate) {
	ca, ok := c.authority[want.Authority]
	if !ok || c.foreign[want.Authority] {
		return
	}
	if err := cert.CheckSignatureFrom(ca); err != nil {
		c.problem("certificate %s: authority %s of this image has not signed it", want.Name, want.Authority)
	}
}

// checkSubject makes sure that the certificate is for this node and this use.
func (c *check) checkSubject(want Certificate, cert *x509.Certificate) {
	if cert.Subject.CommonName != want.CommonName || !sameSet(cert.Subject.Organization, want.Groups) {
		c.problem("certificate %s: it is not for %s", want.Name, want.CommonName)
	}
	for _, u := range want.Usage {
		if !slices.Contains(cert.ExtKeyUsage, u) {
			c.problem("certificate %s: it is not for %s", want.Name, usageName(u))
		}
	}
	if cert.IsCA {
		c.problem("certificate %s: it is an authority", want.Name)
	}
	if !want.Named {
		return
	}
	var missing []string
	for _, name := range []string{c.facts.Name, c.facts.FQDN} {
		if !slices.Contains(cert.DNSNames, name) {
			missing = append(missing, name)
		}
	}
	for _, a := range c.facts.Mesh.Addresses {
		if !slices.ContainsFunc(cert.IPAddresses, func(ip net.IP) bool {
			has, ok := netip.AddrFromSlice(ip)
			return ok && has.Unmap() == a.Unmap()
		}) {
			missing = append(missing, a.String())
		}
	}
	if len(missing) > 0 {
		c.problem("certificate %s: it is not for %s", want.Name, strings.Join(missing, ", "))
	}
}

func usageName(u x509.ExtKeyUsage) string {
	if u == x509.ExtKeyUsageServerAuth {
		return "servers"
	}
	return "clients"
}

// checkDates judges dates where the clock can be believed. A certificate of the
// future is no reason for a refusal: clocks that are set wrong by hours, to
// local time for one, are put right by the network later.
func (c *check) checkDates(what string, cert *x509.Certificate, mend string) {
	if !c.clockSet {
		return
	}
	switch {
	case !c.now.Before(cert.NotAfter):
		c.problem("%s: it ended on %s, and the clock says %s: %s", what, day(cert.NotAfter), day(c.now), mend)
	case c.now.Before(cert.NotBefore):
		c.warn("%s: it starts on %s, and the clock says %s", what, day(cert.NotBefore), day(c.now))
	case cert.NotAfter.Sub(c.now) < soon:
		c.warn("%s: it ends on %s, in %d days: %s", what, day(cert.NotAfter), cert.NotAfter.Sub(c.now)/(24*time.Hour), mend)
	}
}

func sameSet(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
