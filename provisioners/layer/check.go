package layer

import (
	"fmt"
	"path"
	"regexp"
	"strings"
)

// StatePaths are the folders that are not part of an image. What lies below
// them is made on the machine: /var is the state partition, where links lead
// from the others up to /usr/local, and the rest is made at boot. A layer that
// needs something there has a file in /usr/lib/tmpfiles.d.
func StatePaths() []string {
	return []string{
		"/var", "/home", "/root", "/opt", "/srv", "/mnt", "/usr/local",
		"/run", "/proc", "/sys", "/dev", "/tmp", "/boot", "/efi",
	}
}

// linkedPaths are links of Debian's merged /usr. A folder of a layer in their
// place would hide what they lead to.
func linkedPaths() []string { return []string{"/bin", "/sbin", "/lib", "/lib64"} }

// The names that a layer may use.
var (
	namePattern   = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	unitPattern   = regexp.MustCompile(`^[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]*)?\.(service|socket|target|timer|path|mount|automount|slice|swap|scope)$`)
	dropInPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]+\.conf$`)
	sysctlPattern = regexp.MustCompile(`^-?[A-Za-z0-9_*-]+([./][A-Za-z0-9_*-]+)+$`)
	modulePattern = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	userPattern   = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,30}$`)
)

// checkPath says what is wrong with a path of a layer.
func checkPath(p string) error {
	if !path.IsAbs(p) || path.Clean(p) != p || p == "/" || strings.ContainsAny(p, "\x00\n") {
		return fmt.Errorf("the path %q is not absolute and clean", p)
	}
	for _, dir := range StatePaths() {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return fmt.Errorf("%s: %s is not part of an image; a file in /usr/lib/tmpfiles.d makes what is needed there", p, dir)
		}
	}
	for _, dir := range linkedPaths() {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			return fmt.Errorf("%s: %s is a link, say /usr%s", p, dir, p)
		}
	}
	return nil
}
