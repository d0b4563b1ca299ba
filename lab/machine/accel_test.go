package machine_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// TestProbe runs the guest that shows whether guests run.
func TestProbe(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	if works, err := machine.Probe(t.Context(), machine.TCG); err != nil || !works {
		t.Errorf("TCG: got %v, %v", works, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := machine.Probe(ctx, machine.TCG); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := machine.Probe(t.Context(), machine.TCG); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("without QEMU: got %v", err)
	}
}

// TestProbeSource assembles the guest's source.
func TestProbeSource(t *testing.T) {
	dir := t.TempDir()
	object, rom := filepath.Join(dir, "probe.o"), filepath.Join(dir, "rom")
	for _, argv := range [][]string{
		{need.Tool(t, "as"), "--64", "-o", object, filepath.Join("testdata", "probe.s")},
		{need.Tool(t, "ld"), "-m", "elf_x86_64", "-e", "0", "-Ttext", "0", "--oformat", "binary", "-o", rom, object},
	} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", argv, err, out)
		}
	}
	want, err := os.ReadFile(rom)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := machine.ProbeImage(); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the probe is not what its source says (%v): %x", err, bytes.Trim(want, "\x00"))
	}
}

func TestFindAccel(t *testing.T) {
	for _, a := range []machine.Accel{machine.KVM, machine.TCG} {
		t.Setenv(machine.AccelVariable, string(a))
		if got, err := machine.FindAccel(t.Context()); err != nil || got != a {
			t.Errorf("forced %q: got %q, %v", a, got, err)
		}
	}
	t.Setenv(machine.AccelVariable, "hvf")
	if _, err := machine.FindAccel(t.Context()); err == nil || !strings.Contains(err.Error(), `INGOT_ACCEL="hvf"`) {
		t.Errorf("got %v", err)
	}
}
