package apply

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/builder/apt"
)

// shelf is where a machine has the part of the archive that it needs, for as
// long as it installs from it.
const shelf = "/var/cache/ingot-packages"

// settings are apt's for the shelf: nothing else is looked at, neither for
// packages nor for what is preferred.
var settings = []string{
	"Dir::Etc::SourceList=" + shelf + "/sources.list", "Dir::Etc::SourceParts=/dev/null",
	"Dir::Etc::Preferences=" + shelf + "/preferences", "Dir::Etc::PreferencesParts=/dev/null",
	"Dir::State::Lists=" + shelf + "/lists", "Dir::Cache=" + shelf + "/cache",
	"Acquire::Languages=none", "APT::Sandbox::User=root",
}

// fromLock installs packages of the lock, and what they need. The machine gets
// the list of the archive, says which files it will need, and gets these.
func (c *Config) fromLock(ctx context.Context, m Machine, names []string) error {
	dir, err := os.MkdirTemp("", "ingot-packages-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // copies only
	if err := c.Packages.Archive(ctx, dir); err != nil {
		return err
	}
	archive := os.DirFS(dir)
	defer func() { _ = m.Run(ctx, nil, nil, "rm", "--recursive", "--force", shelf) }() // what failed before is worth more
	if err := m.Run(ctx, nil, nil, "mkdir", "--parents", shelf); err != nil {
		return err
	}
	unpack := []string{"tar", "--extract", "--no-same-owner", "--directory", shelf, "--file", "-"}
	lists := func(_ context.Context, w *tar.Writer) error { return c.writeLists(w, archive) }
	if err := stream(ctx, m, nil, lists, unpack...); err != nil {
		return fmt.Errorf("sending the list of packages: %w", err)
	}
	if err := m.Run(ctx, nil, nil, aptGet(settings, "update")...); err != nil {
		return err
	}
	allow := append(slices.Clone(settings), "APT::Get::allow-downgrades=true")
	var said bytes.Buffer
	if err := m.Run(ctx, nil, &said, aptGet(append(slices.Clone(allow), "APT::Get::Print-URIs=true"), "install", names...)...); err != nil {
		return err
	}
	files, err := shelved(said.String())
	if err != nil {
		return err
	}
	c.Say(fmt.Sprintf("sending %d packages of the lock", len(files)))
	err = stream(ctx, m, nil, func(ctx context.Context, w *tar.Writer) error { return c.writeFiles(ctx, w, archive, files) }, unpack...)
	if err != nil {
		return fmt.Errorf("sending packages: %w", err)
	}
	return m.Run(ctx, nil, nil, aptGet(allow, "install", names...)...)
}

// shelved are the files that apt-get would take, below pool/: each line has an
// address in quotes, with escapes, a name, a size and a hash.
func shelved(said string) ([]string, error) {
	var out []string
	for line := range strings.Lines(said) {
		address, _, is := strings.Cut(strings.TrimPrefix(line, "'"), "' ")
		if !is {
			continue
		}
		u, err := url.Parse(address)
		if err != nil {
			return nil, fmt.Errorf("reading what apt-get needs: %w", err)
		}
		name, below := strings.CutPrefix(u.Path, shelf+"/pool/")
		if !below || path.Base(name) != name {
			return nil, fmt.Errorf("reading what apt-get needs: %q is not on the shelf %s", address, shelf)
		}
		out = append(out, name)
	}
	return out, nil
}

// writeLists writes the list of the archive, and apt's settings: packages of the
// lock are taken even where the machine has newer ones (apt_preferences(5)).
func (c *Config) writeLists(w *tar.Writer, archive fs.FS) error {
	codename, err := apt.Codename(c.Cluster.Def.Image.Debian)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"sources.list": "deb [trusted=yes] file:" + shelf + " " + codename + " main\n",
		"preferences":  "Package: *\nPin: release n=" + codename + "\nPin-Priority: 1001\n",
	} {
		if err := w.WriteHeader(c.header("/"+name, tar.TypeReg, 0o644, int64(len(text)))); err != nil {
			return err
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	for _, dir := range []string{"lists/partial", "cache/archives/partial", "pool"} {
		if err := w.WriteHeader(c.header("/"+dir, tar.TypeDir, 0o755, 0)); err != nil {
			return err
		}
	}
	return fs.WalkDir(archive, "dists", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return c.file(w, archive, name)
	})
}

// writeFiles writes packages of the archive.
func (c *Config) writeFiles(ctx context.Context, w *tar.Writer, archive fs.FS, names []string) error {
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.file(w, archive, "pool/"+name); err != nil {
			return err
		}
	}
	return nil
}

// file writes a file of the archive.
func (c *Config) file(w *tar.Writer, archive fs.FS, name string) error {
	in, err := archive.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // nothing was written
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := w.WriteHeader(c.header("/"+name, tar.TypeReg, 0o644, info.Size())); err != nil {
		return err
	}
	_, err = io.Copy(w, in)
	return err
}
