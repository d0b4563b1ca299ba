package cluster

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// ownKernelArgs are words of the kernel command line, up to their "=", that
// belong to the image: they say what is booted, and that it is verified.
var ownKernelArgs = []string{
	"init", "initrd", "rdinit", "ro", "root", "rootflags", "rootfstype", "roothash", "rw", "usrhash", "ignition.firstboot",
	"ignition.platform.id", "ignition.config.url", "flatcar.config.url", "coreos.config.url", "systemd.verity", "systemd.volatile",
	"systemd.unit", "systemd.debug_shell", "systemd.debug-shell", "rd.break", "rd.shell", "rd.systemd.unit", "emergency",
	"rescue", "single", "dm-mod.create", "mount.usr",
}

// ownKernelPrefixes are the same, for whole families of words.
var ownKernelPrefixes = []string{"systemd.verity_", "rd.systemd.verity", "ingot."}

// ownSysctls are settings without which the cluster's network does not work.
var ownSysctls = []string{
	"net.ipv4.ip_forward", "net.ipv4.conf.all.forwarding", "net.ipv4.conf.default.forwarding", "net.ipv6.conf.all.forwarding",
	"net.ipv6.conf.default.forwarding", "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables",
}

var (
	kernelModule = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}$`)
	sysctlKey    = regexp.MustCompile(`^[a-z][A-Za-z0-9_-]*([./][A-Za-z0-9_*:@-]+)+$`)
	timezone     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,2}$`)
)

func (v *validator) checkSystem() {
	s := &v.def.System
	args := seen{}
	each("system.kernelArgs", s.KernelArgs, func(at, arg string) { v.checkKernelArg(at, arg, args) })
	modules := seen{}
	each("system.modules", s.Modules, func(at, m string) {
		if !kernelModule.MatchString(m) {
			v.errorf(at, "%s is not the name of a kernel module; want letters, digits, dashes and underscores, without .ko and options", quoted(m))
			return
		}
		v.once(modules, strings.ReplaceAll(m, "-", "_"), at, "the module "+quoted(m))
	})
	v.checkSysctls(s.Sysctls)
	servers := seen{}
	each("system.ntp", s.NTP, func(at, host string) {
		a, err := netip.ParseAddr(host)
		if err == nil {
			if problem := addressProblem(a); problem != "" {
				v.errorf(at, "%s", problem)
				return
			}
			host = a.String()
		} else if !v.dnsName(at, host) {
			return
		}
		v.once(servers, host, at, "the time server "+quoted(host))
	})
	if s.Timezone != "" && !timezone.MatchString(s.Timezone) {
		v.errorf("system.timezone", "%s is not the name of a time zone (such as UTC or Europe/Berlin)", quoted(s.Timezone))
	}
}

func (v *validator) checkKernelArg(path, arg string, args seen) {
	key, _, _ := strings.Cut(arg, "=")
	own := slices.Contains(ownKernelArgs, key) ||
		slices.ContainsFunc(ownKernelPrefixes, func(p string) bool { return strings.HasPrefix(key, p) })
	switch {
	case strings.ContainsAny(arg, " \t\"'\\") || !oneLine(arg) || key == "":
		v.errorf(path, "%s is not one word of a kernel command line; write each word as an item of its own, without quotes", quoted(arg))
	case own:
		v.errorf(path, "%s is refused: the image sets what is booted and how it is verified", quoted(arg))
	default:
		// A key may stand twice with different values, as console= does.
		v.once(args, arg, path, quoted(arg))
	}
}

func (v *validator) checkSysctls(values map[string]string) {
	once := seen{}
	for _, key := range sortedKeys(values) {
		at := join("system.sysctls", key)
		if !sysctlKey.MatchString(key) {
			v.keyErrorf(at, "%s is not the name of a sysctl setting (such as vm.max_map_count)", quoted(key))
			continue
		}
		canonical := strings.ReplaceAll(key, "/", ".")
		if slices.Contains(ownSysctls, canonical) {
			v.keyErrorf(at, "the setting %s is refused: the network of the cluster depends on it, and Ingot sets it", quoted(canonical))
		}
		v.once(once, canonical, at, "the setting "+quoted(canonical))
		if value := values[key]; value == "" || !oneLine(value) {
			v.errorf(at, "%s is not a value of one line", quoted(value))
		}
	}
}
