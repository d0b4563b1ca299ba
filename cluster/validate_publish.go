package cluster

import (
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	// doSlug is a region or a size of DigitalOcean: fra1, s-2vcpu-4gb-amd.
	doSlug = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`)
	// bucketName is what S3 takes (Amazon S3, "General purpose bucket naming rules").
	bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
)

// What a private network of DigitalOcean can be, in bits
// (DigitalOcean API, "Create a New VPC").
const minRangeBits, maxRangeBits = 16, 28

func (v *validator) checkPublish() {
	if d := v.def.Publish.DigitalOcean; d != nil {
		v.checkDigitalOcean(d)
	}
	if p := v.def.Publish.VSphere; p != nil {
		v.checkPublishVSphere("publish.vsphere", p)
	}
}

func (v *validator) checkDigitalOcean(d *DigitalOcean) {
	const path = "publish.digitalocean"
	if !slices.Contains(v.def.Image.Targets, "digitalocean") {
		v.errorf(path, "digitalocean is not one of image.targets, so the image would not be made for it")
	}
	regions := seen{}
	each(path+".regions", d.Regions, func(at, s string) {
		if v.checkSlug(at, s, "region", "fra1") {
			v.once(regions, s, at, "the region "+quoted(s))
		}
	})
	if d.Bucket != "" && !bucketName.MatchString(d.Bucket) {
		v.errorf(path+".bucket", "%s is not the name of a bucket; want 3 to 63 lower case letters, digits, dots and dashes", quoted(d.Bucket))
	}
	if d.Endpoint != "" {
		v.checkS3(path+".endpoint", d.Endpoint)
	}
	nodes := seen{}
	each(path+".nodes", d.Nodes, func(at, s string) {
		if v.checkNodeName(at, s) {
			v.once(nodes, s, at, "the node "+quoted(s))
		}
	})
	if d.Size != "" {
		v.checkSlug(path+".size", d.Size, "size", "s-2vcpu-4gb")
	}
	v.eachOfNode(path+".sizes", d.Sizes, func(at, s string) { v.checkSlug(at, s, "size", "s-2vcpu-4gb") })
	v.eachOfNode(path+".placement", d.Placement, func(at, s string) {
		if v.checkSlug(at, s, "region", "fra1") && len(d.Regions) > 0 && !slices.Contains(d.Regions, s) {
			v.errorf(at, "%s is not one of the regions (%s), so the image would not be there", quoted(s), strings.Join(d.Regions, ", "))
		}
	})
	v.checkFirewall(path, d)
	v.checkZone(path+".dnsZone", d.DNSZone)
}

func (v *validator) checkSlug(path, s, what, example string) bool {
	if doSlug.MatchString(s) {
		return true
	}
	v.errorf(path, "%s is not the slug of a %s, such as %s", quoted(s), what, example)
	return false
}

// eachOfNode calls f for every value of a map whose keys are nodes, in their order.
func (v *validator) eachOfNode(path string, m map[string]string, f func(at, s string)) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		at := join(path, name)
		if !v.knowsNode(name) {
			v.keyErrorf(at, "%s is not a node of this cluster", quoted(name))
			continue
		}
		f(at, m[name])
	}
}

func (v *validator) checkNodeName(path, name string) bool {
	if v.knowsNode(name) {
		return true
	}
	v.errorf(path, "%s is not a node of this cluster", quoted(name))
	return false
}

func (v *validator) knowsNode(name string) bool {
	for k := range v.def.Spares {
		if SpareName(k) == name {
			return true
		}
	}
	return slices.ContainsFunc(v.def.Nodes, func(n NodeSpec) bool { return n.Name == name })
}

// checkFirewall looks at ports and ranges of addresses.
func (v *validator) checkFirewall(path string, d *DigitalOcean) {
	for i, port := range d.EdgePorts {
		if port < 1 || port > 65535 {
			v.errorf(element(path+".edgePorts", i), "%d is not a port (1 to 65535)", port)
		}
	}
	each(path+".sshFrom", d.SSHFrom, func(at, s string) {
		if p, err := netip.ParsePrefix(s); err != nil || p != p.Masked() {
			v.errorf(at, "%s is not a range of addresses, such as 203.0.113.0/24", quoted(s))
		}
	})
	for _, region := range slices.Sorted(maps.Keys(d.VPCRanges)) {
		at := join(path+".vpcRanges", region)
		if len(d.Regions) > 0 && !slices.Contains(d.Regions, region) {
			v.keyErrorf(at, "%s is not one of the regions (%s)", quoted(region), strings.Join(d.Regions, ", "))
		}
		p, err := netip.ParsePrefix(d.VPCRanges[region])
		switch {
		case err != nil || p != p.Masked() || !p.Addr().IsPrivate() || !p.Addr().Is4() || p.Bits() < minRangeBits || p.Bits() > maxRangeBits:
			v.errorf(at, "%s is not a private IPv4 range of /%d to /%d, such as 192.168.16.0/20", quoted(d.VPCRanges[region]), minRangeBits, maxRangeBits)
		default:
			if where, taken := v.inRange(p); taken {
				v.errorf(at, "%s lies in %s; want a range of its own", p, where)
			}
		}
	}
}

// checkZone looks whether the names of the cluster are in a zone.
func (v *validator) checkZone(path, zone string) {
	if zone == "" {
		return
	}
	if v.def.Domain != zone && !strings.HasSuffix(v.def.Domain, "."+zone) {
		v.errorf(path, "the cluster's domain %s is not in the zone %s", quoted(v.def.Domain), quoted(zone))
	}
}

func (v *validator) checkS3(path, s string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		v.errorf(path, "%s is not the address of an S3 service, such as https://fra1.digitaloceanspaces.com", quotedURL(s))
	case u.User != nil:
		v.errorf(path, "an address with a user name or password in it; keys come from the environment or a file")
	case u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost"):
		v.errorf(path, "%s is not https, which is only for services on this machine", quotedURL(s))
	}
}
