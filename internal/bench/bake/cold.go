package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/component"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
)

// memory is the most that a bake may need, in bytes.
const memory = 1e9

// cold measures bakes that do every step again but the compilation of programs
// and downloads, beside mmdebstrap making a tar of the same package files. Both
// have them on this machine; mmdebstrap in an archive that is made before.
func cold(ctx context.Context, w *world, t *table) error {
	l, err := lock.Load(w.folder())
	if err != nil {
		return err
	}
	t.head("cold bake without compilation", "ingot", "mmdebstrap")
	peer, err := w.mmdebstrap(ctx, l)
	if err != nil {
		return err
	}
	busy := load()
	var ours, peers []figures
	for range w.slow {
		a, err := w.coldBake(ctx, l)
		if err != nil {
			return err
		}
		b, err := measure(ctx, peer)
		if err != nil {
			return err
		}
		ours, peers = append(ours, a), append(peers, b)
	}
	a, b := median(ours), median(peers)
	t.row("from packages to a sealed raw", a, b, a.wall.Seconds()/b.wall.Seconds(), busy, "at most 1.2 of the peer's time")
	t.alone("  ratio of processor time", fmt.Sprintf("%.2f", a.cpu.Seconds()/b.cpu.Seconds()), "")
	t.alone("peak memory, largest process", megabytes(a.largest), "under "+megabytes(memory))
	t.alone("peak memory, all together", megabytes(a.together), "sampled; with files in memory of all programs, and shared pages for each process")
	_, m, err := w.raw()
	if err != nil {
		return err
	}
	for _, s := range m.Timings {
		if !s.Cached {
			t.alone("  "+s.Step, fmt.Sprintf("%.2f s", s.Seconds), "steps overlap")
		}
	}
	return nil
}

// coldBake bakes with a cache that has nothing but downloads and programs.
func (w *world) coldBake(ctx context.Context, l *lock.Lock) (figures, error) {
	caches := filepath.Join(w.dir, "caches")
	defer func() { _ = os.RemoveAll(caches) }() // for measuring only
	cache, err := fetch.OpenCache(filepath.Join(caches, "ingot"))
	if err != nil {
		return figures{}, err
	}
	for _, p := range l.Debian.Files() {
		if err := link(w.cache.Path(p.SHA256), cache.Path(p.SHA256)); err != nil {
			return figures{}, err
		}
	}
	if err := w.keepPrograms(cache); err != nil {
		return figures{}, err
	}
	return w.bake(ctx, caches)
}

// keepPrograms takes the steps that compile components into another cache.
func (w *world) keepPrograms(to *fetch.Cache) error {
	c, _, err := cluster.Load(filepath.Join(w.folder(), "cluster.yaml"))
	if err != nil {
		return err
	}
	compiled := append(component.Names(c), "container images")
	steps := filepath.Join(to.Dir(), "steps")
	if err := os.MkdirAll(steps, 0o755); err != nil {
		return err
	}
	records, err := filepath.Glob(filepath.Join(w.cache.Dir(), "steps", "*.json"))
	if err != nil {
		return err
	}
	for _, path := range records {
		var record struct {
			Step  string
			Files []struct{ SHA256 string }
		}
		data, err := os.ReadFile(path)
		if err = errors.Join(err, json.Unmarshal(data, &record)); err != nil {
			return err
		}
		if !slices.Contains(compiled, record.Step) {
			continue
		}
		for _, f := range record.Files {
			if _, err := os.Stat(to.Path(f.SHA256)); err == nil {
				continue // an older record has it too
			}
			if err := link(w.cache.Path(f.SHA256), to.Path(f.SHA256)); err != nil {
				return err
			}
		}
		if err := link(path, filepath.Join(steps, filepath.Base(path))); err != nil {
			return err
		}
	}
	return nil
}

// mmdebstrap makes an archive of the locked packages and gives the call that
// makes a tar of them, with the options of the bake's own.
func (w *world) mmdebstrap(ctx context.Context, l *lock.Lock) (command, error) {
	codename := map[int]string{12: "bookworm", 13: "trixie"}[l.Debian.Release]
	archive := filepath.Join(w.dir, "archive")
	index := filepath.Join(archive, "dists", codename, "main", "binary-amd64")
	if err := errors.Join(os.MkdirAll(index, 0o755), os.MkdirAll(filepath.Join(archive, "pool"), 0o755)); err != nil {
		return command{}, err
	}
	var names []string
	for _, p := range l.Debian.Packages {
		names = append(names, p.Name)
		_, version, epoch := strings.Cut(p.Version, ":")
		if !epoch {
			version = p.Version
		}
		deb := filepath.Join(archive, "pool", p.Name+"_"+version+"_"+p.Architecture+".deb")
		if err := link(w.cache.Path(p.SHA256), deb); err != nil {
			return command{}, err
		}
	}
	slices.Sort(names)
	release := []string{"apt-ftparchive"}
	for _, field := range []string{"Codename=" + codename, "Suite=" + codename, "Architectures=amd64", "Components=main"} {
		release = append(release, "-o", "APT::FTPArchive::Release::"+field)
	}
	for _, step := range []struct {
		argv []string
		file string
	}{
		{[]string{"apt-ftparchive", "packages", "pool"}, filepath.Join(index, "Packages")},
		{append(release, "release", filepath.Join("dists", codename)), filepath.Join(archive, "dists", codename, "Release")},
	} {
		if err := printTo(ctx, step.file, step.argv, archive); err != nil {
			return command{}, err
		}
	}
	mode := "unshare"
	if os.Geteuid() == 0 {
		mode = "root"
	}
	return command{env: []string{"LC_ALL=C.UTF-8"}, dir: w.dir, argv: []string{
		"mmdebstrap", "--quiet", "--mode=" + mode, "--variant=essential", "--format=tar", "--architectures=amd64",
		"--include=" + strings.Join(names, ","), `--aptopt=APT::Install-Recommends "false"`, "--dpkgopt=force-unsafe-io",
		codename, filepath.Join(w.dir, "peer.tar"), "deb [trusted=yes] copy:" + archive + " " + codename + " main",
	}}, nil
}

// printTo runs a program whose output becomes a file.
func printTo(ctx context.Context, path string, argv []string, dir string) error {
	out, err := os.CreateTemp(filepath.Dir(dir), "printed-")
	if err != nil {
		return err
	}
	_, err = measure(ctx, command{argv: argv, dir: dir, out: out})
	return errors.Join(err, out.Chmod(0o644), out.Close(), os.Rename(out.Name(), path))
}
