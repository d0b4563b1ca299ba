package tree

import (
	"path"
	"strings"
)

// removal is a kind of files that an image does without.
type removal struct {
	what  string
	match func(p string) bool
}

// removals says what of the base is not in the root, and why. The first that
// matches a path counts.
func removals() []removal {
	return []removal{
		{"kernel, which is on the boot partition", either(beneath("/boot"),
			exact("/vmlinuz", "/vmlinuz.old", "/initrd.img", "/initrd.img.old"))},
		{"what makes the initrd, which is done by then", either(
			under("/usr/lib/dracut", "/etc/dracut.conf", "/etc/dracut.conf.d", "/var/lib/dracut", "/usr/share/initramfs-tools",
				"/etc/kernel/postinst.d/dracut", "/etc/kernel/postrm.d/dracut", "/etc/logrotate.d/dracut-core"),
			glob("/usr/bin/dracut*", "/usr/bin/lsinitrd", "/usr/bin/ignition-validate", "/usr/lib/kernel/install.d/*-dracut*.install",
				"/usr/lib/systemd/system/dracut-*", "/usr/lib/systemd/system/*.wants/dracut-*"))},
		{"documentation, but the licences", documentation},
		{"manual pages", either(under("/usr/share/man", "/usr/share/info", "/usr/share/groff"), beneath("/usr/local/share/man"))},
		{"translations", func(p string) bool {
			return below(path.Dir(p), "/usr/share/locale") && p != "/usr/share/locale/locale.alias"
		}},
		{"hardware names in source form; hwdb.bin has them", under("/usr/lib/udev/hwdb.d")},
		{"containerd's shims of old versions", exact("/usr/bin/containerd-shim", "/usr/bin/containerd-shim-runc-v1")},
		{"network plugins that no node uses: its network is a bridge", glob("/usr/lib/cni/dhcp", "/usr/lib/cni/host-device", "/usr/lib/cni/*vlan",
			"/usr/lib/cni/ptp", "/usr/lib/cni/sbr", "/usr/lib/cni/vrf", "/usr/lib/systemd/system/cni-dhcp.*")},
		{"files for other shells, for debuggers and for building packages", under("/usr/share/bash-completion", "/usr/share/zsh", "/usr/share/fish",
			"/usr/share/lintian", "/usr/share/bug", "/usr/share/doc-base", "/usr/share/gdb", "/usr/share/menu",
			"/usr/share/pixmaps", "/usr/share/pkgconfig", "/usr/include")},
		{"compiled Python, which is never made twice alike", func(p string) bool {
			return strings.Contains(p+"/", "/__pycache__/")
		}},
		{"traces of apt, dpkg and debconf", either(
			under("/var/lib/apt", "/var/cache/apt", "/etc/apt/sources.list", "/var/cache/adduser"),
			beneath("/var/cache/debconf", "/var/cache/ldconfig", "/etc/apt/sources.list.d", "/var/lib/dpkg/updates"),
			glob("/var/lib/systemd/deb-systemd-*-helper-enabled", "/var/lib/dpkg/*-old", "/var/lib/dpkg/lock*", "/var/lib/dpkg/triggers/Lock",
				"/var/backups/*", "/var/log/alternatives.log", "/var/log/dpkg.log", "/var/log/bootstrap.log"),
			under("/var/lib/systemd/deb-systemd-helper-enabled", "/var/lib/systemd/deb-systemd-user-helper-enabled", "/var/log/apt"))},
		{"what is made anew at each boot", beneath("/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp", "/efi")},
		{"packages' own choice of what starts", glob(OwnUnits()...)},
	}
}

// OwnUnits are patterns of the links by which packages start at boot what the roles of a
// node are to start, or what a read-only system has no use for. The units of
// packages that a definition asks for start as they do on Debian.
func OwnUnits() []string {
	var out []string
	for _, name := range []string{
		"containerd.service", "haproxy.service", "tinc.service", "prometheus-node-exporter*", "etcd.service", "coredns.service",
		"cni-dhcp.*", "dpkg-db-backup.timer", "e2scrub_*", "apt-daily*",
	} {
		out = append(out, "/etc/systemd/system/*.wants/"+name)
	}
	return out
}

// documentation is all of /usr/share/doc but a folder or link for each package,
// and in it the licence.
func documentation(p string) bool {
	rest, ok := strings.CutPrefix(p, "/usr/share/doc/")
	if !ok {
		return false
	}
	_, name, deeper := strings.Cut(rest, "/")
	return deeper && name != "copyright"
}

func either(matchers ...func(string) bool) func(string) bool {
	return func(p string) bool {
		for _, m := range matchers {
			if m(p) {
				return true
			}
		}
		return false
	}
}

func exact(paths ...string) func(string) bool {
	return func(p string) bool {
		for _, want := range paths {
			if p == want {
				return true
			}
		}
		return false
	}
}

// under matches folders and all below them, beneath only what is below.
func under(dirs ...string) func(string) bool {
	return func(p string) bool {
		for _, dir := range dirs {
			if below(p, dir) {
				return true
			}
		}
		return false
	}
}

func beneath(dirs ...string) func(string) bool {
	return func(p string) bool {
		for _, dir := range dirs {
			if p != dir && below(p, dir) {
				return true
			}
		}
		return false
	}
}

// glob matches patterns of path.Match, which the tests check.
func glob(patterns ...string) func(string) bool {
	return func(p string) bool {
		for _, pattern := range patterns {
			if ok, _ := path.Match(pattern, p); ok {
				return true
			}
		}
		return false
	}
}

// remove takes what an image does without out of a tree.
func (t entries) remove() []Removed {
	list := removals()
	out := make([]Removed, len(list))
	for i, r := range list {
		out[i].What = r.what
	}
	for p, e := range t {
		for i, r := range list {
			if r.match(p) {
				delete(t, p)
				out[i].Files++
				out[i].Bytes += e.Size
				break
			}
		}
	}
	return out
}
