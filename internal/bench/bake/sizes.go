package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder"
	"github.com/ingot-k8s/ingot/builder/boot"
	"github.com/ingot-k8s/ingot/builder/component"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/builder/tree"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/internal/run"
)

// sizes lists what takes room in the compressed image: each partition by the
// size of a QCOW2 image of it alone, and the root by what each component's files
// take when they are packed alone, in the way that the root is.
func sizes(ctx context.Context, w *world, t *table) error {
	raw, m, err := w.raw()
	if err != nil {
		return err
	}
	f, err := os.Open(raw)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // nothing was written
	total, err := compressed(ctx, w, f, 0, m.DiskSize)
	if err != nil {
		return err
	}
	t.say("\n%-34s %22s\n", "size, by component", "compressed")
	t.alone("whole qcow2", megabytes(total), "under 250 MB with the cloud kernel")
	for _, p := range m.Partitions {
		size, err := compressed(ctx, w, f, p.Offset, p.Size)
		if err != nil {
			return err
		}
		note := map[string]string{boot.LabelBIOS: "GRUB", boot.LabelESP: "kernel, initrd, GRUB"}[p.Label]
		t.alone("partition "+p.Label, megabytes(size), note)
		if p.Label != boot.LabelRoot {
			continue
		}
		if err := components(ctx, w, t, f, p); err != nil {
			return err
		}
	}
	return nil
}

// compressed is the size of a QCOW2 image of a part of a disk.
func compressed(ctx context.Context, w *world, disk io.ReaderAt, offset, size int64) (int64, error) {
	out, err := os.CreateTemp(w.dir, "part-")
	if err != nil {
		return 0, err
	}
	defer func() { _ = errors.Join(out.Close(), os.Remove(out.Name())) }() // for measuring only
	stats, err := images.WriteQCOW2(ctx, out, images.Plain(io.NewSectionReader(disk, offset, size), size), images.QCOW2Options{Compression: images.Zstd})
	return stats.FileSize, err
}

// components packs the files of each component of the root alone.
func components(ctx context.Context, w *world, t *table, disk io.ReaderAt, p builder.Partition) error {
	squash, root := filepath.Join(w.dir, "root.squashfs"), filepath.Join(w.dir, "root")
	out, err := os.Create(squash)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.NewSectionReader(disk, p.Offset, p.Size))
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	if _, err := measure(ctx, command{argv: []string{"unsquashfs", "-quiet", "-no-progress", "-no-xattrs", "-d", root, squash}}); err != nil {
		return err
	}
	defer func() { _ = errors.Join(os.RemoveAll(root), os.Remove(squash)) }() // for measuring only
	owners, err := w.owners(root)
	if err != nil {
		return err
	}
	groups, err := grouped(root, owners)
	if err != nil {
		return err
	}
	l, err := lock.Load(w.folder())
	if err != nil {
		return err
	}
	packed := filepath.Join(w.dir, "packed")
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		plain := int64(0)
		err := tree.Squash(ctx, run.Exec{}, packed, tree.RootSquash(l.Date, os.Getenv("PATH")), func(w io.Writer) (err error) {
			plain, err = archive(w, root, groups[name])
			return err
		})
		if err != nil {
			return err
		}
		info, err := os.Stat(packed)
		if err := errors.Join(err, os.Remove(packed)); err != nil {
			return err
		}
		t.alone("  "+name, megabytes(info.Size()), fmt.Sprintf("of %s in %d files", megabytes(plain), len(groups[name])))
	}
	return nil
}

// rest is what no line is worth.
const rest = "the rest of Debian"

// group names what a package belongs to.
func group(name string) string {
	for _, g := range [][2]string{
		{"linux-image-", "kernel modules"}, {"containernetworking-plugins", "cni"}, {"containerd", "containerd"}, {"runc", "runc"},
		{"tinc", "tinc"}, {"haproxy", "haproxy"}, {"prometheus-node-exporter", "node-exporter"}, {"ignition", "ignition"},
		{"systemd", "systemd and udev"}, {"libsystemd", "systemd and udev"}, {"udev", "systemd and udev"}, {"libudev", "systemd and udev"},
		{"perl-base", "perl"}, {"libc6", "C library"}, {"libssl3", "OpenSSL"}, {"libicu", "ICU"}, {"cloud-init", "cloud-init"}, {"python3", "python"}, {"libpython3", "python"},
	} {
		if strings.HasPrefix(name, g[0]) {
			return g[1]
		}
	}
	return rest
}

// owners tells which group a path belongs to: by the lists of dpkg, and by what
// components that are no packages have.
func (w *world) owners(root string) (map[string]string, error) {
	out := map[string]string{}
	lists, err := filepath.Glob(filepath.Join(root, "usr/lib/sysimage/dpkg/info/*.list"))
	if err != nil || len(lists) == 0 {
		return nil, errors.Join(err, errors.New("the root has no lists of dpkg"))
	}
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			return nil, err
		}
		name := group(filepath.Base(list))
		for line := range strings.Lines(string(text)) {
			out[merged(strings.TrimSpace(line))] = name
		}
	}
	c, _, err := cluster.Load(filepath.Join(w.folder(), "cluster.yaml"))
	if err != nil {
		return nil, err
	}
	for _, name := range component.Names(c) {
		made, err := component.Describe(c, name)
		if err != nil {
			return nil, err
		}
		for _, p := range made.Programs {
			out[p.Path] = name
		}
	}
	return out, nil
}

// merged is where a path is since all programs and libraries are below /usr.
func merged(p string) string {
	for _, dir := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(p, dir) {
			return "/usr" + p
		}
	}
	return p
}

// grouped lists the regular files of a tree by group.
func grouped(root string, owners map[string]string) (map[string][]string, error) {
	out := map[string][]string{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		name := strings.TrimPrefix(file, root)
		owner := owners[name]
		switch {
		case strings.HasPrefix(name, "/usr/lib/modules/"):
			owner = "kernel modules" // with what depmod has made
		case strings.HasPrefix(name, "/usr/lib/ingot/bin/ingot-"):
			owner = "ingot-node"
		case strings.HasPrefix(name, "/usr/share/ingot/images/"):
			owner = "container images"
		case owner == "":
			owner = rest
		}
		out[owner] = append(out[owner], name)
		return nil
	})
	return out, err
}

// archive writes files as a tar stream, and gives the sum of their sizes.
func archive(w io.Writer, root string, names []string) (int64, error) {
	out, sum := tar.NewWriter(w), int64(0)
	for _, name := range names {
		f, err := os.Open(filepath.Join(root, name))
		if err != nil {
			return 0, err
		}
		info, err := f.Stat()
		if err == nil {
			err = out.WriteHeader(&tar.Header{Name: path.Join(".", name), Size: info.Size(), Mode: int64(info.Mode().Perm())})
		}
		if err == nil {
			sum += info.Size()
			_, err = io.Copy(out, f)
		}
		if err := errors.Join(err, f.Close()); err != nil {
			return 0, err
		}
	}
	return sum, out.Close()
}
