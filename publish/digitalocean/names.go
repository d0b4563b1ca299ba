package digitalocean

import (
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
)

// Tags hold letters, digits, colons, dashes and underscores, 255 at most
// (DigitalOcean API, "Create a New Tag"). They are of the whole account, so each
// that selects machines has the cluster's name in it.
const (
	tagAll      = "ingot"
	tagCluster  = "ingot:"          // + cluster
	tagImage    = "ingot-image:"    // + id
	tagNode     = "ingot-node:"     // + node; beside the cluster's
	tagRole     = "ingot-role:"     // + cluster + ":" + role
	tagData     = "ingot-data:"     // + the beginning of the user data's SHA-256 sum
	tagSnapshot = "ingot-snapshot:" // + cluster + ":" + id, of the Droplet that a snapshot is made of
)

func (r *run) clusterTag() string { return tagCluster + r.Cluster.Def.Name }

func (r *run) roleTag(role cluster.Role) string {
	return tagRole + r.Cluster.Def.Name + ":" + string(role)
}

// imageName is that of the image, its snapshot and its upload.
func (r *run) imageName() string { return r.Cluster.Def.Name + "-" + r.Image.ID }

func (r *run) snapshotName() string { return r.imageName() + "-snapshot" }

// suffix is what the platform takes a compressed raw disk for.
const suffix = ".img.gz"

func (r *run) objectKey() string { return r.imageName() + suffix }

// imageTags are those of the image of this run.
func (r *run) imageTags() []string {
	return []string{tagAll, r.clusterTag(), tagImage + r.Image.ID}
}

// ours reports whether tags say that a thing is of this cluster. The API keeps
// the case in which a tag was first written, and compares without it.
func (r *run) ours(tags []string) bool { return has(tags, tagAll) && has(tags, r.clusterTag()) }

func has(tags []string, tag string) bool {
	return slices.ContainsFunc(tags, func(t string) bool { return strings.EqualFold(t, tag) })
}

// value gives what follows a prefix among tags.
func value(tags []string, prefix string) string {
	for _, t := range tags {
		if len(t) > len(prefix) && strings.EqualFold(t[:len(prefix)], prefix) {
			return t[len(prefix):]
		}
	}
	return ""
}

// marker stands in the description of what has no tags.
func (r *run) marker() string { return "made by ingot for the cluster " + r.Cluster.Def.Name }
