package cluster

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	// debianPackage is a package name (Debian Policy 5.6.1).
	debianPackage = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)
	// imageByDigest is a reference as the OCI distribution specification has
	// it, with the registry's name in front and the digest at the end.
	imageByDigest = regexp.MustCompile(`^([a-z0-9.-]+\.[a-z0-9-]+|localhost)(:[0-9]{1,5})?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@sha256:([0-9a-f]{64})$`)
)

func (v *validator) checkImage() {
	m := &v.def.Image
	targets := seen{}
	each("image.targets", m.Targets, func(at, t string) { v.once(targets, t, at, "the target "+quoted(t)) })
	if m.Kernel == "cloud" && slices.Contains(m.Targets, "metal") {
		v.errorf("image.kernel", "the cloud kernel has no drivers for the hardware of the target metal; want generic")
	}
	if m.Mirror != "" {
		v.checkMirror("image.mirror", m.Mirror)
	}
	packages := seen{}
	each("image.packages", m.Packages, func(at, p string) {
		if !debianPackage.MatchString(p) {
			hint := ""
			if strings.ContainsAny(p, "=/ ") {
				hint = "; versions are kept in the lock"
			}
			v.errorf(at, "%s is not the name of a Debian package%s", quoted(p), hint)
			return
		}
		v.once(packages, p, at, "the package "+quoted(p))
	})
	images := seen{}
	each("image.preload", m.Preload, func(at, ref string) { v.checkPreload(at, ref, images) })
}

func (v *validator) checkPreload(path, ref string, images seen) {
	const allowed = "want registry/name@sha256:<64 hexadecimal digits>"
	digest := imageByDigest.MatchString(ref)
	first, _, hasSlash := strings.Cut(ref, "/")
	switch {
	case digest:
		v.once(images, ref, path, "the image "+quoted(ref))
	case !strings.Contains(ref, "@"):
		v.errorf(path, "%s has no digest, so it could be another image tomorrow; %s", quoted(ref), allowed)
	case !hasSlash || !strings.ContainsAny(first, ".:") && first != "localhost":
		v.errorf(path, "%s does not name its registry (such as docker.io/library/...); %s", quoted(ref), allowed)
	default:
		v.errorf(path, "%s is not a container image by digest; %s", quoted(ref), allowed)
	}
}

func (v *validator) checkMirror(path, s string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || !oneLine(s) || strings.Contains(s, " "):
		v.errorf(path, "%s is not the URL of a Debian mirror (such as https://mirror.example.com/debian)", quotedURL(s))
	case u.User != nil:
		v.errorf(path, "a URL with a user name or password in it, which would end up in the image; put it into apt's auth.conf")
	case u.RawQuery != "" || u.Fragment != "":
		v.errorf(path, "%s has a query; want the folder that holds dists/ and pool/", quoted(s))
	}
}
