package builder

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/builder/sbom"
	"github.com/ingot-k8s/ingot/builder/step"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

const licencesFile = "licences.json"

// licences are the licence texts of what the image has: they are kept, because
// neither the base nor the source of modules is looked at in later bakes.
type licences struct {
	Packages map[string][]byte `json:"packages"` // debian/copyright by name
	Modules  map[string][]byte `json:"modules"`  // by path@version
}

// licences collects the licence texts.
func (b *bake) licences(ctx context.Context, p *plan) (*step.Result, error) {
	return b.step(ctx, p.licences, func(ctx context.Context, _ *task, dir string) error {
		made, err := b.base()
		if err != nil {
			return err
		}
		f, err := os.Open(made.Path(baseFile))
		if err != nil {
			return fmt.Errorf("reading base: %w", err)
		}
		defer func() { _ = f.Close() }() // nothing was written
		copyright, err := sbom.Copyrights(f)
		if err != nil {
			return err
		}
		all := licences{Packages: map[string][]byte{}, Modules: map[string][]byte{}}
		for _, d := range b.Lock.Debian.Packages {
			all.Packages[d.Name] = copyright(d.Name)
		}
		for _, program := range p.programs {
			made, err := program.make()
			if err != nil {
				return err
			}
			if err := readLicences(made.Path(licencesFile), &all.Modules); err != nil {
				return err
			}
		}
		data, err := json.Marshal(all)
		if err != nil {
			return fmt.Errorf("collecting licences: %w", err)
		}
		return atomicfile.WriteNoSync(filepath.Join(dir, licencesFile), data, 0o644)
	})
}

// moduleLicences keeps the licence texts of a component's modules, as long as
// they are in Go's cache.
func (b *bake) moduleLicences(ctx context.Context, component, dir string) error {
	var out bytes.Buffer
	err := b.Runner.Run(ctx, run.Command{Argv: []string{"go", "env", "GOMODCACHE"}, Env: b.goEnviron(), Stdout: &out})
	if err != nil {
		return err
	}
	find := sbom.ModuleLicences(strings.TrimSpace(out.String()))
	all := map[string][]byte{}
	for _, m := range b.Lock.ModulesOf(component) {
		all[m.Path+"@"+m.Version] = find(m.Path, m.Version)
	}
	data, err := json.Marshal(all)
	if err != nil {
		return fmt.Errorf("collecting licences: %w", err)
	}
	return atomicfile.WriteNoSync(filepath.Join(dir, licencesFile), data, 0o644)
}

// readLicences reads texts and adds them to what is there.
func readLicences(path string, into any) error {
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		return fmt.Errorf("reading licences: %w", err)
	}
	return nil
}

// sbom writes the bill of materials.
func (b *bake) sbom(made *step.Result) ([]byte, error) {
	var all licences
	if err := readLicences(made.Path(licencesFile), &all); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err := sbom.Write(&text, sbom.Input{
		Cluster: b.Cluster.Def.Name, ID: b.id, Version: b.Version, Lock: b.Lock,
		Own:       []sbom.Program{{Name: "ingot-node", Version: b.Version, SHA256: sum(b.Program)}},
		Copyright: func(pkg string) []byte { return all.Packages[pkg] },
		Licence:   func(path, version string) []byte { return all.Modules[path+"@"+version] },
	})
	return text.Bytes(), err
}
