// Package docs_test runs the commands that the documentation shows.
package docs_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// TestShellBlocks runs every ```sh block of the documents, those of one file
// one after another in one shell, in a fresh copy of the source. A block that
// needs a machine that a test does not have is written as ```console.
func TestShellBlocks(t *testing.T) {
	need.Tool(t, "make")
	bash := need.Tool(t, "bash")
	for _, doc := range documents(t) {
		blocks := shellBlocks(t, doc)
		if len(blocks) == 0 {
			continue
		}
		t.Run(doc, func(t *testing.T) {
			dir := sourceCopy(t)
			home := t.TempDir()
			cmd := exec.CommandContext(t.Context(), bash, "-euo", "pipefail")
			cmd.Dir = dir
			cmd.Stdin = strings.NewReader(strings.Join(blocks, "\n"))
			cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+home,
				"GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"), "GOPROXY="+goEnv(t, "GOPROXY"),
				"GOSUMDB="+goEnv(t, "GOSUMDB"), "GOFLAGS="+goEnv(t, "GOFLAGS"), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
			var output bytes.Buffer
			cmd.Stdout, cmd.Stderr = &output, &output
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v\n%s", err, output.String())
			}
			if strings.Contains(output.String(), "PRIVATE KEY") {
				t.Error("a command of the documentation prints a private key")
			}
		})
	}
}

// TestLinks checks that links between the documents lead somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)
	for _, doc := range documents(t) {
		text := read(t, doc)
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join("..", filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s: link to %s leads nowhere", doc, m[1])
			}
		}
	}
}

// documents lists README.md and all below docs, relative to the source.
func documents(t *testing.T) []string {
	t.Helper()
	docs := []string{"README.md", "CHANGELOG.md"}
	err := filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			docs = append(docs, filepath.Join("docs", path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return docs
}

func shellBlocks(t *testing.T, doc string) []string {
	t.Helper()
	var blocks []string
	for _, m := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(read(t, doc), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

func read(t *testing.T, doc string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", doc))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// sourceCopy copies the source, without what is ignored, into a fresh folder.
func sourceCopy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), need.Tool(t, "git"), "-C", "..", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		data, err := os.ReadFile(filepath.Join("..", name))
		if os.IsNotExist(err) {
			continue // deleted, not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, data, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
