package apt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// maxSources bounds a file of apt's configuration.
const maxSources = 4 << 20

// DebianKeyring is where Debian's package debian-archive-keyring has its keys.
const DebianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// carried are the settings of the host's apt that say how files are had, not
// which are trusted: proxies, retries, and whether old archives are accepted.
var carried = []string{
	"Acquire::http::", "Acquire::https::", "Acquire::Retries ", "Acquire::ForceIPv4 ", "Acquire::ForceIPv6 ",
	"Acquire::Check-Valid-Until ", "Acquire::Check-Date ",
}

// passed are the variables of the environment that apt and its transports read.
var passed = []string{
	"PATH", "HOME", "TMPDIR", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
}

// Host is what the host's apt is told.
type Host struct {
	Mirrors  Mirrors
	settings []string // lines of configuration to carry over
	environ  []string
	runner   run.Runner
	netrc    map[string]string // setting -> path of the files with passwords for mirrors
}

// ReadHost asks the host's apt for its configuration. The environment is the
// caller's, as os.Environ gives it; APT_CONFIG counts as it does for apt.
func ReadHost(ctx context.Context, runner run.Runner, environ []string) (*Host, error) {
	h := &Host{runner: runner, netrc: map[string]string{}}
	for _, v := range environ {
		if name, _, _ := strings.Cut(v, "="); slices.Contains(passed, name) {
			h.environ = append(h.environ, v)
		}
	}
	h.environ = append(h.environ, "LC_ALL=C.UTF-8")
	own := h.environ
	for _, v := range environ {
		if strings.HasPrefix(v, "APT_CONFIG=") {
			own = append(slices.Clone(own), v)
		}
	}
	ask := func(argv ...string) (string, error) {
		var out bytes.Buffer
		err := runner.Run(ctx, run.Command{Argv: argv, Env: own, Stdout: &out})
		return out.String(), err
	}
	dump, err := ask("apt-config", "dump")
	if err != nil {
		return nil, fmt.Errorf("reading apt's configuration: %w", err)
	}
	for line := range strings.Lines(dump) {
		if slices.ContainsFunc(carried, func(p string) bool { return strings.HasPrefix(line, p) }) {
			h.settings = append(h.settings, strings.TrimRight(line, "\n"))
		}
	}
	paths, err := ask("apt-config", "shell", "list", "Dir::Etc::sourcelist/f", "parts", "Dir::Etc::sourceparts/d",
		"netrc", "Dir::Etc::netrc/f", "netrcparts", "Dir::Etc::netrcparts/d")
	if err != nil {
		return nil, fmt.Errorf("reading apt's configuration: %w", err)
	}
	where := shellValues(paths)
	h.netrc["Dir::Etc::netrc"], h.netrc["Dir::Etc::netrcparts"] = where["netrc"], where["netrcparts"]
	entries, err := readSources(where["list"], where["parts"])
	if err != nil {
		return nil, err
	}
	h.Mirrors = findMirrors(entries)
	return h, nil
}

// shellValues reads the lines name='value' of apt-config shell.
func shellValues(text string) map[string]string {
	values := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.TrimSuffix(strings.TrimPrefix(value, "'"), "'")
		values[name] = strings.ReplaceAll(value, `'\''`, "'")
	}
	return values
}

// readSources reads sources.list and the files of sources.list.d, in apt's order.
func readSources(list, parts string) ([]entry, error) {
	var files []string
	if list != "" {
		files = append(files, list)
	}
	if parts != "" {
		more, err := filepath.Glob(filepath.Join(globEscape(parts), "*"))
		if err != nil {
			return nil, fmt.Errorf("listing apt's sources: %w", err)
		}
		files = append(files, more...)
	}
	var out []entry
	for _, file := range files {
		parse := parseList
		switch filepath.Ext(file) {
		case ".sources":
			parse = parseStanzas
		case ".list":
		default:
			continue
		}
		// The last name may be a link, as configuration management makes them.
		real, err := filepath.EvalSymlinks(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading apt's sources: %w", err)
		}
		data, err := atomicfile.ReadFile(real, maxSources)
		if err != nil {
			return nil, fmt.Errorf("reading apt's sources: %w", err)
		}
		out = append(out, parse(string(data))...)
	}
	return out, nil
}

// globEscape makes a folder's name stand for itself in a pattern.
func globEscape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(s)
}
