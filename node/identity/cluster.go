package identity

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// checkCluster finds out whether the identity is of the image's cluster, by
// its name and by its authorities. It reports whether the node's own facts can
// be held against the image.
func (c *check) checkCluster() bool {
	c.foreign = map[string]bool{}
	same := c.facts.Cluster == c.image.Name && c.facts.Domain == c.image.Domain
	if !same {
		c.problem("the identity is of cluster %s (%s), this image of cluster %s (%s): attach the config.iso of a node of %s",
			c.facts.Cluster, c.facts.Domain, c.image.Name, c.image.Domain, c.image.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(c.authority)) {
		path := authorityFile(name)
		if path == "" || !c.needs(name) {
			continue
		}
		cert, err := c.readCert(path)
		if err != nil {
			c.problem("authority %s: %v", name, err)
			c.foreign[name] = true
			continue
		}
		if got, want := fingerprint(cert), fingerprint(c.authority[name]); got != want {
			c.foreign[name] = true
			c.problem("authority %s of the identity is %s, this image's is %s: bake the image again with the keys of today, or take the identity that was made with the image's",
				name, short(got), short(want))
		}
	}
	for _, name := range []string{"kubernetes", "etcd", "front-proxy"} {
		if _, ok := c.image.Authorities[name]; !ok && c.needs(name) {
			c.foreign[name] = true
			c.problem("this image knows no authority %s: bake it again", name)
		}
	}
	return same
}

// authorityFile is where an identity has the certificate of an authority.
func authorityFile(name string) string {
	switch name {
	case "kubernetes":
		return "/etc/kubernetes/pki/ca.crt"
	case "etcd":
		return "/etc/etcd/pki/ca.crt"
	case "front-proxy":
		return "/etc/kubernetes/pki/front-proxy-ca.crt"
	}
	return ""
}

// needs reports whether the node's roles have certificates of an authority.
func (c *check) needs(authority string) bool {
	return authority == "kubernetes" || c.facts.Has("controller")
}

// checkNode holds what the identity says of the node against the image's list.
// Where they differ, the definition was edited between the two, and other nodes
// have the image's addresses in their settings.
func (c *check) checkNode() {
	f := c.facts
	n, ok := c.image.Node(f.Name)
	if !ok {
		c.problem("node %s is not among the %d nodes that this image knows: bake it again with today's definition, or take the identity of a spare",
			f.Name, len(c.image.Nodes))
		return
	}
	differs := func(what, is, want string) {
		c.problem("node %s has %s %s in its identity and %s in this image: bake it again, or make the config.iso again", f.Name, what, is, want)
	}
	if f.Index != n.Index {
		differs("index", list([]int{f.Index}), list([]int{n.Index}))
	}
	if want := inOrder(n.Roles); !slices.Equal(f.Roles, want) {
		differs("roles", list(f.Roles), list(want))
	}
	if f.Spare != n.Spare {
		c.problem("node %s is %s in its identity and %s in this image: bake it again, or make the config.iso again", f.Name, kind(f.Spare), kind(n.Spare))
	}
	if !sameAddrs(f.Mesh.Addresses, n.Addresses) {
		differs("mesh addresses", list(f.Mesh.Addresses), list(n.Addresses))
	}
	if n.PodCIDRs != nil && !slices.Equal(f.Pods.CIDRs, n.PodCIDRs) {
		differs("pod range", list(f.Pods.CIDRs), list(n.PodCIDRs))
	}
	if want := cmp.Or(c.image.MeshInterface, f.Mesh.Interface); f.Mesh.Interface != want {
		differs("mesh interface", f.Mesh.Interface, want)
	}
}

func kind(spare bool) string {
	if spare {
		return "a spare"
	}
	return "no spare"
}

// sameAddrs compares in order: the first address is the primary one.
func sameAddrs(a, b []netip.Addr) bool {
	return slices.EqualFunc(a, b, func(x, y netip.Addr) bool { return x.Unmap() == y.Unmap() })
}
