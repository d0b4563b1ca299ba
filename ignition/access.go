package ignition

import "github.com/ingot-k8s/ingot/cluster"

// access gives the definition's SSH keys an account without a password that
// may become root. The rule for sudo is a file of its own, because the group
// that may use sudo without a password is another one on each system.
func access(c *cluster.Cluster) ([]User, []File) {
	a := &c.Def.Access
	if len(a.SSHKeys) == 0 {
		return nil, nil
	}
	users := []User{{Name: a.User, SSHKeys: a.SSHKeys}}
	if a.User == "root" {
		return users, nil
	}
	return users, []File{early("/etc/sudoers.d/50-ingot", modeSudo, a.User+" ALL=(ALL:ALL) NOPASSWD: ALL\n")}
}
