package serve

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Paths of what is served beside the parts of the medium.
const (
	PathScript   = "/" + NameScript  // what DHCP names: finds out which machine asks
	pathMachine  = "/machine.ipxe"   // the script of one machine
	pathInitrd   = "/machine.initrd" // its initrd
	PathIdentity = "/identity"       // gives the identity, by a token
	PathDone     = "/identity/done"  // is told that the machine keeps it
	pathSums     = "/" + sumsName
)

// maxLine is COMMAND_LINE_SIZE of Linux for x86, without its zero: a longer
// line is cut.
const maxLine = 2047

// firstScript has iPXE say what machine it runs on, and starts again until it
// is answered. MAC addresses have hyphens: older iPXE take the first colon of an
// address for the end of its scheme.
func firstScript(base string) string {
	return `#!ipxe
:again
chain --replace ` + base + pathMachine + `?mac=${netX/mac:hexhyp}&serial=${serial:uristring}&uuid=${uuid} ||
echo ingot: ` + base + ` does not answer; trying again in 10 seconds
sleep 10
goto again
`
}

// machineScript starts a machine from the medium. What it cannot fetch it asks
// for again.
func (s *Server) machineScript(base, node, query string, line []string) string {
	return `#!ipxe
echo ingot: this machine is ` + node + ` of cluster ` + s.cfg.Cluster + `
imgfree
kernel --name kernel ` + base + "/" + NameKernel + ` initrd=initrd ` + strings.Join(line, " ") + ` || goto failed
initrd --name initrd ` + base + pathInitrd + "?" + query + ` || goto failed
boot ||
:failed
echo ingot: the machine cannot start from ` + base + `; trying again in 10 seconds
sleep 10
chain --replace ` + base + PathScript + `
`
}

// unknownScript goes on with what else the firmware starts from.
func (s *Server) unknownScript(m Machine, why string) string {
	return `#!ipxe
echo ingot: ` + plain(why) + `
echo ingot: ` + plain(m.String()) + `
echo ingot: no node of cluster ` + s.cfg.Cluster + ` gets an identity here; who runs the server can name the node
echo ingot: starting from the next device in 30 seconds
sleep 30
exit
`
}

// installedScript goes on with the disk.
func installedScript(node string) string {
	return `#!ipxe
echo ingot: ` + node + ` is installed; starting from the next device
exit
`
}

// plain is text that iPXE prints as it is: nothing in it is a setting, a
// separator of commands or the end of a line.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune("$|&#\\\"'{}", r) {
			return '_'
		}
		return r
	}, text)
}

// line is the kernel line of a machine that starts over the network. With a
// token in its initrd it is told where to ask.
func (s *Server) line(base string, identity bool) []string {
	line := mediumLine(s.cfg.Medium, base)
	if identity || strings.HasPrefix(base, "https:") {
		line = append(line, "ingot.identity.pin="+s.pin)
	}
	if identity {
		_, host, _ := strings.Cut(base, "://")
		line = append(line, "ingot.identity=https://"+host+PathIdentity)
	}
	return line
}

// mediumLine is the part of it about the medium.
func mediumLine(m *Medium, base string) []string {
	return append(strings.Fields(m.Line),
		"ingot.boot=auto",
		"ingot.medium="+base+"/"+NameMedium,
		"ingot.medium.sha256="+m.SHA256(NameMedium),
		fmt.Sprintf("ingot.medium.size=%d", m.Size(NameMedium)),
	)
}

// checkLine holds the image's kernel line against what iPXE and Linux take.
func checkLine(words []string) error {
	for _, w := range words {
		switch {
		case w == "" || strings.ContainsFunc(w, func(r rune) bool { return r <= ' ' || r > '~' }):
			return fmt.Errorf("kernel line: argument %q has other than printable ASCII, or blanks", w)
		case strings.Contains(w, "${") || w == "||" || w == "&&" || strings.HasPrefix(w, "#"):
			return fmt.Errorf("kernel line: argument %q means something else to iPXE", w)
		}
	}
	return nil
}

// base is how this server is reached by who has asked: the address that a
// request names, or else that of its connection. Names are of no use: a machine
// that starts has no resolver.
func base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	if at, err := netip.ParseAddrPort(r.Host); err == nil && at.Addr().Zone() == "" {
		return scheme + "://" + at.String()
	}
	if addr, err := netip.ParseAddr(strings.Trim(r.Host, "[]")); err == nil && addr.Zone() == "" {
		port := uint16(80)
		if r.TLS != nil {
			port = 443
		}
		return scheme + "://" + netip.AddrPortFrom(addr, port).String()
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		return scheme + "://" + local.String()
	}
	return scheme + "://" + plain(r.Host)
}
