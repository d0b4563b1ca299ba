package initrd

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/boot/basefs"
)

// modules are those of the base's kernel.
type modules struct {
	dir     string // lib/modules/<version>
	version string
	files   map[string]string   // name -> file below dir
	needs   map[string][]string // file -> files below dir, as modules.dep has them
	builtin map[string]bool     // by name
}

// moduleDir is where kernels have their modules.
const moduleDir = "usr/lib/modules"

// readModules reads what depmod wrote for the only kernel of the base.
func readModules(t *basefs.FS) (*modules, error) {
	versions := t.List(moduleDir)
	if len(versions) != 1 {
		return nil, fmt.Errorf("the base has %d kernels (%s), which has to be 1", len(versions), strings.Join(versions, ", "))
	}
	m := &modules{
		dir: path.Join(moduleDir, versions[0]), version: versions[0],
		files: map[string]string{}, needs: map[string][]string{}, builtin: map[string]bool{},
	}
	deps, err := t.ReadFile(path.Join(m.dir, "modules.dep"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(deps)) {
		file, needs, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok {
			return nil, fmt.Errorf("reading modules.dep: %q is not <file>: <files>", line)
		}
		m.files[moduleName(file)] = file
		m.needs[file] = strings.Fields(needs)
	}
	builtin, err := t.ReadFile(path.Join(m.dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	for file := range strings.FieldsSeq(string(builtin)) {
		m.builtin[moduleName(file)] = true
	}
	return m, nil
}

// moduleName is a module's name as the kernel shows it.
func moduleName(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".")
	return strings.ReplaceAll(name, "-", "_")
}

// closure lists the files of the named modules and of what they need, in order.
// must are those that an image cannot do without; the others are taken where
// the kernel has them. A name with a slash at its end stands for all modules
// below that folder.
func (m *modules) closure(must, may []string) ([]string, error) {
	want := map[string]bool{}
	add := func(file string) {
		want[file] = true
		for _, need := range m.needs[file] {
			want[need] = true // modules.dep has the needs of needs, too
		}
	}
	for _, name := range must {
		if file, ok := m.files[name]; ok {
			add(file)
		} else if !m.builtin[name] {
			return nil, fmt.Errorf("kernel %s has no module %q, which the initrd needs", m.version, name)
		}
	}
	for _, name := range may {
		if strings.HasSuffix(name, "/") {
			for file := range m.needs {
				if strings.HasPrefix(file, name) {
					add(file)
				}
			}
		} else if file, ok := m.files[name]; ok {
			add(file)
		}
	}
	files := make([]string, 0, len(want))
	for file := range want {
		files = append(files, file)
	}
	slices.Sort(files)
	return files, nil
}
