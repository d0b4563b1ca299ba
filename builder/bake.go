package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/builder/leak"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/builder/preflight"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/builder/workshop"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/pki"
)

// Config says what is baked, and with what.
type Config struct {
	Cluster *cluster.Cluster
	Lock    *lock.Lock
	Public  *pki.Public
	Secrets []pki.Secret // to be found nowhere in the image
	Traces  leak.Traces  // of this machine, likewise
	Program []byte       // ingot-node
	// Changes are what others did to the base in a workshop; nil for none.
	Changes *workshop.Changes
	Version string // of ingot, for the bill of materials

	Formats []Format // none means those of the targets
	Dir     string   // for the images; made if need be

	Store   *step.Store
	Runner  run.Runner
	Environ []string // the environment, as os.Environ gives it
	Root    bool     // whether the caller is root
	Offline bool     // use nothing but the lock and the cache

	Progress Progress             // may be nil
	Warn     func(message string) // may be nil
	Now      func() time.Time     // to time the steps; nothing else depends on it
}

// Result is what a bake has made.
type Result struct {
	Manifest  *Manifest
	Unchanged bool // whether all of it was there before
}

// bake is one run.
type bake struct {
	Config
	timings timings
	medium  bool // whether a boot ISO is made
	id      string
	path    string                       // PATH of the environment
	base    func() (*step.Result, error) // the step base, done when it is first needed
	stop    context.CancelCauseFunc      // ends all steps, and keeps why
}

// Bake bakes the image of a cluster and writes it in every format. Nothing of
// it is to be seen in the folder before all of it is done; what is there of
// other images stays.
func Bake(ctx context.Context, cfg Config) (*Result, error) {
	b := newBake(cfg)
	sealed, err := b.seal(ctx)
	if err != nil {
		return nil, err
	}
	defer sealed.release()
	if err := preflight.Disk(b.Cluster, virtualSize(sealed.disk)).Err(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(b.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of images: %w", err)
	}
	held, err := hold(ctx, b.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = held.Close() }() // unlocks
	if m := b.present(ctx); m != nil {
		return &Result{Manifest: m, Unchanged: true}, point(b.Dir, m.Files)
	}
	m, err := b.write(ctx, sealed)
	if err != nil {
		return nil, err
	}
	return &Result{Manifest: m}, nil
}

func newBake(cfg Config) *bake {
	b := &bake{Config: cfg}
	if len(b.Formats) == 0 {
		b.Formats = FormatsOf(cfg.Cluster)
	}
	if b.Progress == nil {
		b.Progress = silence{}
	}
	if b.Warn == nil {
		b.Warn = func(string) {}
	}
	b.path = variable(cfg.Environ, "PATH")
	return b
}

// write writes the image's files and gives them their names.
func (b *bake) write(ctx context.Context, s *sealed) (*Manifest, error) {
	o := &outputs{dir: b.Dir}
	defer o.close()
	if err := b.images(ctx, o, s.disk, b.Formats); err != nil {
		return nil, err
	}
	text, err := b.sbom(s.bill)
	if err != nil {
		return nil, err
	}
	if err := o.addText(sbomFile, text); err != nil {
		return nil, err
	}
	files, err := json.Marshal(fileList{Root: s.root.index, Cluster: s.cluster.index})
	if err != nil {
		return nil, fmt.Errorf("listing the image's files: %w", err)
	}
	if err := o.addText(filesFile, append(files, '\n')); err != nil {
		return nil, err
	}
	m, err := b.manifest(s, o.list())
	if err != nil {
		return nil, err
	}
	if err := o.addText(SumsFile, sums(o.list())); err != nil {
		return nil, err
	}
	data, err := m.Encode()
	if err != nil {
		return nil, err
	}
	// The manifest comes last: what it names is there.
	if err := o.addText(ManifestFile, data); err != nil {
		return nil, err
	}
	if err := o.commit(); err != nil {
		return nil, err
	}
	return m, point(b.Dir, m.Files)
}

// manifest says what was made.
func (b *bake) manifest(s *sealed, files []Output) (*Manifest, error) {
	inputs, err := b.inputs()
	if err != nil {
		return nil, err
	}
	return &Manifest{
		Format: ManifestFormat, Ingot: b.Version, Cluster: b.Cluster.Def.Name, ID: b.id, Date: b.Lock.Date,
		Kubernetes: b.Cluster.Def.Kubernetes.Version, Debian: b.Lock.Debian.Release, Targets: b.Cluster.Def.Image.Targets,
		Inputs: *inputs, Kernel: s.kernel, Partitions: s.partitions, Trees: []Tree{s.root.tree, s.cluster.tree},
		DiskSize: s.disk.Size(), Files: files, Components: b.components(s.root.index), Timings: b.timings.all,
	}, nil
}

// inputs hashes what the image is made of. The definition counts with its
// defaults and what it refers to, not as text.
func (b *bake) inputs() (*Inputs, error) {
	definition, err := DefinitionSum(b.Cluster)
	if err != nil {
		return nil, err
	}
	public, err := json.Marshal(b.Public)
	if err != nil {
		return nil, fmt.Errorf("hashing the public part of the PKI: %w", err)
	}
	tools := map[string]string{}
	for _, name := range []string{bootstrap, packer} {
		if tools[name], err = b.tool(name); err != nil {
			return nil, err
		}
	}
	return &Inputs{
		Tools: tools, Changes: b.changed(),
		Definition: definition, Lock: sum(b.Lock.Encode()), PKI: sum(public), Program: sum(b.Program),
	}, nil
}

// DefinitionSum is [Inputs].Definition of an image that is baked now.
func DefinitionSum(c *cluster.Cluster) (string, error) {
	definition, err := json.Marshal(c.Def)
	if err != nil {
		return "", fmt.Errorf("hashing the definition: %w", err)
	}
	return sum(definition), nil
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// variable finds a variable of an environment; empty where it is not set.
func variable(environ []string, name string) string {
	value := ""
	for _, e := range environ {
		if len(e) > len(name) && e[len(name)] == '=' && e[:len(name)] == name {
			value = e[len(name)+1:]
		}
	}
	return value
}

// Programs of this machine that decide about bytes.
const (
	bootstrap = "mmdebstrap"
	packer    = "mksquashfs"
)

// tool is the SHA-256 of a program of this machine: another version may
// make other bytes of the same inputs.
func (b *bake) tool(name string) (string, error) {
	for _, dir := range filepath.SplitList(b.path + ":/usr/sbin:/sbin") {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			return sum(data), nil
		}
	}
	return "", fmt.Errorf("%q is not installed", name)
}
