package workshop

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
)

// stat is what tells whether a path of the tree was changed: every change of a
// file sets its ctime, which nobody can set otherwise.
type stat struct{ kind, inode, mode, user, group, size, ctime, target string }

// format is that of find(1) for a path and its stat, each field with a NUL.
const format = `%P\0%y\0%i\0%m\0%U\0%G\0%s\0%C@\0%l\0`

// fields is how many fields the format has.
const fields = 9

// list looks at every path of the tree that an image could have.
func (w *Workshop) list(ctx context.Context) (map[string]stat, error) {
	var out bytes.Buffer
	if err := w.Runner.Run(ctx, w.command(nil, &out, "find", w.Tree(), "-xdev", "-printf", format)); err != nil {
		return nil, err
	}
	return parseList(out.String())
}

func parseList(text string) (map[string]stat, error) {
	out := map[string]stat{}
	all := strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
	if len(all)%fields != 0 {
		return nil, errors.New("listing the tree: find has said something else than asked for")
	}
	for f := all; len(f) >= fields; f = f[fields:] {
		if p := path.Clean("/" + f[0]); !passing(p) {
			out[p] = stat{f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]}
		}
	}
	return out, nil
}

// passing reports whether a path is no part of an image, whatever is there: it
// is made at each boot, every image has its own, or programs leave it behind.
func passing(p string) bool {
	for _, dir := range []string{
		"/dev", "/proc", "/run", "/sys", "/tmp", "/var/tmp", "/efi", "/boot",
		"/var/lib/apt", "/var/cache/apt", "/var/cache/debconf", "/var/cache/ldconfig", "/var/cache/adduser", "/var/backups", "/var/log/apt",
		"/var/lib/dpkg/updates", "/var/lib/systemd/deb-systemd-helper-enabled", "/var/lib/systemd/deb-systemd-user-helper-enabled",
	} {
		if strings.HasPrefix(p, dir+"/") {
			return true
		}
	}
	switch p {
	case "/etc/machine-id", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/.updated", "/etc/.pwd.lock",
		"/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-",
		"/var/log/dpkg.log", "/var/log/alternatives.log", "/var/log/bootstrap.log", "/var/log/lastlog", "/var/log/faillog",
		"/var/lib/dpkg/lock", "/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/triggers/Lock",
		"/var/lib/dpkg/status-old", "/var/lib/dpkg/available-old", "/var/lib/dpkg/diversions-old", "/var/lib/dpkg/statoverride-old":
		return true
	}
	return strings.Contains(p+"/", "/__pycache__/")
}
