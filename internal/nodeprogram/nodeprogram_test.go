package nodeprogram

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ingot-k8s/ingot/internal/need"
)

// folderWith is a folder that make build has put something into.
func folderWith(data []byte) fstest.MapFS {
	return fstest.MapFS{"program/README": {}, "program/ingot-node": {Data: data}}
}

func TestProgram(t *testing.T) {
	target := filepath.Join(t.TempDir(), "ingot-node")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", target, "../../cmd/ingot-node")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building: %v: %s", err, out)
	}
	program, err := os.ReadFile(target)
	if err != nil {
		t.Fatal(err)
	}
	got, err := programOf(folderWith(program))
	if err != nil || len(got) != len(program) {
		t.Errorf("got %d bytes, %v; want %d", len(got), err, len(program))
	}
	if _, err := programOf(folderWith(program[:len(program)/2])); err == nil {
		t.Error("half a program was taken")
	}
	dynamic, err := os.ReadFile(need.Tool(t, "env"))
	if err != nil {
		t.Fatal(err)
	}
	foreign := slices.Clone(program)
	foreign[18] = byte(elf.EM_AARCH64) // e_machine (elf(5))
	for want, data := range map[string][]byte{
		"bad magic number": []byte(strings.Repeat("#!/bin/sh\n", 100)), "dynamic loader": dynamic, "EM_AARCH64": foreign,
	} {
		if _, err := programOf(folderWith(data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestWithoutProgram(t *testing.T) {
	_, err := programOf(fstest.MapFS{"program/README": {}})
	var missing MissingError
	if !errors.As(err, &missing) || !strings.Contains(missing.Hint(), "make build") {
		t.Errorf("got %v", err)
	}
}

// What this build has within it is a program, or there is none.
func TestEmbedded(t *testing.T) {
	_, err := Program()
	if _, statErr := os.Stat("program/ingot-node"); statErr == nil {
		if err != nil {
			t.Error(err)
		}
	} else if !errors.As(err, &MissingError{}) {
		t.Errorf("got %v", err)
	}
}
