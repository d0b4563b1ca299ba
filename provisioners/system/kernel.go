package system

import (
	"maps"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// network is what pods and Services need (kubernetes.io, "Container Runtimes",
// "Network configuration"). Reverse path filters are loose: a reply may take
// another way than the question, through the mesh or not.
var network = map[string]string{
	"net.ipv4.ip_forward":                 "1",
	"net.ipv6.conf.all.forwarding":        "1",
	"net.ipv6.conf.default.forwarding":    "1",
	"net.bridge.bridge-nf-call-iptables":  "1",
	"net.bridge.bridge-nf-call-ip6tables": "1",
	"net.ipv4.conf.all.rp_filter":         "2",
	"net.ipv4.conf.default.rp_filter":     "2",
	// A neighbour's word or a packet's own wish changes no route.
	"net.ipv4.conf.all.accept_redirects":        "0",
	"net.ipv4.conf.default.accept_redirects":    "0",
	"net.ipv6.conf.all.accept_redirects":        "0",
	"net.ipv6.conf.default.accept_redirects":    "0",
	"net.ipv4.conf.all.send_redirects":          "0",
	"net.ipv4.conf.default.send_redirects":      "0",
	"net.ipv4.conf.all.accept_source_route":     "0",
	"net.ipv4.conf.default.accept_source_route": "0",
	"net.ipv6.conf.all.accept_source_route":     "0",
	"net.ipv6.conf.default.accept_source_route": "0",
	"net.ipv4.tcp_syncookies":                   "1",
}

// limits are what the kubelet asks for with protectKernelDefaults
// (kubernetes, pkg/util/sysctl), and what hundreds of containers on one
// machine use up.
var limits = map[string]string{
	"vm.overcommit_memory":          "1",
	"vm.panic_on_oom":               "0",
	"kernel.panic":                  "10",
	"kernel.panic_on_oops":          "1",
	"kernel.keys.root_maxkeys":      "1000000",
	"kernel.keys.root_maxbytes":     "25000000",
	"fs.inotify.max_user_instances": "8192",
	"fs.inotify.max_user_watches":   "1048576",
	"vm.max_map_count":              "1048576",
}

// hardening closes what no program of a node uses (docs.kernel.org,
// "Documentation for /proc/sys").
var hardening = map[string]string{
	"kernel.kptr_restrict":             "2",
	"kernel.dmesg_restrict":            "1",
	"kernel.unprivileged_bpf_disabled": "1",
	"kernel.yama.ptrace_scope":         "1",
	"kernel.kexec_load_disabled":       "1",
	"kernel.perf_event_paranoid":       "3",
	"kernel.sysrq":                     "176", // sync, read-only, reboot
	"kernel.core_pattern":              "|/bin/false",
	"dev.tty.ldisc_autoload":           "0",
	"fs.suid_dumpable":                 "0",
	"fs.protected_hardlinks":           "1",
	"fs.protected_symlinks":            "1",
	"fs.protected_fifos":               "2",
	"fs.protected_regular":             "2",
}

// sysctls are ours with the definition's, which win.
func sysctls(c *cluster.Cluster) map[string]string {
	out := map[string]string{
		// A NodePort Service can always have its port: no outgoing connection takes it.
		"net.ipv4.ip_local_reserved_ports": c.Def.Kubernetes.NodePorts,
	}
	for _, part := range []map[string]string{network, limits, hardening} {
		maps.Copy(out, part)
	}
	for key, value := range c.Def.System.Sysctls {
		delete(out, strings.ReplaceAll(key, "/", "."))
		out[key] = value
	}
	return out
}

// modules are loaded at boot: settings of the network need the first two, and
// what would otherwise be loaded on somebody's demand is there from the start.
func modules(c *cluster.Cluster) []string {
	out := []string{"br_netfilter", "nf_conntrack", "overlay"}
	for _, m := range c.Def.System.Modules {
		if !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	return out
}
