package cli_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/cli"
)

// fullDisk is a stdout that takes nothing.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

// A result that could not be written is an error, of every command that writes one.
func TestLostResults(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"schema"}, {"validate", "prod"}, {"show", "prod"}, {"inventory", "prod"}, {"inventory", "prod", "-o", "dns"}} {
		var said bytes.Buffer
		args = append(args, "--clusters", filepath.Join("..", "..", "clusters"))
		if status := cli.Run(t.Context(), nil, fullDisk{}, &said, args); status != 1 || !strings.Contains(said.String(), "no space left") {
			t.Errorf("%v: exit status %d, want 1 and the reason: %s", args, status, said.String())
		}
	}
}

// An interrupt ends the work with the status that shells expect, and nothing
// half-written.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	if err := copyShipped(filepath.Join(dir, "clusters")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var said bytes.Buffer
	args := []string{"iso", "lab", "--clusters", filepath.Join(dir, "clusters"), "--out", filepath.Join(dir, "out")}
	if status := cli.Run(ctx, nil, io.Discard, &said, args); status != 130 || !strings.Contains(said.String(), "interrupted") {
		t.Errorf("exit status %d, want 130: %s", status, said.String())
	}
	if left, err := filepath.Glob(filepath.Join(dir, "out", "lab", "nodes", "*")); err != nil || len(left) > 0 {
		t.Errorf("%v is left (%v)", left, err)
	}
}
