package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/lab"
)

// labInputs makes sure that image and identities are there and of this
// definition: a machine would find out only after minutes.
func (a *app) labInputs(c *cluster.Cluster, f *labFlags) error {
	if err := labPrograms(); err != nil {
		return err
	}
	if f.image == "" {
		if err := a.labImage(c); err != nil {
			return err
		}
	}
	var missing, old []string
	spares := 0
	for i := range c.Nodes {
		n := &c.Nodes[i]
		if n.Spare {
			if spares++; spares > f.spares {
				continue
			}
		}
		facts, err := readFacts(filepath.Join(a.out, c.Def.Name, "nodes", n.Name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing = append(missing, n.Name)
		case err != nil:
			return fmt.Errorf("reading the identity of node %q: %w", n.Name, err)
		case !sameFacts(facts, ignition.FactsOf(c, n)):
			old = append(old, n.Name)
		}
	}
	hint := "make images CLUSTER=" + c.Def.Name + ", or: ingot iso " + c.Def.Name
	if len(missing) > 0 {
		return withHint(fmt.Errorf("there is no identity of %s in %s", list(missing), filepath.Join(a.out, c.Def.Name, "nodes")), "%s", hint)
	}
	if len(old) > 0 {
		return withHint(fmt.Errorf("the identity of %s is not as %s has it now", list(old), c.File), "%s", hint)
	}
	if _, err := os.Stat(a.labAdmin(c)); err != nil {
		return withHint(fmt.Errorf("there is no kubeconfig of the admin: %w", err), "%s", hint)
	}
	return nil
}

// labPrograms looks for what runs the machines.
func labPrograms() error {
	var missing []string
	for _, name := range []string{"qemu-system-x86_64", "qemu-img"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return withHint(fmt.Errorf("checking this machine: not installed: %s", list(missing)),
			"as root: apt-get install --no-install-recommends qemu-system-x86 qemu-utils")
	}
	return nil
}

func (a *app) labImages(c *cluster.Cluster) string {
	return filepath.Join(a.out, c.Def.Name, "images", "latest.qcow2")
}

// labAdmin is the admin's kubeconfig, for the API's own address.
func (a *app) labAdmin(c *cluster.Cluster) string {
	return filepath.Join(a.out, c.Def.Name, "kubeconfig")
}

// labImage holds the image against the definition.
func (a *app) labImage(c *cluster.Cluster) error {
	path := a.labImages(c)
	hint := "make images CLUSTER=" + c.Def.Name + ", or: ingot images " + c.Def.Name
	if !slices.Contains(c.Def.Image.Targets, "qemu") {
		hint = "ingot images " + c.Def.Name + " --only qcow2" // the targets have no such format
	}
	image, err := filepath.EvalSymlinks(path)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return withHint(fmt.Errorf("there is no image %s", path), "%s", hint)
	}
	manifest, err := builder.ReadManifest(filepath.Join(filepath.Dir(path), builder.ManifestFile))
	if err != nil {
		return withHint(err, "%s", hint)
	}
	if out, ok := manifest.File(builder.QCOW2); !ok || out.Name != filepath.Base(image) {
		return withHint(fmt.Errorf("image %s is not the one that the newest bake has made", image), "%s", hint)
	}
	now, err := builder.DefinitionSum(c)
	if err != nil {
		return err
	}
	if manifest.Inputs.Definition != now {
		return withHint(fmt.Errorf("image %s was baked from another definition than %s is now", image, c.File), "%s", hint)
	}
	return nil
}

// readFacts takes from a node's folder what its identity says of it.
func readFacts(dir string) (*ignition.Facts, error) {
	if _, err := os.Stat(filepath.Join(dir, "config.iso")); err != nil {
		return nil, err
	}
	data, err := atomicfile.ReadFile(filepath.Join(dir, "identity.bundle"), maxBundle)
	if err != nil {
		return nil, err
	}
	files, err := ignition.ReadBundle(data)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if f.Path == "/etc/ingot/node.json" {
			facts := new(ignition.Facts)
			return facts, json.Unmarshal(f.Data, facts)
		}
	}
	return nil, errors.New("it has no /etc/ingot/node.json")
}

// maxBundle bounds an identity, in bytes: many times what any platform takes.
const maxBundle = 4 << 20

// sameFacts compares as JSON, in which an empty list is like none.
func sameFacts(old *ignition.Facts, now ignition.Facts) bool {
	a, errA := generic(old)
	b, errB := generic(&now)
	return errA == nil && errB == nil && reflect.DeepEqual(a, b)
}

func generic(f *ignition.Facts) (any, error) {
	data, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	var out any
	err = json.Unmarshal(data, &out)
	return out, err
}

// labStartHint adds what to do where a lab could not be started.
func labStartHint(c *cluster.Cluster, err error) error {
	var missing *lab.MissingError
	var other *lab.OtherImageError
	switch {
	case errors.As(err, &other):
		return withHint(err, "--fresh-disks starts with new disks, and an empty cluster; --image %s goes on with the old one", other.Old)
	case errors.As(err, &missing):
		return withHint(err, "make images CLUSTER=%s", c.Def.Name)
	}
	return labError(c, err)
}
