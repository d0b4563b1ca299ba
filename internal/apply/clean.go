package apply

import (
	"context"
	"fmt"
)

// Clean takes what belongs to one machine out of it, so that its disk can be
// the image of many: its name and keys, who may log in by a key, what a first
// boot did, traces of those who made it, and lists and logs. The passwords of
// the accounts in lock no longer open them. It ends what a build does: from then
// on the machine takes no new connection.
func Clean(ctx context.Context, m Machine, lock []string) error {
	for _, name := range lock {
		if err := m.Run(ctx, nil, nil, "usermod", "--lock", name); err != nil {
			return fmt.Errorf("locking the password of %q: %w", name, err)
		}
	}
	argv := []string{"find", "/etc", "/home", "/root", "/tmp", "/var", "-ignore_readdir_race", "-xdev", "-depth", "("}
	for i, pattern := range belongings() {
		if i > 0 {
			argv = append(argv, "-o")
		}
		argv = append(argv, "-path", pattern)
	}
	// Folders of services that run are theirs until the machine is off.
	argv = append(argv, ")", "!", "-path", "*/systemd-private-*", "-delete")
	if err := m.Run(ctx, nil, nil, argv...); err != nil {
		return fmt.Errorf("removing what is this machine's own: %w", err)
	}
	// Empty, not missing: then the next boot makes one, and is no first boot, at
	// which systemd would apply presets (machine-id(5)).
	if err := m.Run(ctx, nil, nil, "truncate", "--size=0", "/etc/machine-id"); err != nil {
		return fmt.Errorf("emptying /etc/machine-id: %w", err)
	}
	return m.Run(ctx, nil, nil, "sync")
}

// belongings are patterns of what is one machine's own; "*" goes over "/", too.
func belongings() []string {
	return []string{
		// Who it is.
		"/etc/hostname", "/etc/ssh/ssh_host_*", "/var/lib/dbus/machine-id", "/var/lib/systemd/random-seed", "/var/lib/systemd/credential.secret",
		// What its first boots found out about its place.
		"/var/lib/cloud/*", "/etc/netplan/50-cloud-init.yaml", "/etc/network/interfaces.d/50-cloud-init", "/etc/systemd/network/10-cloud-init-*",
		"/etc/udev/rules.d/70-persistent-net.rules", "/var/lib/dhcp/*", "/var/lib/dhcpcd/*", "/var/lib/NetworkManager/*", "/var/lib/systemd/network/*",
		// Who made it.
		"/root/.ssh/*", "/home/*/.ssh/*", "/root/.*_history", "/home/*/.*_history", "/root/.cache/*", "/home/*/.cache/*",
		// What is found again, and what was said.
		"/var/lib/apt/lists/*", "/var/cache/apt/*", "/var/log/journal/*", "/var/log/*.log", "/var/log/*.log.*", "/var/log/apt/*",
		"/var/log/btmp*", "/var/log/wtmp*", "/var/log/lastlog", "/var/lib/wtmpdb/*", "/var/log/installer/*", "/tmp/*", "/var/tmp/*",
	}
}
