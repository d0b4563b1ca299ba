package identity

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
)

// Image says what the machine runs. Each is empty where it is not known.
type Image struct {
	// ID is IMAGE_ID and IMAGE_VERSION of os-release(5) with a hyphen between
	// them, as the files of an image are called, else the start of the root hash
	// of the cluster's partition.
	ID string `json:"id,omitempty"`
	// Kubernetes is its version, such as v1.36.3.
	Kubernetes string `json:"kubernetes,omitempty"`
}

// readImage reads what the image knows about its cluster. Whatever is wrong
// with it is wrong with the image, not with the identity.
func (c *check) readImage() {
	data, err := atomicfile.ReadFile(c.at(clusterjson.Path), clusterjson.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		c.problem("this image has no %s: ingot-node belongs into an image that ingot has baked", clusterjson.Path)
		return
	}
	image, parseErr := clusterjson.Parse(data)
	if err = errors.Join(err, parseErr); err != nil {
		c.problem("this image is damaged: %s cannot be read; write it to the disk again", clusterjson.Path)
		return
	}
	if !dnsName(image.Name, 63) || !dnsName(image.Domain, 253) {
		c.problem("this image is damaged: the names in %s are no DNS names; bake it again", clusterjson.Path)
		return
	}
	c.image, c.Cluster = image, image.Name
	c.Image = Image{ID: imageID(c.root), Kubernetes: image.Kubernetes}
	if info, err := os.Stat(c.at(clusterjson.Path)); err == nil {
		c.made = info.ModTime() // the one clock of the bake
	}
	c.authority = map[string]*x509.Certificate{}
	for _, name := range slices.Sorted(maps.Keys(image.Authorities)) {
		c.readAuthority(name, image.Authorities[name])
	}
}

// readAuthority reads the certificate of one of the image's authorities.
func (c *check) readAuthority(name, want string) {
	path := clusterjson.PKIDir + "/" + name + ".crt"
	if !dnsName(name, 63) {
		c.problem("this image is damaged: an authority in %s has no proper name; bake it again", clusterjson.Path)
		return
	}
	cert, err := c.readCert(path)
	if err != nil {
		c.problem("this image is damaged: authority %s: %v; write it to the disk again", name, err)
		return
	}
	if got := fingerprint(cert); got != want {
		c.problem("this image is damaged: %s is %s, and %s says %s; bake it again", path, short(got), clusterjson.Path, short(want))
		return
	}
	c.authority[name] = cert
	// Files of an image may be dated anything by who copies them; the image is
	// never older than its authorities.
	if cert.NotBefore.After(c.made) {
		c.made = cert.NotBefore
	}
}

// readCert reads a file that has one certificate. Errors name the path and
// quote nothing of the file.
func (c *check) readCert(path string) (*x509.Certificate, error) {
	data, err := c.read(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" || len(strings.TrimSpace(string(rest))) > 0 {
		return nil, fmt.Errorf("%s is not one certificate in PEM", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s has a certificate that cannot be read", path)
	}
	return cert, nil
}

// read reads a file of the machine. Its errors name the path that the machine
// has, and say in few words what is the matter.
func (c *check) read(path string) ([]byte, error) {
	data, err := atomicfile.ReadFile(c.at(path), maxFile)
	switch {
	case err == nil:
		return data, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is missing", path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s may not be read: only root can do this", path)
	}
	info, statErr := os.Lstat(c.at(path))
	if statErr == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return nil, fmt.Errorf("%s cannot be read", path)
}

// fingerprint is the SHA-256 of a certificate's DER in hexadecimal digits.
func fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return hex.EncodeToString(sum[:])
}

// imageID finds the name that an image has.
func imageID(root string) string {
	c := check{root: root}
	release := map[string]string{}
	if data, err := c.read("/usr/lib/os-release"); err == nil {
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			if value = strings.Trim(value, `"'`); imageName(value) {
				release[key] = value
			}
		}
	}
	if id, version := release["IMAGE_ID"], release["IMAGE_VERSION"]; id != "" && version != "" {
		return id + "-" + version
	}
	// Files of /proc have no size, so nothing of theirs is read at once by it.
	line, err := os.ReadFile(c.at("/proc/cmdline"))
	if err != nil {
		return ""
	}
	for word := range strings.FieldsSeq(string(line)) {
		if v, ok := strings.CutPrefix(word, "ingot.cluster="); ok && imageName(v) {
			return short(v)
		}
	}
	return ""
}

// imageName is what os-release(5) allows for IMAGE_ID and IMAGE_VERSION.
func imageName(s string) bool {
	return s != "" && len(s) <= 128 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789._-") == ""
}

// checkClock finds out whether dates can be judged: a machine without a clock
// that runs on starts somewhere in the past, and gets the time from the network
// later.
func (c *check) checkClock() {
	c.clockSet = !c.now.Before(c.made)
	if !c.clockSet {
		c.warn("the clock says %s, and this image was made at %s: dates of certificates are not judged until the clock is set",
			day(c.now), day(c.made))
	}
}
