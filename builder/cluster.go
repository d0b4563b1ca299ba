package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ingot-k8s/ingot/builder/boot"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/provisioners"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// idLength is how much of the inputs' SHA-256 names an image, in hexadecimal
// digits: 48 bits, so that two images of one cluster do not meet.
const idLength = 12

// cluster makes the file system of the cluster's layers, which is laid over
// the root. It is small, and made at each bake.
func (b *bake) cluster(ctx context.Context, s *sealed, p *plan) error {
	return b.timed("cluster", func(t *task) error {
		layers, err := b.layers()
		if err != nil {
			return err
		}
		if b.id, err = b.identify(p, layers); err != nil {
			return err
		}
		layers = append(layers, b.release())
		entries, err := layer.Merge(layers...)
		if err != nil {
			return err
		}
		users, err := layer.Users(layers...)
		if err != nil {
			return err
		}
		dir, release, err := b.Store.Cache.Workspace()
		if err != nil {
			return err
		}
		s.done = append(s.done, release)
		gate := b.gate(ctx, b.Secrets)
		index, hash, err := b.pack(ctx, dir, tree.ClusterSquash(b.Lock.Date, b.path), gate, func(w io.Writer) (*tree.Index, error) {
			return tree.Cluster(ctx, w, tree.ClusterOptions{Root: s.root.index, Entries: entries, Users: users, Date: b.Lock.Date})
		})
		if err != nil {
			return err
		}
		s.cluster, err = s.openCluster(dir, index, hash)
		if err == nil {
			t.size = s.cluster.tree.Size
		}
		return err
	})
}

// layers are what the definition adds to the root.
func (b *bake) layers() ([]layer.Layer, error) { return provisioners.All(b.Cluster, b.Public) }

// openCluster takes the small file system into memory: nothing of it is needed
// on the disk any more.
func (s *sealed) openCluster(dir string, index *tree.Index, hash boot.Hash) (*fileSystem, error) {
	data, err := os.ReadFile(filepath.Join(dir, dataFile))
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's file system: %w", err)
	}
	hashes, err := os.ReadFile(filepath.Join(dir, hashesFile))
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's file system: %w", err)
	}
	return &fileSystem{
		parts: boot.FileSystem{Data: images.Bytes(data), Tree: images.Bytes(hashes), Hash: hash}, index: index,
		tree: Tree{Label: boot.LabelCluster, RootHash: hash.String(), SHA256: sum(data), Size: int64(len(data))},
	}, nil
}

// identify derives the image's name from everything that it is made of.
func (b *bake) identify(p *plan, layers []layer.Layer) (string, error) {
	data, err := json.Marshal(struct {
		Root, Start string
		Kernel      []string
		Layers      []layer.Layer
		Pack, Seal  string
	}{p.root.Key(), p.start.Key(), b.Cluster.Def.System.KernelArgs, layers, p.root.Inputs[4], source("tree", "boot")})
	if err != nil {
		return "", fmt.Errorf("naming the image: %w", err)
	}
	return sum(data)[:idLength], nil
}

// release tells the machine what it runs: os-release(5).
func (b *bake) release() layer.Layer {
	text := new(bytes.Buffer)
	for _, field := range [][2]string{
		{"NAME", "Ingot"}, {"ID", "ingot"}, {"ID_LIKE", "debian"},
		{"PRETTY_NAME", fmt.Sprintf("Ingot %s (Kubernetes %s, Debian %d)", b.Cluster.Def.Name, b.Cluster.Def.Kubernetes.Version, b.Lock.Debian.Release)},
		{"VERSION_ID", fmt.Sprint(b.Lock.Debian.Release)}, {"IMAGE_ID", b.Cluster.Def.Name}, {"IMAGE_VERSION", b.id},
	} {
		fmt.Fprintf(text, "%s=%q\n", field[0], field[1])
	}
	return layer.Layer{Name: "image", Files: []layer.File{{Path: "/usr/lib/os-release", Content: text.Bytes()}}}
}
