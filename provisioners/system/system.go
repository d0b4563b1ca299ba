// Package system is the layer of the operating system itself: kernel settings,
// network, name resolution, time, journal, logins. What Debian starts and a
// read-only machine has no use for is masked.
package system

import (
	_ "embed" // network settings
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

//go:embed wired.network
var wired string

//go:embed unmanaged.network
var unmanaged string

// Layer is the layer.
func Layer(c *cluster.Cluster) layer.Layer {
	l := layer.Layer{
		Name:     "system",
		Packages: []string{"dbus", "iproute2", "kmod", "procps", "systemd-resolved", "systemd-timesyncd", "udev"},
		Sysctls:  sysctls(c),
		Modules:  modules(c),
		Files: []layer.File{
			file("/usr/lib/systemd/system-preset/99-ingot.preset", "# What runs is decided by links in the image.\ndisable *\n"),
			file("/usr/lib/systemd/system.conf.d/50-ingot.conf", managerConf),
			file("/usr/lib/systemd/journald.conf.d/50-ingot.conf", journalConf),
			file("/usr/lib/systemd/resolved.conf.d/50-ingot.conf", resolvedConf),
			file("/usr/lib/systemd/networkd.conf.d/50-ingot.conf", networkdConf),
			file("/usr/lib/systemd/network/10-ingot-unmanaged.network", strings.ReplaceAll(unmanaged, "@mesh@", c.Def.Mesh.Interface)),
			file("/usr/lib/systemd/network/80-ingot-wired.network", wiredNetwork(c)),
			file("/usr/lib/tmpfiles.d/ingot-system.conf", "d /var/log/journal 2755 root systemd-journal -\nd /var/lib/ingot 0700 root root -\n"),
		},
		Units: units(c),
	}
	if len(c.Def.System.NTP) > 0 {
		l.Files = append(l.Files, file("/usr/lib/systemd/timesyncd.conf.d/50-ingot.conf",
			"[Time]\nNTP="+strings.Join(c.Def.System.NTP, " ")+"\nFallbackNTP=\n"))
	}
	// These two may be the definition's own files.
	if !ownFile(c, "/etc/resolv.conf") {
		l.Links = append(l.Links, layer.Link{Path: "/etc/resolv.conf", Target: "../run/systemd/resolve/stub-resolv.conf"})
	}
	for _, name := range noGenerators {
		l.Links = append(l.Links, layer.Link{Path: "/etc/systemd/system-generators/" + name, Target: "/dev/null"})
	}
	if zone := c.Def.System.Timezone; zone != "" && !ownFile(c, "/etc/localtime") {
		l.Packages = append(l.Packages, "tzdata")
		l.Links = append(l.Links, layer.Link{Path: "/etc/localtime", Target: "../usr/share/zoneinfo/" + zone})
	}
	if slices.Contains(c.Def.Image.Targets, "esxi") {
		l.Packages = append(l.Packages, "open-vm-tools")
		l.Units = append(l.Units,
			layer.Unit{Name: "open-vm-tools.service", WantedBy: []string{"multi-user.target"}}, // on VMware alone, by its own condition
			layer.Unit{Name: "vgauth.service", Masked: true})                                   // logins from the hypervisor
	}
	for _, address := range []string{"127.0.0.53", "127.0.0.54"} { // the second answers without its own additions
		for _, proto := range []string{"tcp", "udp"} {
			l.Listeners = append(l.Listeners, layer.Listener{
				Program: "systemd-resolved", Address: address, Port: 53, Proto: proto, Purpose: "the machine's resolver", On: "all nodes",
			})
		}
	}
	addSSH(&l, c)
	return l
}

func file(path, content string) layer.File { return layer.File{Path: path, Content: []byte(content)} }

// ownFile reports whether the definition brings a file.
func ownFile(c *cluster.Cluster, path string) bool {
	return slices.ContainsFunc(c.Def.Files, func(f cluster.File) bool { return f.Path == path })
}

// wiredNetwork is what interfaces get that no identity says anything about.
// Where the definition names time servers, those that DHCP tells are not asked.
func wiredNetwork(c *cluster.Cluster) string {
	if len(c.Def.System.NTP) > 0 {
		return wired + "UseNTP=no\n\n[DHCPv6]\nUseNTP=no\n"
	}
	return wired
}

// managerConf is for systemd itself. A machine that hangs is reset where it
// has a watchdog, and no core of a program is kept: it would have its keys. A
// machine that shares its processor with many may take minutes for what takes
// others a second.
const managerConf = `[Manager]
DefaultTimeoutStartSec=5min
RuntimeWatchdogSec=2min
RebootWatchdogSec=10min
DefaultLimitCORE=0
CtrlAltDelBurstAction=none
`

// journalConf keeps the journal over boots, and bounds it: the state partition
// may be small. There is no syslog.
const journalConf = `[Journal]
Storage=persistent
SystemMaxUse=512M
SystemMaxFileSize=32M
RuntimeMaxUse=64M
MaxRetentionSec=1month
ForwardToSyslog=no
ForwardToWall=no
`

// resolvedConf asks the machine's resolvers and nobody else, and listens on
// loopback alone: no LLMNR, no mDNS.
const resolvedConf = `[Resolve]
LLMNR=no
MulticastDNS=no
DNSStubListener=yes
FallbackDNS=
`

// networkdConf leaves routes and rules alone that tinc, CNI and kube-proxy make.
const networkdConf = `[Network]
ManageForeignRoutes=no
ManageForeignRoutingPolicyRules=no
`
