package builder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ingot-k8s/ingot/builder/sbom"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// unlockedFile is the name of a file in a step.
const unlockedFile = "unlocked.json"

// Unlocked is what others, such as Packer's provisioners, changed in the base: a
// layer that the lock does not cover.
type Unlocked struct {
	Written int `json:"pathsWritten"`
	Removed int `json:"pathsRemoved"`
	// Packages that are installed and not locked with this version, and those
	// that are locked and not installed with theirs.
	More []sbom.Package `json:"packages,omitempty"`
	Gone []sbom.Package `json:"packagesGone,omitempty"`
}

// Lines tells it to people.
func (u *Unlocked) Lines() []string {
	if u == nil {
		return nil
	}
	out := []string{fmt.Sprintf("not locked: a layer over the base, %d paths written, %d removed", u.Written, u.Removed)}
	for _, p := range u.More {
		out = append(out, "not locked: package "+p.String())
	}
	for _, p := range u.Gone {
		out = append(out, "locked, and not in the image: package "+p.String())
	}
	return out
}

// version is that of the first of packages that others changed; empty for none.
func (u *Unlocked) version(names ...string) string {
	if u == nil {
		return ""
	}
	for _, name := range names {
		if i := slices.IndexFunc(u.More, func(p sbom.Package) bool { return p.Name == name }); i >= 0 {
			return u.More[i].Version
		}
	}
	return ""
}

// installed reads what is installed in a base that others changed, and writes
// how it differs from the lock into the folder of a step.
func (b *bake) installed(base io.ReadSeeker, dir string) ([]sbom.Package, error) {
	if b.changed() == "" {
		return nil, nil
	}
	if _, err := base.Seek(0, io.SeekStart); err != nil {
		return nil, fmt.Errorf("reading base: %w", err)
	}
	all, err := sbom.Installed(base)
	if err != nil {
		return nil, err
	}
	u := Unlocked{Written: len(b.Changes.Written), Removed: len(b.Changes.Removed)}
	u.More, u.Gone = sbom.Beyond(b.Lock.Debian.Packages, all)
	data, err := json.Marshal(u)
	if err != nil {
		return nil, fmt.Errorf("comparing with the lock: %w", err)
	}
	return all, atomicfile.WriteNoSync(filepath.Join(dir, unlockedFile), data, 0o644)
}

// unlocked reads what installed has written; nil where nobody changed the base.
func unlocked(bill *step.Result) (*Unlocked, error) {
	data, err := os.ReadFile(bill.Path(unlockedFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	out := new(Unlocked)
	if err == nil {
		err = json.Unmarshal(data, out)
	}
	if err != nil {
		return nil, fmt.Errorf("reading what the lock does not cover: %w", err)
	}
	return out, nil
}
