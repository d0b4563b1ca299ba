package base

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/builder/apt"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// Archive makes a Debian archive of the locked packages in an empty folder:
// dists and pool. It needs no signature: every file is compared with the lock as
// it is taken from the cache, and the lock was made from signed lists.
func Archive(ctx context.Context, c Config, dir string) error {
	codename, err := apt.Codename(c.Lock.Debian.Release)
	if err == nil {
		err = c.archive(ctx, dir, codename)
	}
	if err != nil {
		return fmt.Errorf("making an archive of the locked packages: %w", err)
	}
	return nil
}

func (c *Config) archive(ctx context.Context, dir, codename string) error {
	index := filepath.Join(dir, "dists", codename, "main", "binary-amd64")
	for _, d := range []string{index, filepath.Join(dir, "pool")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	for _, d := range []string{dir, filepath.Join(dir, "dists"), filepath.Join(dir, "dists", codename),
		filepath.Join(dir, "dists", codename, "main"), index, filepath.Join(dir, "pool")} {
		if err := os.Chmod(d, 0o755); err != nil { // whatever the umask
			return err
		}
	}
	for _, p := range c.Lock.Debian.Packages {
		// The name has no epoch, whose colon apt would read otherwise.
		_, version, epoch := strings.Cut(p.Version, ":")
		if !epoch {
			version = p.Version
		}
		name := p.Name + "_" + version + "_" + p.Architecture + ".deb"
		if err := c.Cache.CopyTo(filepath.Join(dir, "pool", name), p.SHA256, p.Size); err != nil {
			return fmt.Errorf("package %s %s: %w", p.Name, p.Version, err)
		}
	}
	var list bytes.Buffer
	err := c.Runner.Run(ctx, run.Command{
		Argv: []string{"apt-ftparchive", "packages", "pool"}, Dir: dir,
		Env: []string{"PATH=" + c.Path, "LC_ALL=C.UTF-8"}, Stdout: &list,
	})
	if err != nil {
		return err
	}
	if err := atomicfile.WriteNoSync(filepath.Join(index, "Packages"), list.Bytes(), 0o644); err != nil {
		return err
	}
	return atomicfile.WriteNoSync(filepath.Join(dir, "dists", codename, "Release"),
		release(codename, c.Lock.Date, list.Bytes()), 0o644)
}

// release is the release file of an archive with one list of packages.
func release(codename string, date time.Time, list []byte) []byte {
	return fmt.Appendf(nil, "Origin: Debian\nSuite: %[1]s\nCodename: %[1]s\nArchitectures: %[2]s\nComponents: main\n"+
		"Date: %[3]s\nSHA256:\n %[4]x %[5]d main/binary-%[2]s/Packages\n",
		codename, apt.Architecture, date.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC"), sha(list), len(list))
}
