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

// Names of files in steps.
const (
	licencesFile = "licences.json"
	billFile     = "sbom.json" // without the names of the cluster and the image
)

// bill makes the bill of materials of the root, which is that of every image
// with this root: the cluster's layers add no software.
func (b *bake) bill(ctx context.Context, p *plan) (*step.Result, error) {
	return b.step(ctx, p.bill, func(_ context.Context, _ *task, dir string) error {
		f, err := b.openBase()
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // nothing was written
		copyright, err := sbom.Copyrights(f)
		if err != nil {
			return err
		}
		installed, err := b.installed(f, dir)
		if err != nil {
			return err
		}
		modules := map[string][]byte{}
		for _, program := range p.programs {
			made, err := program.make()
			if err != nil {
				return err
			}
			if err := readLicences(made.Path(licencesFile), modules); err != nil {
				return err
			}
		}
		var text bytes.Buffer
		err = sbom.Write(&text, sbom.Input{
			Cluster: "cluster", ID: "image", Version: b.Version, Lock: b.Lock,
			Own:       []sbom.Program{{Name: "ingot-node", Version: b.Version, SHA256: sum(b.Program)}},
			Changed:   b.changed() != "",
			Installed: installed,
			Copyright: copyright,
			Licence:   func(path, version string) []byte { return modules[path+"@"+version] },
		})
		if err != nil {
			return err
		}
		return atomicfile.WriteNoSync(filepath.Join(dir, billFile), text.Bytes(), 0o644)
	})
}

// moduleLicences keeps the licence texts of a component's modules while they
// are in Go's cache.
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

// readLicences adds the texts in a file to what is there.
func readLicences(path string, into map[string][]byte) error {
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &into)
	}
	if err != nil {
		return fmt.Errorf("reading licences: %w", err)
	}
	return nil
}

// sbom is the bill of materials of this image.
func (b *bake) sbom(made *step.Result) ([]byte, error) {
	data, err := os.ReadFile(made.Path(billFile))
	if err != nil {
		return nil, fmt.Errorf("reading bill of materials: %w", err)
	}
	var text bytes.Buffer
	err = sbom.Rename(&text, data, b.Cluster.Def.Name, b.id)
	return text.Bytes(), err
}
