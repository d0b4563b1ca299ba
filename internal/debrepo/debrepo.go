// Package debrepo makes small signed Debian archives on disk, with the real
// tools, for tests that need a mirror. Only tests import it.
package debrepo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// Programs are what this package runs.
var Programs = []string{"apt-ftparchive", "dpkg-deb", "gpg", "gpgconf"}

// Package is a package to be made.
type Package struct {
	Name      string
	Version   string // "1" where it is empty
	Depends   string
	Provides  string
	Essential bool
	Padding   int // bytes of a file that makes it larger; 0 means no file
}

// Repo is a pair of archives, debian and debian-security, below Dir.
type Repo struct {
	Dir     string
	Keyring string // the public key that signs them

	home   string // GnuPG's folder
	runner run.Runner
}

// New makes the signing key of archives in dir, which exists. Close ends what
// was started for it.
func New(ctx context.Context, dir string, runner run.Runner) (*Repo, error) {
	// Not below dir: the agent's socket has to have a short name.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		return nil, fmt.Errorf("making signing key: %w", err)
	}
	r := &Repo{Dir: dir, Keyring: filepath.Join(dir, "archive-key.gpg"), home: home, runner: runner}
	err = r.gpg(ctx, nil, nil, "--quick-generate-key", "archive@example.org", "ed25519", "sign", "never")
	var key bytes.Buffer
	if err == nil {
		err = r.gpg(ctx, nil, &key, "--export")
	}
	if err == nil {
		err = atomicfile.WriteNoSync(r.Keyring, key.Bytes(), 0o644)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making signing key: %w", err), r.Close())
	}
	return r, nil
}

// Close ends GnuPG's agent and removes the private key.
func (r *Repo) Close() error {
	err := r.runner.Run(context.Background(), run.Command{Argv: []string{"gpgconf", "--homedir", r.home, "--kill", "all"}})
	return errors.Join(err, os.RemoveAll(r.home))
}

func (r *Repo) gpg(ctx context.Context, in []byte, out *bytes.Buffer, args ...string) error {
	argv := append([]string{"gpg", "--homedir", r.home, "--batch", "--quiet", "--yes", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)
	c := run.Command{Argv: argv}
	if in != nil {
		c.Stdin = bytes.NewReader(in)
	}
	if out != nil {
		c.Stdout = out
	}
	return r.runner.Run(ctx, c)
}

// Publish replaces a suite (trixie, trixie-updates, trixie-security) by these
// packages. Files of packages that it no longer has are gone.
func (r *Repo) Publish(ctx context.Context, suite string, date time.Time, packages []Package) error {
	root, pool := filepath.Join(r.Dir, "debian"), filepath.Join("pool", suite)
	if strings.HasSuffix(suite, "-security") {
		root = filepath.Join(r.Dir, "debian-security")
	}
	index := filepath.Join(root, "dists", suite, "main", "binary-amd64")
	if err := os.RemoveAll(filepath.Join(root, pool)); err != nil {
		return fmt.Errorf("publishing %s: %w", suite, err)
	}
	for _, d := range []string{index, filepath.Join(root, pool)} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("publishing %s: %w", suite, err)
		}
	}
	for _, p := range packages {
		folder := filepath.Join(root, pool, p.Name)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return fmt.Errorf("building package %s: %w", p.Name, err)
		}
		if err := r.build(ctx, folder, p); err != nil {
			return fmt.Errorf("building package %s: %w", p.Name, err)
		}
	}
	var list, release, signed bytes.Buffer
	if err := r.runner.Run(ctx, run.Command{Argv: []string{"apt-ftparchive", "packages", pool}, Dir: root, Stdout: &list}); err != nil {
		return fmt.Errorf("publishing %s: %w", suite, err)
	}
	if err := atomicfile.WriteNoSync(filepath.Join(index, "Packages"), list.Bytes(), 0o644); err != nil {
		return err
	}
	inRelease := filepath.Join(root, "dists", suite, "InRelease")
	if err := os.RemoveAll(inRelease); err != nil {
		return fmt.Errorf("publishing %s: %w", suite, err)
	}
	argv := []string{"apt-ftparchive"}
	for _, field := range []string{
		"Origin=Debian", "Suite=" + suite, "Codename=" + suite, "Architectures=amd64", "Components=main",
		"Date=" + date.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC"),
	} {
		argv = append(argv, "-o", "APT::FTPArchive::Release::"+field)
	}
	argv = append(argv, "release", filepath.Join("dists", suite))
	if err := r.runner.Run(ctx, run.Command{Argv: argv, Dir: root, Stdout: &release}); err != nil {
		return fmt.Errorf("publishing %s: %w", suite, err)
	}
	if err := r.gpg(ctx, release.Bytes(), &signed, "--clearsign"); err != nil {
		return fmt.Errorf("signing %s: %w", suite, err)
	}
	return atomicfile.WriteNoSync(inRelease, signed.Bytes(), 0o644)
}

// build makes one package file. The same package gives the same bytes.
func (r *Repo) build(ctx context.Context, folder string, p Package) error {
	if p.Version == "" {
		p.Version = "1"
	}
	tree, err := os.MkdirTemp("", "deb")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(tree) }() // only what was made here
	var control strings.Builder
	for _, f := range []struct{ name, value string }{
		{"Package", p.Name}, {"Version", p.Version}, {"Architecture", "amd64"},
		{"Maintainer", "Nobody <nobody@example.org>"}, {"Depends", p.Depends}, {"Provides", p.Provides},
		{"Essential", map[bool]string{true: "yes"}[p.Essential]}, {"Description", "made for a test"},
	} {
		if f.value != "" {
			fmt.Fprintf(&control, "%s: %s\n", f.name, f.value)
		}
	}
	docs := filepath.Join(tree, "usr", "share", "doc", p.Name)
	files := map[string][]byte{filepath.Join(tree, "DEBIAN", "control"): []byte(control.String())}
	if p.Padding > 0 {
		files[filepath.Join(docs, "padding")] = bytes.Repeat([]byte(p.Name+"\n"), p.Padding/(len(p.Name)+1)+1)
	}
	for path, data := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := atomicfile.WriteNoSync(path, data, 0o644); err != nil {
			return err
		}
	}
	// The umask must not show in the package.
	dirs := []string{tree, filepath.Join(tree, "DEBIAN")}
	if p.Padding > 0 {
		for d := docs; d != tree; d = filepath.Dir(d) {
			dirs = append(dirs, d)
		}
	}
	for _, d := range dirs {
		if err := os.Chmod(d, 0o755); err != nil {
			return err
		}
	}
	return r.runner.Run(ctx, run.Command{
		Argv: []string{"dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, folder},
		Env:  append(os.Environ(), "SOURCE_DATE_EPOCH="+strconv.Itoa(1)),
	})
}

// Sources is apt's configuration for the archives of a release: uri is how
// r.Dir is reached, such as copy:/dir or http://localhost:8080.
func (r *Repo) Sources(codename, uri string) string {
	return fmt.Sprintf("Types: deb\nURIs: %[1]s/debian\nSuites: %[2]s %[2]s-updates\nComponents: main\nSigned-By: %[3]s\n\n"+
		"Types: deb\nURIs: %[1]s/debian-security\nSuites: %[2]s-security\nComponents: main\nSigned-By: %[3]s\n", uri, codename, r.Keyring)
}

// Configure writes configuration that makes this the only archive of an apt
// whose APT_CONFIG names the returned file.
func (r *Repo) Configure(codename, uri string) (string, error) {
	etc := filepath.Join(r.Dir, "etc")
	parts := filepath.Join(etc, "sources.list.d")
	if err := os.MkdirAll(parts, 0o755); err != nil {
		return "", fmt.Errorf("configuring apt: %w", err)
	}
	if err := atomicfile.WriteNoSync(filepath.Join(parts, "debian.sources"), []byte(r.Sources(codename, uri)), 0o644); err != nil {
		return "", err
	}
	config := filepath.Join(r.Dir, "apt.conf")
	return config, atomicfile.WriteNoSync(config, fmt.Appendf(nil, "Dir::Etc \"%s\";\nAcquire::Retries \"0\";\n", etc), 0o644)
}
