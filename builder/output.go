package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// SumsFile has the checksums of an image's files, as sha256sum -c takes them.
const SumsFile = "SHA256SUMS"

// Names of other files beside the images.
const (
	sbomFile  = "sbom.spdx.json"
	filesFile = "files.json" // what both file systems have, for comparisons
	latest    = "latest"     // link to the newest image; with a format's suffix to that one
)

// outputs are files in the making. Nothing of them can be seen before commit.
type outputs struct {
	dir   string
	files []*pending // in the order that they get their names
}

// pending is a file that has no name yet.
type pending struct {
	*atomicfile.File
	Output
}

// close drops all that was not committed.
func (o *outputs) close() {
	for _, p := range o.files {
		_ = p.Close() // it had no name
	}
}

// add starts a file.
func (o *outputs) add(name string, f Format) (*pending, error) {
	file, err := atomicfile.CreateNoSync(filepath.Join(o.dir, name), 0o644)
	if err != nil {
		return nil, err
	}
	p := &pending{File: file, Output: Output{Name: name, Format: f}}
	o.files = append(o.files, p)
	return p, nil
}

// addText is add for a file that is there as a whole.
func (o *outputs) addText(name string, data []byte) error {
	p, err := o.add(name, "")
	if err != nil {
		return err
	}
	if _, err := p.Write(data); err != nil {
		return err
	}
	sum := sha256.Sum256(data)
	p.SHA256, p.Size = hex.EncodeToString(sum[:]), int64(len(data))
	return nil
}

// list is what was made so far.
func (o *outputs) list() []Output {
	var out []Output
	for _, p := range o.files {
		out = append(out, p.Output)
	}
	return out
}

// commit gives all files their names.
func (o *outputs) commit() error {
	for _, p := range o.files {
		if err := p.Commit(); err != nil {
			return err
		}
	}
	return nil
}

// images writes the disk in every format, all at once.
func (b *bake) images(ctx context.Context, o *outputs, disk images.Source, formats []Format) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range formats {
		p, err := o.add(b.stem()+"."+string(f), f)
		if err != nil {
			return err
		}
		group.Go(func() error {
			return b.timed("write "+string(f), func(t *task) error {
				file := newSumming(p.File)
				stats, err := f.write(ctx, file, disk, machine(b.Cluster, b.id), b.Lock.Date, t.advance)
				if err != nil {
					return fmt.Errorf("writing %s: %w", p.Name, err)
				}
				p.Size = stats.FileSize
				p.SHA256, err = file.SHA256(ctx, stats.FileSize)
				t.size = p.Size
				return err
			})
		})
	}
	return group.Wait()
}

// stem is the name of all images of this bake, without the suffix.
func (b *bake) stem() string { return b.Cluster.Def.Name + "-" + b.id }

// sumOf is the SHA-256 of the first size bytes, in hexadecimal.
func sumOf(ctx context.Context, r io.ReaderAt, size int64) (string, error) {
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		n := min(int64(len(buf)), size-off)
		if _, err := io.ReadFull(io.NewSectionReader(r, off, n), buf[:n]); err != nil {
			return "", fmt.Errorf("reading back what was written: %w", err)
		}
		h.Write(buf[:n])
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// poll is how often a folder that another bake writes into is tried again.
const poll = 100 * time.Millisecond

// hold waits until no other bake writes into a folder. Closing the file lets
// others write, and so does the end of the process.
func hold(ctx context.Context, dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("locking the folder of images: %w", err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("locking the folder of images: %w", err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(poll):
		}
	}
}

// point makes the links to the newest images.
func point(dir string, files []Output) error {
	for i, f := range files {
		if f.Format == "" {
			continue
		}
		names := []string{latest + "." + string(f.Format)}
		if i == 0 {
			names = append(names, latest)
		}
		for _, name := range names {
			if err := relink(filepath.Join(dir, name), f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// relink makes path a symbolic link, in place of another one.
func relink(path, target string) error {
	if old, err := os.Readlink(path); err == nil && old == target {
		return nil
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("linking %s: it is there and no link", path)
	}
	temp := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("linking %s: %w", path, err)
	}
	if err := os.Symlink(target, temp); err != nil {
		return fmt.Errorf("linking %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(fmt.Errorf("linking %s: %w", path, err), os.Remove(temp))
	}
	return nil
}

// present gives what an earlier bake of the same image by the same version of
// ingot has left, if it has all formats and every file is as it was.
func (b *bake) present(ctx context.Context) *Manifest {
	m, err := ReadManifest(filepath.Join(b.Dir, ManifestFile))
	if err != nil || m.ID != b.id || m.Ingot != b.Version {
		return nil
	}
	for _, f := range b.Formats {
		if _, is := m.File(f); !is {
			return nil
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, f := range m.Files {
		group.Go(func() error { return f.check(ctx, b.Dir) })
	}
	if group.Wait() != nil {
		return nil
	}
	return m
}

// check compares a file with what the manifest says.
func (f Output) check(ctx context.Context, dir string) error {
	file, err := os.OpenFile(filepath.Join(dir, f.Name), os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is missing", f.Name)
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // nothing was written
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.Name)
	}
	if info.Size() != f.Size {
		return fmt.Errorf("%s has %d bytes, and %d when it was baked", f.Name, info.Size(), f.Size)
	}
	sum, err := sumOf(ctx, file, f.Size)
	if err != nil {
		return err
	}
	if sum != f.SHA256 {
		return fmt.Errorf("%s has another content than when it was baked", f.Name)
	}
	return nil
}
