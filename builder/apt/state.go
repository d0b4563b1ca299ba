// Package apt drives the host's apt with a state of its own: apt's solver, its
// checks of signatures and its transports, without reading or changing what
// the host has installed. It needs no root.
package apt

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// Architecture is the one that images are made for, as Debian calls it.
const Architecture = "amd64"

// State is an apt of its own in a folder of its own. It is not safe for
// concurrent use, except for Download.
type State struct {
	dir     string
	host    *Host
	mirrors Mirrors
}

// NewState makes the state for a Debian release (12, 13) in dir, an empty
// folder that nobody else can write to. A mirror without a keyring of its own
// must be signed by Debian.
func NewState(dir string, host *Host, release int, mirrors Mirrors) (*State, error) {
	if strings.ContainsAny(dir, "\"\n;{}") || !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("preparing apt in %q: the path must be absolute, without quotes, semicolons and braces", dir)
	}
	codename, err := Codename(release)
	if err != nil {
		return nil, err
	}
	s := &State{dir: dir, host: host, mirrors: mirrors}
	for _, d := range []string{"etc/apt.conf.d", "etc/preferences.d", "etc/sources.list.d", "etc/trusted.gpg.d", "state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, fmt.Errorf("preparing apt: %w", err)
		}
	}
	sources, err := sourcesText(codename, mirrors)
	if err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"apt.conf": s.configuration(), "status": "", "etc/sources.list.d/debian.sources": sources,
	} {
		if err := atomicfile.WriteNoSync(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("preparing apt: %w", err)
		}
	}
	return s, nil
}

// configuration is the whole configuration of this apt; the host's is not read.
func (s *State) configuration() string {
	var b strings.Builder
	set := func(name, value string) { fmt.Fprintf(&b, "%s \"%s\";\n", name, value) }
	set("Dir", s.dir)
	set("Dir::Etc", s.dir+"/etc")
	set("Dir::State", s.dir+"/state")
	set("Dir::State::status", s.dir+"/status")
	set("Dir::Cache", s.dir+"/cache")
	for _, name := range []string{"Dir::Etc::netrc", "Dir::Etc::netrcparts"} {
		if path := s.host.netrc[name]; path != "" && !strings.ContainsAny(path, "\"\n") {
			set(name, path)
		}
	}
	set("APT::Architecture", Architecture)
	fmt.Fprintf(&b, "APT::Architectures { \"%s\"; };\n", Architecture)
	set("APT::Install-Recommends", "false")
	set("APT::Install-Suggests", "false")
	set("APT::Solver", "internal")          // the same on every host
	set("APT::Sandbox::User", "root")       // the folder is closed to others
	set("pkgCacheGen::ForceEssential", ",") // apt itself is not for the image
	set("Acquire::Languages", "none")
	set("Acquire::Retries", "3")
	for _, line := range s.host.settings {
		b.WriteString(line + "\n")
	}
	return b.String()
}

// sourcesText is what this apt knows as its sources.
func sourcesText(codename string, mirrors Mirrors) (string, error) {
	var b strings.Builder
	for _, part := range []struct {
		archive Archive
		suites  string
	}{{Main, codename + " " + codename + "-updates"}, {Security, codename + "-security"}} {
		m, ok := mirrors[part.archive]
		if !ok {
			return "", fmt.Errorf("finding a Debian mirror: the host's apt has none for the archive %q; name one as image.mirror", part.archive)
		}
		keys := m.SignedBy
		if keys == "" {
			keys = DebianKeyring
		}
		for _, key := range strings.FieldsFunc(keys, func(r rune) bool { return r == ' ' || r == ',' }) {
			if _, err := os.Stat(key); err != nil {
				return "", fmt.Errorf("finding the keys of the archive %q (package debian-archive-keyring has Debian's): %w", part.archive, err)
			}
		}
		fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: %s\nSigned-By: %s\n",
			m.URI, part.suites, Architecture, keys)
		if isSnapshot(m.URI) {
			b.WriteString("Check-Valid-Until: no\n")
		}
		b.WriteString("\n")
	}
	return b.String(), nil
}

// run starts one of apt's programs on this state.
func (s *State) run(ctx context.Context, out io.Writer, argv ...string) error {
	env := append([]string{"APT_CONFIG=" + filepath.Join(s.dir, "apt.conf")}, s.host.environ...)
	return s.host.runner.Run(ctx, run.Command{Argv: argv, Env: env, Stdout: out})
}

// Update fetches the lists of packages. Signed files that are missing, wrong
// or out of date are an error.
func (s *State) Update(ctx context.Context) error {
	if err := s.run(ctx, nil, "apt-get", "update", "-qq", "--error-on=any"); err != nil {
		return fmt.Errorf("reading the mirror's signed lists: %w", err)
	}
	return nil
}

// Date is the newest date of the signed release files: the state of the
// archives that Update fetched.
func (s *State) Date() (time.Time, error) {
	var newest time.Time
	files, err := filepath.Glob(filepath.Join(globEscape(s.dir), "state", "lists", "*Release"))
	if err != nil {
		return newest, fmt.Errorf("reading release files: %w", err)
	}
	sort.Strings(files)
	for _, file := range files {
		data, err := atomicfile.ReadFile(file, maxSources)
		if err != nil {
			return newest, fmt.Errorf("reading release files: %w", err)
		}
		for line := range strings.Lines(string(data)) {
			value, ok := strings.CutPrefix(line, "Date: ")
			if !ok {
				continue
			}
			t, err := time.Parse("Mon, _2 Jan 2006 15:04:05 MST", strings.TrimSpace(value))
			if err != nil {
				return newest, fmt.Errorf("reading release files: %w", err)
			}
			if t.After(newest) {
				newest = t
			}
			break
		}
	}
	if newest.IsZero() {
		return newest, fmt.Errorf("reading release files: none of the %d has a date", len(files))
	}
	return newest.UTC(), nil
}
