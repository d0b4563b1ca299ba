package ignition

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// networkFiles are a static network's settings for machines that use
// systemd-networkd and for those that use NetworkManager: each reads its own
// and is blind to the other's.
func networkFiles(network *cluster.Network) []File {
	if network == nil {
		return nil
	}
	var files []File
	for i := range network.Interfaces {
		link := &network.Interfaces[i]
		id := linkID(link)
		files = append(files,
			// Before any default of the image: the first file that matches wins
			// (systemd.network(5)).
			early("/etc/systemd/network/05-ingot-"+id+".network", modePublic, networkd(network, link)),
			// NetworkManager ignores keyfiles that others can read (nm-settings-keyfile(5)).
			early("/etc/NetworkManager/system-connections/ingot-"+id+".nmconnection", modeSecret, keyfile(network, link, id)),
		)
	}
	return files
}

// linkID names a link in file names: by its name, or by its MAC address without colons.
func linkID(link *cluster.Interface) string {
	if link.Name != "" {
		return link.Name
	}
	return strings.ToLower(strings.ReplaceAll(link.MAC, ":", ""))
}

// isIPv6 reports whether an address, with or without prefix length, is IPv6.
func isIPv6(s string) bool { return strings.Contains(s, ":") }

func hasIPv6(link *cluster.Interface) bool {
	for _, a := range link.Addresses {
		if isIPv6(a) {
			return true
		}
	}
	return false
}

// networkd writes a systemd.network(5) file.
func networkd(network *cluster.Network, link *cluster.Interface) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[Match]")
	if link.Name != "" {
		line("Name=%s", link.Name)
	}
	if link.MAC != "" {
		line("MACAddress=%s", link.MAC)
	}
	if link.MTU != 0 {
		line("\n[Link]\nMTUBytes=%d", link.MTU)
	}
	line("\n[Network]\nDHCP=%s", map[bool]string{true: "yes", false: "no"}[link.DHCP])
	if hasIPv6(link) && !link.DHCP {
		line("IPv6AcceptRA=no")
	}
	for _, a := range link.Addresses {
		line("Address=%s", a)
	}
	for _, g := range link.Gateways {
		line("Gateway=%s", g)
	}
	for _, d := range network.DNS {
		line("DNS=%s", d)
	}
	if len(network.Search) > 0 {
		line("Domains=%s", strings.Join(network.Search, " "))
	}
	for _, r := range link.Routes {
		line("\n[Route]\nDestination=%s\nGateway=%s", r.To, r.Via)
	}
	return b.String()
}

// keyfile writes a nm-settings-keyfile(5) connection.
func keyfile(network *cluster.Network, link *cluster.Interface, id string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[connection]\nid=ingot-%s\ntype=ethernet\nautoconnect-priority=10", id)
	if link.Name != "" {
		line("interface-name=%s", link.Name)
	}
	line("\n[ethernet]")
	if link.MAC != "" {
		line("mac-address=%s", link.MAC)
	}
	if link.MTU != 0 {
		line("mtu=%d", link.MTU)
	}
	for _, six := range []bool{false, true} {
		keyfileFamily(line, network, link, six)
	}
	return b.String()
}

// keyfileFamily writes the section of one address family.
func keyfileFamily(line func(string, ...any), network *cluster.Network, link *cluster.Interface, six bool) {
	line("\n[%s]", map[bool]string{false: "ipv4", true: "ipv6"}[six])
	gateway := ""
	for _, g := range link.Gateways {
		if isIPv6(g) == six {
			gateway = "," + g
		}
	}
	count := 0
	for _, a := range link.Addresses {
		if isIPv6(a) == six {
			count++
			line("address%d=%s%s", count, a, gateway)
			gateway = "" // it goes with the first address
		}
	}
	switch {
	case count > 0 && !link.DHCP:
		line("method=manual")
	case link.DHCP || six: // without static addresses IPv6 is what routers announce
		line("method=auto")
	default:
		// NetworkManager refuses a whole connection with settings for a family
		// that it has disabled (nm-setting-ip4-config.c, verify).
		line("method=disabled")
		return
	}
	var dns []string
	for _, d := range network.DNS {
		if isIPv6(d) == six {
			dns = append(dns, d)
		}
	}
	if len(dns) > 0 {
		line("dns=%s;", strings.Join(dns, ";"))
	}
	if len(network.Search) > 0 {
		line("dns-search=%s;", strings.Join(network.Search, ";"))
	}
	routes := 0
	for _, r := range link.Routes {
		if isIPv6(r.To) == six {
			routes++
			line("route%d=%s,%s", routes, r.To, r.Via)
		}
	}
}

// splitPrefix gives an address and its netmask as OpenStack writes them.
func splitPrefix(s string) (address, netmask string, err error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return "", "", fmt.Errorf("address %q: not an address with prefix length", s)
	}
	bits := p.Bits()
	if p.Addr().Is4() {
		var m [4]byte
		for i := range bits {
			m[i/8] |= 1 << (7 - i%8)
		}
		return p.Addr().String(), netip.AddrFrom4(m).String(), nil
	}
	var m [16]byte
	for i := range bits {
		m[i/8] |= 1 << (7 - i%8)
	}
	return p.Addr().String(), netip.AddrFrom16(m).String(), nil
}
