package machine

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/run"
)

// Accel is what runs the machine's instructions.
type Accel string

// The accelerations.
const (
	KVM Accel = "kvm" // the processor
	TCG Accel = "tcg" // QEMU itself: works everywhere, and is some twenty times slower
)

// AccelVariable is the environment variable that forces an acceleration.
const AccelVariable = "INGOT_ACCEL"

// translated is how much translated code QEMU keeps, in MiB, of which it takes
// what it needs: the most that it can have. A controller needs 1.8 GiB (measured
// with Kubernetes 1.36 and QEMU 7.2); when there is no room for more, all is
// thrown away and translated again.
const translated = 2048

// argv chooses the processor too. Under TCG, several processors have no
// cmpxchg16b: in QEMU 7.2 that instruction is not atomic between them, and
// kernels that have it use it to allocate memory. Programs that use it without
// asking, haproxy among them, then end with an illegal instruction, so that
// one processor is what a node gets.
func (a Accel) argv(cpus int) []string {
	if a == KVM {
		return []string{"-accel", "kvm", "-cpu", "host"}
	}
	cpu := "Westmere" // has AES, which QEMU does faster than a guest without it
	if cpus > 1 {
		cpu += ",-cx16"
	}
	return []string{"-accel", "tcg,thread=multi,tb-size=" + strconv.Itoa(translated), "-cpu", cpu}
}

// FindAccel returns the acceleration that INGOT_ACCEL forces, or else KVM
// where it really runs a guest, or else TCG.
func FindAccel(ctx context.Context) (Accel, error) {
	switch a := Accel(os.Getenv(AccelVariable)); a {
	case KVM, TCG:
		return a, nil
	case "":
	default:
		return "", fmt.Errorf("%s=%q: unknown acceleration (kvm, tcg)", AccelVariable, a)
	}
	if f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err != nil {
		return TCG, nil //nolint:nilerr // that it cannot be opened is the answer
	} else if err := f.Close(); err != nil {
		return "", err
	}
	works, err := Probe(ctx, KVM)
	if err != nil {
		return "", err
	}
	if works {
		return KVM, nil
	}
	return TCG, nil
}

const (
	// probeTime is how long the probe may take; it needs a tenth of it with TCG.
	probeTime = 2 * time.Second
	// probeStatus is QEMU's exit status after the probe has written 16 to the
	// port of isa-debug-exit: twice the value, plus 1.
	probeStatus = 2*16 + 1
)

// probeROM is a firmware of 64 KiB: its beginning, and the jump to it at the
// reset vector. It switches to 64-bit mode with paging, maps a page and writes
// to it a million times, through an SSE register too, and then ends QEMU. Some
// hosts have a /dev/kvm that runs the first few instructions and then hangs.
// The source is testdata/probe.s.
const (
	probeROM = "fa2e660f0116c8000f20c06683c8010f22c066ea1a000f00080066b81000" +
		"8ed88ec08ed0c7050010000003200000c7050020000003300000c7050030" +
		"000083000000b8200600000f22e0b8001000000f22d8b9800000c00f320d" +
		"000100000f30b8030000800f22c0ea6f000f001800c70425083000008300" +
		"2000b940420f00bf000020000f57c00f1107ff070f1007ffc975f4813f40" +
		"420f007504b010e6f4f4ebfd8db4000066900000000000000000ffff0000" +
		"009acf00ffff00000092cf00ffff0000009aaf001f00a8000f00"
	probeReset = "e90d00"
	probeSize  = 64 << 10
)

// Probe reports whether a tiny 64-bit guest really runs. An error means that
// this could not be found out.
func Probe(ctx context.Context, a Accel) (bool, error) {
	dir, err := os.MkdirTemp("", "ingot-probe-")
	if err != nil {
		return false, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	rom, err := probeImage()
	if err != nil {
		return false, err
	}
	file := filepath.Join(dir, "rom")
	if err := atomicfile.WriteNoSync(file, rom, 0o600); err != nil {
		return false, err
	}
	limited, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	argv := append([]string{qemuSystem, "-no-user-config", "-nodefaults", "-display", "none", "-machine", "pc", "-m", "16"}, a.argv(1)...)
	argv = append(argv, "-bios", file, "-device", "isa-debug-exit,iobase=0xf4,iosize=0x01")
	err = run.Exec{}.Run(limited, run.Command{Argv: argv})
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	var failed *run.Error
	if errors.As(err, &failed) {
		if failed.ExitCode < 0 && limited.Err() == nil { // it did not even start
			return false, fmt.Errorf("probing %q: %w", a, err)
		}
		return failed.ExitCode == probeStatus, nil
	}
	return false, err
}

func probeImage() ([]byte, error) {
	rom := make([]byte, probeSize)
	for _, part := range []struct {
		offset int
		code   string
	}{{0, probeROM}, {probeSize - 16, probeReset}} {
		if _, err := hex.Decode(rom[part.offset:], []byte(part.code)); err != nil {
			return nil, err
		}
	}
	return rom, nil
}
