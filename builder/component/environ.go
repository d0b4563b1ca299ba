package component

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/internal/run"
)

// passed are the variables of the user's environment that the Go command gets:
// where things are, and how the network is reached. Nothing else of it can
// change what is compiled.
var passed = []string{
	"HOME", "PATH", "TMPDIR", "USER", "LOGNAME", "NETRC", "SSH_AUTH_SOCK", "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME",
	"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
}

// kept are the user's settings of the Go command that stay, whether they are
// in the environment or in Go's own file: where modules come from, who vouches
// for them, and where the caches are.
var kept = []string{
	"GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB", "GOINSECURE", "GOVCS", "GOAUTH", "GOMODCACHE", "GOCACHE", "GOTOOLCHAIN",
}

// fixed are the settings that determine what is compiled. The others that do
// have Go's defaults, because the user's file is not read.
var fixed = []string{
	"GOENV=off", "GO111MODULE=on", "GOWORK=off", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "CGO_ENABLED=0", "LC_ALL=C",
}

// goCommand runs the Go command with settings of its own.
type goCommand struct {
	cfg Config
	env []string
	dir string
}

// newGo asks for the user's settings. dir is the folder to work in; toolchain
// is the release of Go to compile with, or empty for what the user's settings
// choose.
func newGo(ctx context.Context, cfg Config, dir, toolchain string) (*goCommand, error) {
	if cfg.Runner == nil {
		cfg.Runner = run.Exec{}
	}
	g := &goCommand{cfg: cfg, dir: dir}
	settings := map[string]string{}
	var out bytes.Buffer
	// Outside of any module, and so of what a go.mod says about toolchains.
	err := cfg.Runner.Run(ctx, run.Command{
		Argv: append([]string{"go", "env", "-json"}, kept...), Dir: dir, Stdout: &out,
		Env: append(slices.Clone(cfg.Environ), "GOWORK=off", "GO111MODULE=on"),
	})
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("reading Go's settings: the go command is needed to compile components: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading Go's settings: %w", err)
	}
	if err := json.Unmarshal(out.Bytes(), &settings); err != nil {
		return nil, fmt.Errorf("reading Go's settings: %w", err)
	}
	for _, v := range cfg.Environ {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains(passed, name) {
			g.env = append(g.env, v)
		}
	}
	if toolchain != "" {
		settings["GOTOOLCHAIN"] = toolchain
	}
	if cfg.Offline {
		settings["GOPROXY"] = "off"
	}
	for _, name := range kept {
		if settings[name] != "" {
			g.env = append(g.env, name+"="+settings[name])
		}
	}
	g.env = append(g.env, fixed...)
	return g, nil
}

// run runs the Go command and gives what it wrote to stdout, also when it fails.
func (g *goCommand) run(ctx context.Context, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := g.cfg.Runner.Run(ctx, run.Command{Argv: append([]string{"go"}, args...), Dir: g.dir, Env: g.env, Stdout: &out})
	return out.Bytes(), err
}
