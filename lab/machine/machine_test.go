package machine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// bootTime is how long a machine may take for anything, on a busy host.
const bootTime = 2 * time.Minute

// guest is a machine that runs what is typed.
type guest struct {
	*machine.Machine
	t *testing.T
}

func (g guest) ready() {
	g.t.Helper()
	g.expect(`^ready$`)
}

func (g guest) expect(want string) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), bootTime)
	defer cancel()
	if _, err := g.Console().Expect(ctx, regexp.MustCompile(want), regexp.MustCompile("Kernel panic")); err != nil {
		g.t.Fatal(err)
	}
}

// run types a line and returns what it says.
func (g guest) run(line string) string {
	g.t.Helper()
	before := len(g.Console().Text())
	if _, err := fmt.Fprintln(g.Console(), line); err != nil {
		g.t.Fatal(err)
	}
	g.expect(`^status \d+$`)
	return g.Console().Text()[before:]
}

func (g guest) says(line, want string) {
	g.t.Helper()
	if got := g.run(line); !strings.Contains(got, want) {
		g.t.Errorf("%s: got %q, want %q", line, got, want)
	}
}

// iso makes a volume with one file on it.
func iso(t *testing.T, content string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "content"), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "a,b.iso") // QEMU wants such a name escaped
	output(t, ".", need.Tool(t, "xorriso"), "-as", "mkisofs", "-quiet", "-R", "-o", file, dir)
	return file
}

func disk(t *testing.T, size int64) machine.Disk {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk.raw")
	if err := os.WriteFile(file, []byte("from the image\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	return machine.Disk{Image: file, Format: "raw"}
}

// TestMachine goes through all that a machine can have and that can be done
// to it, in three starts of one.
func TestMachine(t *testing.T) {
	content := filepath.Join(t.TempDir(), "x,y")
	if err := os.WriteFile(content, []byte("by fw_cfg\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := machine.Config{
		Name: "m1", Dir: qemu.Dir(t), CPUs: 2, Memory: 256, Direct: linux(t), Disk: disk(t, 8<<20),
		CDROMs: []string{iso(t, "first\n"), iso(t, "second\n"), iso(t, "third\n")},
		FWCfg:  []machine.FWCfg{{Name: "opt/org.ingot/test", File: content}},
		Nets:   []machine.Net{{Kind: machine.User, Forward: []machine.Forward{{Guest: 22}}}},
	}
	cfg.Disk.Size = 32 << 20
	g := guest{qemu.Start(t, cfg), t}
	g.ready()
	t.Run("devices", func(t *testing.T) { guest{g.Machine, t}.devices() })
	t.Run("network", func(t *testing.T) { guest{g.Machine, t}.network() })
	t.Run("one at a time", func(t *testing.T) {
		if m, err := machine.Start(t.Context(), g.Config()); err == nil {
			m.Kill()
			t.Error("a second machine runs in the folder")
		}
	})
	t.Run("reset", func(t *testing.T) { guest{g.Machine, t}.reset() })
	t.Run("power cut", func(t *testing.T) {
		g := guest{g.Machine, t}
		g.run("echo written and flushed | dd of=/dev/vda bs=64 seek=1 conv=fsync")
		g.Kill()
		if err := g.Wait(t.Context()); err != nil || !g.Ended() {
			t.Errorf("after the power cut: %v", err)
		}
	})
	t.Run("power button", func(t *testing.T) {
		cfg.Firmware, cfg.CDBus, cfg.Disk.Size = machine.UEFI, machine.SCSI, 64<<20
		g := guest{qemu.Start(t, cfg), t}
		g.ready()
		g.says("dd if=/dev/vda bs=64 skip=1 count=1", "written and flushed")
		g.says("cat /sys/block/vda/size", strconv.Itoa(64<<20/512))
		g.says("ls -d /sys/firmware/efi", "/sys/firmware/efi\n")
		g.says("mount /dev/sr2 /mnt; cat /mnt/content; umount /mnt", "third")
		g.powerdown()
	})
	image, err := os.ReadFile(cfg.Disk.Image)
	if err != nil || strings.Contains(string(image), "written") {
		t.Errorf("the machine wrote to its image (%v)", err)
	}
}

func (g guest) devices() {
	g.says("dd if=/dev/vda bs=15 count=1", "from the image")
	g.says("cat /sys/block/vda/size", strconv.Itoa(32<<20/512))
	g.says("cat /sys/firmware/qemu_fw_cfg/by_name/opt/org.ingot/test/raw", "by fw_cfg")
	for i, want := range []string{"first", "second", "third"} {
		g.says(fmt.Sprintf("mount /dev/sr%d /mnt; cat /mnt/content; umount /mnt", i), want)
	}
	g.says("nproc", "2\n")
	if status, err := g.Status(g.t.Context()); err != nil || status != "running" {
		g.t.Errorf("status %q, %v", status, err)
	}
	if err := g.Eject(g.t.Context(), 1); err != nil {
		g.t.Fatal(err)
	}
	g.says("mount /dev/sr1 /mnt || echo none", "none\n")
	if err := g.Insert(g.t.Context(), 1, iso(g.t, "another\n")); err != nil {
		g.t.Fatal(err)
	}
	g.says("mount /dev/sr1 /mnt; cat /mnt/content; umount /mnt", "another")
	if err := g.Eject(g.t.Context(), 7); err == nil {
		g.t.Error("a drive that is not there was opened")
	}
}

// network: the machine is reached by its forwarded port only, and reaches
// nothing.
func (g guest) network() {
	t := g.t
	port, err := g.Port(t.Context(), 22)
	if err != nil {
		t.Fatal(err)
	}
	g.run("(echo hello from the machine | nc -l -p 22) &")
	deadline := time.Now().Add(bootTime)
	for got := ""; got != "hello from the machine\n"; {
		if time.Now().After(deadline) {
			t.Fatalf("port 22 of the machine says %q", got)
		}
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(conn) // nothing before the machine listens
		_ = conn.Close()
		got = string(b)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	reached := make(chan struct{})
	go func() {
		if conn, err := listener.Accept(); err == nil {
			close(reached)
			_ = conn.Close()
		}
	}()
	_, own, _ := net.SplitHostPort(listener.Addr().String())
	g.run("nc -w 3 10.0.2.2 " + own + " </dev/null")
	select {
	case <-reached:
		t.Error("the machine reaches its host")
	default:
	}
}

func (g guest) reset() {
	g.run("kept=yes")
	if err := g.Reset(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	g.ready()
	g.says(`echo "kept: $kept."`, "kept: .")
}

func (g guest) powerdown() {
	t := g.t
	g.run("for e in /dev/input/event*; do (head -c 1 $e >/dev/null; poweroff -f) & done; ls /dev/input")
	ctx, cancel := context.WithTimeout(t.Context(), bootTime)
	defer cancel()
	for !g.Ended() { // the button may be pressed before anything waits for it
		if err := g.Powerdown(ctx); err != nil && !errors.Is(err, machine.ErrEnded) {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		_ = g.Wait(short)
		cancel()
		if ctx.Err() != nil {
			t.Fatal("the machine does not go off")
		}
	}
	if err := g.Wait(ctx); err != nil || g.Reason() != "guest-shutdown" {
		t.Errorf("reason %q, %v", g.Reason(), err)
	}
}

// TestStartFails has QEMU say why.
func TestStartFails(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	notISO := filepath.Join(t.TempDir(), "missing.iso")
	cfg := machine.Config{Name: "m", Dir: t.TempDir(), Accel: machine.TCG, CDROMs: []string{notISO}}
	if _, err := machine.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "missing.iso") {
		t.Errorf("got %v", err)
	}
	cfg.CDROMs, cfg.Disk = nil, disk(t, 8<<20)
	cfg.Disk.Size = 1 << 20
	if _, err := machine.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "making the machine's disk") {
		t.Errorf("a smaller disk: got %v", err)
	}
}

// TestEnds has a machine end with its context, and with the process that
// started it, which is this test in another process.
func TestEnds(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	m, err := machine.Start(ctx, machine.Config{Name: "m", Dir: dir, Accel: machine.TCG, Memory: 16})
	if err != nil {
		t.Fatal(err)
	}
	if child := os.Getenv("MACHINE_TEST_CHILD"); child != "" {
		fmt.Println("started " + dir)
		time.Sleep(bootTime) // it is killed
	}
	cancel()
	if err := m.Wait(t.Context()); err != nil {
		t.Error(err)
	}

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run", "^TestEnds$")
	cmd.Env = append(os.Environ(), "MACHINE_TEST_CHILD=1", "TMPDIR="+t.TempDir())
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var folder string
	if _, err := fmt.Fscanf(stdout, "started %s\n", &folder); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	deadline := time.Now().Add(10 * time.Second)
	for inUse(t, folder) {
		if time.Now().After(deadline) {
			t.Fatal("QEMU outlives the process that started it")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// inUse reports whether a process has its working folder there.
func inUse(t *testing.T, dir string) bool {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == dir {
			return true
		}
	}
	return false
}
