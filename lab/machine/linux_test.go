package machine_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// modules are the drivers of everything that a Config can have.
var modules = []string{"virtio_pci", "virtio_blk", "virtio_net", "virtio_scsi", "ata_piix", "sr_mod", "isofs", "qemu_fw_cfg", "button", "evdev"}

// linux is Debian's cloud kernel with an initrd that runs testdata/init.
func linux(t *testing.T) machine.Direct {
	t.Helper()
	tree := kernelTree(t)
	kernels, err := filepath.Glob(filepath.Join(tree, "boot", "vmlinuz-*"))
	if err != nil || len(kernels) != 1 {
		t.Fatalf("the package has the kernels %q, %v", kernels, err)
	}
	version := strings.TrimPrefix(filepath.Base(kernels[0]), "vmlinuz-")
	return machine.Direct{
		Kernel: kernels[0],
		Initrd: initrd(t, tree, version),
		Line:   "console=ttyS0 quiet panic=-1 no_timer_check",
	}
}

// kernelTree unpacks the newest kernel package that the host's apt knows.
func kernelTree(t *testing.T) string {
	t.Helper()
	depends := output(t, ".", need.Tool(t, "apt-cache"), "depends", "--important", "linux-image-cloud-amd64")
	name := regexp.MustCompile(`Depends: (linux-image-[0-9]\S+-cloud-amd64)`).FindStringSubmatch(depends)
	if name == nil {
		t.Fatalf("linux-image-cloud-amd64 depends on no kernel: %s", depends)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	cache = filepath.Join(cache, "ingot-build", "machine")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	find := func() []string {
		found, err := filepath.Glob(filepath.Join(cache, name[1]+"_*.deb"))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if find() == nil {
		output(t, cache, need.Tool(t, "apt-get"), "-q", "download", name[1])
	}
	tree := t.TempDir()
	debs := find()
	output(t, ".", need.Tool(t, "dpkg-deb"), "-x", debs[len(debs)-1], tree)
	return tree
}

func output(t *testing.T, dir string, argv ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), argv[0], argv[1:]...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v: %s", argv, err, stderr.String())
	}
	return string(out)
}

// initrd has busybox and its libraries, the modules and what they need.
func initrd(t *testing.T, tree, version string) string {
	t.Helper()
	root := t.TempDir()
	busybox := need.Tool(t, "busybox")
	files := map[string]string{"/init": "testdata/init", "/bin/busybox": busybox}
	for _, lib := range regexp.MustCompile(`/lib\S+`).FindAllString(output(t, ".", need.Tool(t, "ldd"), busybox), -1) {
		files[lib] = lib
	}
	output(t, ".", need.Tool(t, "depmod"), "-b", tree, version)
	var order bytes.Buffer
	for _, path := range loadOrder(t, filepath.Join(tree, "lib", "modules", version)) {
		source := path
		if strings.HasSuffix(path, ".xz") { // Debian 13
			output(t, ".", need.Tool(t, "xz"), "-dk", path)
			source = strings.TrimSuffix(path, ".xz")
		}
		name := "/modules.d/" + filepath.Base(source)
		files[name] = source
		order.WriteString(name + "\n")
	}
	list := filepath.Join(root, "modules")
	names := []string{"modules"}
	if err := os.WriteFile(list, order.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"proc", "sys", "dev"} {
		names = append(names, dir)
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for to, from := range files {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, to)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, to), data, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(t.TempDir(), "initrd")
	output(t, ".", need.Tool(t, "bsdtar"), "-cf", out, "--format", "newc", "-C", root, ".")
	return out
}

// loadOrder returns the files of the modules and of what they need, first
// what others need.
func loadOrder(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		t.Fatal(err)
	}
	depends, paths := map[string][]string{}, map[string]string{}
	for line := range strings.Lines(string(list)) {
		path, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		name, _, _ := strings.Cut(filepath.Base(path), ".")
		paths[strings.ReplaceAll(name, "-", "_")] = path
		depends[path] = strings.Fields(needs)
	}
	var order []string
	seen := map[string]bool{}
	var add func(path string)
	add = func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		for _, other := range depends[path] {
			add(other)
		}
		order = append(order, filepath.Join(dir, path))
	}
	for _, name := range modules {
		if path, ok := paths[name]; ok { // else it is built in
			add(path)
		}
	}
	return order
}
