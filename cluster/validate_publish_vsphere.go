package cluster

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// thumbprint is a SHA-1 or SHA-256 as vSphere and OpenSSL show it.
var thumbprint = regexp.MustCompile(`^([0-9A-Fa-f]{2}:?){19}[0-9A-Fa-f]{2}$|^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$`)

func (v *validator) checkPublishVSphere(path string, p *PublishVSphere) {
	if p.Server != "" {
		v.checkVSphereServer(path+".server", p.Server)
	}
	if p.CAFile != "" {
		v.checkCAFile(path+".caFile", p.CAFile)
	}
	if p.Thumbprint != "" && !thumbprint.MatchString(p.Thumbprint) {
		v.errorf(path+".thumbprint", "%s is not the thumbprint of a certificate; want 64 hexadecimal digits (SHA-256) or 40 (SHA-1)", quoted(p.Thumbprint))
	}
	for _, name := range []struct{ key, value string }{
		{"datacenter", p.Datacenter}, {"datastore", p.Datastore}, {"cluster", p.Cluster}, {"host", p.Host}, {"resourcePool", p.ResourcePool},
		{"folder", p.Folder}, {"network", p.Network}, {"contentLibrary", p.ContentLibrary},
	} {
		if !oneLine(name.value) || strings.ContainsAny(name.value, "*?[]\\") {
			v.errorf(path+"."+name.key, "%s is not a name, or a path of names with / between them", quoted(name.value))
		}
	}
	v.checkVSphereSize(path+".machine", p.Machine.MemoryMiB)
	v.checkVSphereNodes(path, p)
	if !slices.Contains(v.def.Image.Targets, "esxi") {
		v.errorf(path, "esxi is not one of image.targets, so the image would not be made for it")
	}
}

func (v *validator) checkVSphereServer(path, s string) {
	const want = "want https://host or https://host:port"
	u, err := url.Parse(s)
	switch {
	case err == nil && u.User != nil || strings.Contains(s, "@"):
		v.hide(s)
		v.errorf(path, "a user name or password (not shown) does not belong here: put GOVC_USERNAME and GOVC_PASSWORD into the environment, or use --credentials-file; %s", want)
		return
	case err == nil && u.Scheme == "http":
		v.errorf(path, "%s would send the password in the clear; %s", quotedURL(s), want)
		return
	case err != nil || u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.Trim(u.Path, "/") != "" && u.Path != "/sdk":
		v.errorf(path, "%s is not the address of a server; %s", quotedURL(s), want)
		return
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil && !within(u.Hostname(), "localhost") {
		if problem := nameProblem(strings.ToLower(u.Hostname())); problem != "" {
			v.errorf(path, "%s", problem)
		}
	}
	if _, err := port(u.Port()); u.Port() != "" && err != nil {
		v.errorf(path, "%s", err)
	}
}

func (v *validator) checkVSphereSize(path string, memory int) {
	if memory%4 != 0 {
		v.errorf(path+".memoryMiB", "%d is not a multiple of 4, as vSphere wants it", memory)
	}
}

func (v *validator) checkVSphereNodes(path string, p *PublishVSphere) {
	here := seen{}
	each(path+".nodes", p.Nodes, func(at, name string) {
		if v.checkNodeName(at, name) {
			v.once(here, name, at, "the node "+quoted(name))
		}
	})
	sized := seen{}
	for i, n := range p.Sizes {
		at := element(path+".sizes", i)
		v.checkVSphereSize(at, n.MemoryMiB)
		if n.Name != "" && v.checkNodeName(at+".name", n.Name) { // else reported by the decoder
			v.once(sized, n.Name, at+".name", "the node "+quoted(n.Name))
		}
	}
}
