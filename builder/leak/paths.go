package leak

import (
	"archive/tar"
	"regexp"
	"slices"
	"strings"
)

// factory is where a tree keeps the models of what lies below /var and /root.
const factory = "/usr/share/factory"

// real is where a file will be on the machine, /var/roothome being /root.
func (s *scanner) real() string {
	if rest, ok := strings.CutPrefix(s.path, factory); ok {
		return rest
	}
	return s.path
}

// rule is a kind of files that must not be there, by their paths.
type rule struct {
	what string
	path *regexp.Regexp
}

// rules are about real paths.
var rules = []rule{
	{"SSH host key", regexp.MustCompile(`^/etc/ssh/ssh_host_`)},
	{"SSH login", regexp.MustCompile(`/authorized_keys[^/]*$`)},
	{"SSH user key", regexp.MustCompile(`/\.ssh/id_[^/]*$`)},
	{"shell history", regexp.MustCompile(`/\.([a-z]+_history|node_repl_history|lesshst|viminfo|wget-hsts|sudo_as_admin_successful)$`)},
	{"random seed or credential of a machine", regexp.MustCompile(`^/var/lib/(systemd/(random-seed|credential\.secret)|urandom/random-seed)$`)},
	{"trace of apt", regexp.MustCompile(`^/(var/lib/apt/lists/.|var/cache/apt/.|etc/apt/(sources\.list|auth\.conf)(\.d/.+)?$|etc/apt/apt\.conf\.d/99mmdebstrap$|var/log/apt(/|$))`)},
	{"trace of cloud-init", regexp.MustCompile(`^/(var/lib/cloud/.|var/log/cloud-init|run/cloud-init/.|etc/cloud/cloud-init\.disabled$)`)},
	{"trace of dpkg", regexp.MustCompile(`\.(dpkg-(new|old|tmp|bak|dist)|ucf-(new|old|dist))$|^/(usr/lib/sysimage|var/lib)/dpkg/[^/]*-old$|^/etc/dpkg/dpkg\.cfg\.d/99mmdebstrap$`)},
	{"older copy of accounts", regexp.MustCompile(`^/etc/(passwd|shadow|group|gshadow|subuid|subgid)-$`)},
	{"log", regexp.MustCompile(`^/var/log/([^/]*\.log|journal/[^/]+/.)`)},
	{"key store", regexp.MustCompile(`\.(p12|pfx|jks|keystore|ppk|kdbx)$`)},
}

// name judges a path by itself.
func (s *scanner) name(h *tar.Header) {
	if h.Typeflag == tar.TypeDir {
		return
	}
	at := s.real()
	for _, r := range rules {
		if r.path.MatchString(at) {
			s.found(r.what)
		}
	}
}

// attributes judges the type, the mode and the rights of a path.
func (s *scanner) attributes(h *tar.Header) {
	const setuid, setgid, sticky, others = 0o4000, 0o2000, 0o1000, 0o002
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeLink:
		if h.Mode&(setuid|setgid) != 0 {
			s.found(SetID)
		}
		if h.Mode&others != 0 {
			s.found(WorldFile)
		}
	case tar.TypeDir:
		if h.Mode&others != 0 && h.Mode&sticky == 0 {
			s.found(WorldFile)
		}
	case tar.TypeSymlink:
	default:
		s.found("neither file, folder nor link")
	}
	var names []string
	for key := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		if name == "security.capability" {
			s.found(Capability)
		} else {
			s.found("extended attribute " + name)
		}
	}
}

// Allowed is a finding that is as it should be.
type Allowed struct {
	Path   string // a pattern of path.Match
	What   string // as in Finding
	Reason string
}

// Known are the findings in Debian's own packages and in programs that are
// known to be as they should be.
func Known() []Allowed {
	var out []Allowed
	add := func(what, reason string, paths ...string) {
		for _, p := range paths {
			out = append(out, Allowed{Path: p, What: what, Reason: reason})
		}
	}
	add(SetID, "changes one's own entry in the accounts, which only root may write; passwd's packages are essential",
		"/usr/bin/chfn", "/usr/bin/chsh", "/usr/bin/gpasswd", "/usr/bin/passwd", "/usr/bin/newgrp", "/usr/bin/chage", "/usr/bin/expiry")
	add(SetID, "becomes another user after asking for the password", "/usr/bin/su", "/usr/bin/sudo")
	add(SetID, "mounts what /etc/fstab lets users mount, which is nothing", "/usr/bin/mount", "/usr/bin/umount", "/usr/bin/fusermount3")
	add(SetID, "compares a password with /etc/shadow for PAM", "/usr/sbin/unix_chkpwd")
	add(SetID, "starts services of the system bus as their users", "/usr/lib/dbus-1.0/dbus-daemon-launch-helper")
	add(SetID, "signs with the host's key, and is switched off by default", "/usr/lib/openssh/ssh-keysign")
	add(SetID, "keeps agents from being traced", "/usr/bin/ssh-agent")
	add(PrivateKey, "tests itself with keys that are in its source", "/usr/lib/x86_64-linux-gnu/libgnutls.so.*")
	add(Token, "shows in its documentation how a token looks",
		"/usr/lib/python3/dist-packages/pyjwt-*.dist-info/METADATA", "/usr/lib/python3/dist-packages/PyJWT-*.egg-info/PKG-INFO")
	add(Capability, "sends packets of its own making, which is what it is for", "/usr/bin/ping", "/usr/bin/arping")
	return out
}
