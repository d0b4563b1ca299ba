package preflight

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"os"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// identityRest is about what an identity has besides the files and units of
// the definition: names, keys and certificates, in bytes. The shipped clusters'
// have 11 to 15 KiB.
const identityRest = 12 << 10

// maxFile bounds what is read of one file of the definition, as package
// cluster does.
const maxFile = 1 << 20

// content is what a file of the definition has. What cannot be read was
// reported when the definition was loaded.
func (k *checker) content(f cluster.File) []byte {
	if f.Source == "" {
		return []byte(f.Content)
	}
	root, err := os.OpenRoot(k.c.Dir)
	if err != nil {
		return nil
	}
	defer func() { _ = root.Close() }() // nothing was written
	file, err := root.Open(f.Source)
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil
	}
	return data
}

// sizes estimates whether a node's identity fits into what a target takes.
// "ingot iso" measures it, and refuses it; but by then the image is baked.
func (k *checker) sizes() {
	d := &k.c.Def
	var common []byte
	if d.Identity.Common == nil || *d.Identity.Common {
		common = k.extra(d.Files, d.Units)
	}
	for _, target := range d.Image.Targets {
		limit := ignition.TargetLimit(target)
		if limit == 0 {
			continue
		}
		if size := packed(common); len(common) > 0 && size+identityRest > limit {
			k.tooLarge("files", target, "every node's identity", size, limit)
			continue // and so for each node
		}
		for i, n := range d.Nodes {
			own := k.extra(n.Files, n.Units)
			if size := packed(append(append([]byte{}, common...), own...)); len(own) > 0 && size+identityRest > limit {
				k.tooLarge(fmt.Sprintf("nodes[%d].files", i), target, "this node's identity", size, limit)
			}
		}
	}
}

// tooLarge is an error where the files alone are too much.
func (k *checker) tooLarge(path, target, whose string, size, limit int) {
	const format = "compressed, files and units take %d bytes of %s, and the target %s takes %d for all of it, keys and certificates included; " +
		"identity.common: false leaves what all nodes share to the image"
	if size > limit {
		k.errorf(path, format, size, whose, target, limit)
		return
	}
	k.warnf(path, format, size, whose, target, limit)
}

func (k *checker) extra(files []cluster.File, units []cluster.Unit) []byte {
	var all []byte
	for _, f := range files {
		all = append(all, k.content(f)...)
	}
	for _, u := range units {
		all = append(all, u.Content...)
	}
	return all
}

// packed is about what data takes in an identity: compressed, in base64.
func packed(data []byte) int {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return len(data) // never: the level is one of gzip's own
	}
	_, err = w.Write(data)
	if err = firstError(err, w.Close()); err != nil {
		return len(data) // never: it is memory
	}
	return base64.StdEncoding.EncodedLen(b.Len())
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// Sizes of DigitalOcean, in bytes.
const (
	// dropletLimit is the most that a custom image has uncompressed ("Custom
	// Images Limits": 100 GB).
	dropletLimit = 100e9
	// smallestDroplet is the disk of the smallest plan ("Droplet Pricing": 10
	// GiB SSD).
	smallestDroplet = 10 << 30
)

// Disk finds targets that a disk of so many bytes is too large for. It is
// called when the disk is laid out, before it is written.
func Disk(c *cluster.Cluster, size int64) *diag.Report {
	k := &checker{Report: &diag.Report{}, c: c}
	if !k.is("digitalocean") {
		return k.Report
	}
	at := k.target("digitalocean")
	switch {
	case float64(size) > dropletLimit:
		k.errorf(at, "the disk has %d GB, and DigitalOcean takes at most 100 GB, uncompressed", size/1e9)
	case size > smallestDroplet:
		k.warnf(at, "the disk has %d GB, and the smallest Droplets have 10 GB: choose a plan with a larger disk", size/1e9)
	}
	return k.Report
}
