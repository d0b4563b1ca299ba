package identity

import (
	"os"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/ignition/bundle"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// maxBundle is far more than a bundle has, in bytes.
const maxBundle = 16 << 20

// readIdentity finds the identity and reads its facts. It reports whether there
// are any to go on with.
func (c *check) readIdentity() bool {
	there := func(path string) bool { return exists(c.at(path)) }
	if !there(FactsPath) && !there(bundle.PinPath) && !there(bundle.AppliedPath) {
		c.noIdentity()
		return false
	}
	if !c.checkPin() && !there(FactsPath) {
		return false
	}
	data, err := c.read(FactsPath)
	if err != nil {
		c.problem("the identity is not whole: %v; remove %s and start the machine with its config.iso", err, bundle.AppliedPath)
		return false
	}
	if c.facts, err = ParseFacts(data); err != nil {
		c.problem("the identity is damaged: %s: %v", FactsPath, err)
		return false
	}
	c.Node, c.Index, c.Spare, c.Roles, c.Addresses = c.facts.Name, c.facts.Index, c.facts.Spare, c.facts.Roles, c.facts.Mesh.Addresses
	return true
}

// checkPin makes sure that what was to be unpacked is what was unpacked.
func (c *check) checkPin() bool {
	data, err := c.read(bundle.PinPath)
	if err != nil {
		c.problem("the identity is not whole: %v, and without it nothing says which identity this is", err)
		return false
	}
	want, ok := bundle.Digest(data)
	if !ok {
		c.problem("the identity is damaged: %s does not start with a SHA-256", bundle.PinPath)
		return false
	}
	if !exists(c.at(bundle.AppliedPath)) {
		c.notUnpacked(want)
		return false
	}
	data, err = c.read(bundle.AppliedPath)
	if err != nil {
		c.problem("the identity is not whole: %v", err)
		return false
	}
	have, ok := bundle.Digest(data)
	if !ok {
		c.problem("the identity is damaged: %s does not start with a SHA-256", bundle.AppliedPath)
		return false
	}
	if have != want {
		c.notUnpacked(want)
		return false
	}
	_, c.applied, _ = strings.Cut(string(data), "\n")
	return true
}

// notUnpacked says why a wanted bundle is not in place.
func (c *check) notUnpacked(want string) {
	for _, path := range []string{bundle.Path, bundle.RunPath} {
		data, err := atomicfile.ReadFile(c.at(path), maxBundle)
		if err != nil {
			continue
		}
		if got := bundle.Sum(data); got != want {
			c.problem("the identity is not the one that was made: %s is %s, and %s wants %s: it was changed or damaged on its way; make its config.iso again",
				path, short(got), bundle.PinPath, short(want))
			return
		}
		c.problem("the identity %s is here and could not be unpacked: see %s", short(want), c.unpackLog())
		return
	}
	c.problem("the identity %s was not found, or what was found is not it: its bundle is on the config.iso beside user_data, or within user_data.inline; see %s",
		short(want), c.unpackLog())
}

// unpackLog is where the unpacker says what it could not do.
func (c *check) unpackLog() string {
	if c.image != nil && c.image.Provisioning == "cloud-init" {
		return "journalctl -b -u cloud-final.service"
	}
	return "journalctl -b -u ingot-unpack.service"
}

// vital are the folders of an identity without whose files a node cannot run.
// What the definition's own "files" put elsewhere is not looked at: who runs
// the machine may have removed it.
var vital = []string{"/etc/ingot/", "/etc/kubernetes/", "/etc/etcd/", "/etc/tinc/"}

// checkApplied looks whether all that was unpacked is still there. What is
// read elsewhere is told there.
func (c *check) checkApplied() {
	_, host := c.meshFiles()
	for path := range strings.Lines(c.applied) {
		path = strings.TrimSuffix(path, "\n")
		if path == host || strings.Contains(path, "/pki/") || strings.HasSuffix(path, "/rsa_key.priv") || exists(c.at(path)) {
			continue
		}
		if slices.ContainsFunc(vital, func(dir string) bool { return strings.HasPrefix(path, dir) }) {
			c.problem("the identity is not whole: %q is missing; remove %s and start the machine with its config.iso", path, bundle.AppliedPath)
		}
	}
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}
