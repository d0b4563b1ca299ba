package boot

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
)

const room = 600 << 20

// said holds what was said against lines that have to be there.
func said(t *testing.T, got string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("it did not say %q:\n%s", w, got)
		}
	}
}

// written is when a file was written to last, and how much of it is not a hole.
func written(t *testing.T, file string) string {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(info.ModTime(), info.Sys().(*syscall.Stat_t).Blocks)
}

// TestInstall goes through the life of an installed machine: installed, and
// started again with the medium in it, before and after it has a state.
func TestInstall(t *testing.T) {
	m := newMachine(t, Auto)
	m.cd(`{"install": {"disk": "smallest"}}`)
	file := m.disk("sda", room)
	other := m.disk("sdb", room+1<<20)
	untouched := written(t, other)
	got, err := m.boot((*boot).run)
	if err != nil {
		t.Fatal(got)
	}
	said(t, got, "<5>ingot: this is image prod-0a1b2c3d of cluster prod, from /dev/sr0\n",
		`<5>ingot: installing image prod-0a1b2c3d to /dev/sda, Disk of tests, serial number "S-sda", 629 MB: it holds nothing`+"\n",
		"100 % of 6 MB written", "100 % of 6 MB read back", "image prod-0a1b2c3d is on /dev/sda, and was read back")
	if m.read("run/ingot/state.disk") != "/dev/sda\n" || m.read("run/ingot/install") != "/dev/sda\n" {
		t.Error("the scripts are not told the disk")
	}
	for name, want := range map[string]string{"root.data": "root data", "root.tree": "root tree", "cluster.data": "cluster data", "cluster.tree": "cluster tree"} {
		device, err := os.Readlink(filepath.Join(m.root, "run/ingot", name))
		if err != nil || m.read(device) != want {
			t.Errorf("%s is %s: %v", name, device, err)
		}
	}
	image := m.image()
	disk := make([]byte, len(image))
	f, err := os.Open(file)
	m.must(err)
	_, err = f.ReadAt(disk, 0)
	m.must(errors.Join(err, f.Close()))
	if !bytes.Equal(disk, image) {
		t.Error("the image is not on the disk")
	}
	if written(t, other) != untouched {
		t.Error("the other disk was written to")
	}

	// With the medium still in it, before there is a state.
	again := newMachine(t, Auto)
	again.cd(`{"install": {"disk": "smallest"}}`)
	again.device("sda", file)
	got, err = again.boot((*boot).run)
	if err != nil {
		t.Fatal(got)
	}
	said(t, got, "going on with the installation to /dev/sda")
	if again.read("run/ingot/install") != "/dev/sda\n" {
		t.Error("the installation does not end")
	}

	// And with a state.
	if out, err := exec.Command(need.Tool(t, "sgdisk"), "--move-second-header", "--new=0:0:0", "--change-name=5:ingot-state", file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	last := newMachine(t, Auto)
	last.cd(`{"install": {"disk": "smallest", "overwrite": "S-sda"}}`)
	last.device("sda", file, "E:ID_SERIAL_SHORT=S-sda")
	before := written(t, file)
	if got, err = last.boot((*boot).run); err != nil {
		t.Fatal(got)
	}
	said(t, got, "running from the boot ISO, with the state on /dev/sda", "is installed on /dev/sda: take the boot ISO out")
	if _, err := os.Stat(filepath.Join(last.root, "run/ingot/install")); err == nil {
		t.Error("it is installed again, and would restart for ever")
	}
	if written(t, file) != before {
		t.Error("an installed disk was written to")
	}
}

// TestInstallFails: a disk that fails is named, with the place.
func TestInstallFails(t *testing.T) {
	m := newMachine(t, Auto)
	m.cd(`{"install": {"disk": "/dev/disk/by-id/test-sda"}}`)
	m.disk("sda", room)
	m.opened = func(d disk) disk { return lying{d} }
	got, err := m.boot((*boot).run)
	if err == nil {
		t.Fatal("it was installed")
	}
	said(t, got, `<2>ingot: installing to /dev/sda, Disk of tests, serial number "S-sda", 629 MB: reading the disk back at offset 2097152: it has the byte 0x00 where `)
	for _, name := range []string{stateDisk, installFlag} {
		if _, err := os.Stat(filepath.Join(m.root, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
}

// lying is a disk that loses a megabyte.
type lying struct{ disk }

func (l lying) ReadAt(p []byte, off int64) (int, error) {
	n, err := l.disk.ReadAt(p, off)
	for i := range p[:n] {
		if at := off + int64(i); at >= 2<<20 && at < 3<<20 {
			p[i] = 0
		}
	}
	return n, err
}

// TestRefusals say what there is and what to do, and touch nothing.
func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		setting string
		prepare func(m *machine)
		want    []string
	}{
		"foreign": {`{"install": {"disk": "first"}}`, func(m *machine) {
			file := m.disk("sda", room)
			if out, err := exec.Command(need.Tool(m, "mkfs.ext4"), "-q", "-F", "-L", "precious", file).CombinedOutput(); err != nil {
				m.Fatalf("%v: %s", err, out)
			}
			m.device("sda", file, "E:ID_SERIAL_SHORT=S-sda", "S:disk/by-id/test-sda")
		}, []string{
			`<2>ingot: the disk to install to is /dev/sda, Disk of tests, serial number "S-sda", 629 MB, and holds a file system or member of one (ext4 "precious")`,
			`<2>ingot:   /dev/sda, Disk of tests, serial number "S-sda", 629 MB: holds a file system or member of one (ext4 "precious"); /dev/disk/by-id/test-sda`,
			`<2>ingot: what to do: if nothing on it is needed, say so by its serial number in the definition (install: {disk: ..., overwrite: "S-sda"} of the node)`,
		}},
		"no setting": {`{}`, func(m *machine) { m.disk("sda", room) }, []string{"neither the identity on the boot ISO nor the boot menu says what to do", "what to do: choose in the boot menu"}},
		"bad setting": {`{"install": {"disk": "/dev/sda"}}`, func(m *machine) { m.disk("sda", room) },
			[]string{`<2>ingot: the identity on the boot ISO: reading ingot/boot.json: install.disk: "/dev/sda" names no disk`}},
		"no disk": {`{"run": {"disk": "first"}}`, func(*machine) {}, []string{"the machine has no disk that is seen"}},
		"another identity": {`{"run": {"disk": "first"}}`, func(m *machine) {
			m.disk("sda", room)
			m.device("sr1", m.config(`{"run": {"disk": "smallest"}}`), "device/type:=5")
		}, []string{"the boot ISO has an identity, and /dev/sr1 has another"}},
		"USB": {`{"install": {"disk": "first"}}`, func(m *machine) { m.disk("sdb", room, "E:ID_BUS=usb") }, []string{"no disk of this machine can take the image", "attached by USB"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, Auto)
			m.cd(c.setting)
			c.prepare(m)
			got, err := m.boot((*boot).run)
			if err == nil {
				t.Fatalf("it was not refused: %s", got)
			}
			said(t, got, c.want...)
			if _, err := os.Stat(filepath.Join(m.root, stateDisk)); err == nil {
				t.Error("a disk was chosen")
			}
		})
	}
}

// TestRun: with the state where it is, by a stick, and on a disk that appears
// late; and the identity on a drive of its own.
func TestRun(t *testing.T) {
	state := func(m *machine, name string) {
		file := m.disk(name, room)
		if out, err := exec.Command(need.Tool(m, "sgdisk"), "--new=1:0:0", "--change-name=1:ingot-state", file).CombinedOutput(); err != nil {
			m.Fatalf("%v: %s", err, out)
		}
		m.device(name, file)
	}
	for name, c := range map[string]struct {
		prepare func(m *machine)
		want    string
	}{
		"state": {func(m *machine) {
			m.cd("")
			m.disk("sda", room)
			state(m, "sdb")
		}, "/dev/sdb"},
		"an empty disk by the identity on a drive": {func(m *machine) {
			m.cd("")
			m.disk("sda", room)
			m.device("sr1", m.config(`{"run": {"disk": "first"}}`), "device/type:=5")
		}, "/dev/sda"},
		"the same identity twice": {func(m *machine) {
			m.disk("sda", room)
			m.cd(`{"run": {"disk": "first"}}`)
			config, err := os.ReadFile(m.made)
			m.must(err)
			// A drive is larger than what was written to it.
			m.must(os.WriteFile(m.made, append(config, make([]byte, 4096)...), 0o600))
			m.device("sr1", m.made, "device/type:=5")
		}, "/dev/sda"},
		"a stick": {func(m *machine) {
			file := m.iso(volumeLabel, m.files())
			m.device("sdb", file, "removable:=1")
			state(m, "sda")
		}, "/dev/sda"},
		"a disk that comes late": {func(m *machine) {
			m.cd(`{"run": {"disk": "first"}}`)
			m.disk("sda", room)
			m.onWait = func(n int) {
				if n == 1 {
					state(m, "sdb")
				}
			}
		}, "/dev/sdb"},
		"a medium that comes late": {func(m *machine) {
			state(m, "sda")
			m.onWait = func(n int) {
				if n == 3 {
					m.cd("")
				}
			}
		}, "/dev/sda"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, Auto)
			c.prepare(m)
			got, err := m.boot((*boot).run)
			if err != nil {
				t.Fatal(got)
			}
			said(t, got, "running from the boot ISO, with ", c.want)
			if disk := m.read(stateDisk); disk != c.want+"\n" {
				t.Errorf("the state is on %s", disk)
			}
			if _, err := os.Stat(filepath.Join(m.root, installFlag)); err == nil {
				t.Error("it is installed")
			}
		})
	}
}

// TestStateAgain: the power goes while the state is made on an empty disk; the
// next boot makes it there, and not on the disk that the rule takes now.
func TestStateAgain(t *testing.T) {
	m := newMachine(t, Auto)
	m.cd(`{"run": {"disk": "smallest"}}`)
	file := m.disk("sda", room)
	for range 2 {
		if got, err := m.boot((*boot).run); err != nil || m.read(stateDisk) != "/dev/sda\n" {
			t.Fatalf("the state is on %s: %v: %s", m.read(stateDisk), err, got)
		}
		m.must(m.unmount(filepath.Join(m.root, mediumDir)))
		f, err := os.OpenFile(file, os.O_RDWR, 0)
		m.must(err)
		if c := look(f, room, 512); !c.Begun || !c.Blank() {
			t.Errorf("the disk holds %s", &c)
		}
		// What mkfs leaves where the partition will be.
		_, err = f.WriteAt([]byte("superblock"), headSize+1024)
		m.must(errors.Join(err, f.Close()))
	}
	// A smaller disk comes.
	m.disk("sdb", room-1<<20)
	if got, err := m.boot((*boot).run); err != nil || m.read(stateDisk) != "/dev/sda\n" {
		t.Errorf("the state is on %s: %v: %s", m.read(stateDisk), err, got)
	}
}

// TestNoMedium: what is not the medium of this machine is not taken for it.
func TestNoMedium(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(m *machine)
		want    string
	}{
		"none": {func(m *machine) { m.disk("sda", room) }, "no drive has a volume INGOT_BOOT"},
		"another image": {func(m *machine) {
			m.write("proc/cmdline", "ingot.boot=auto ingot.root="+hashB+" ingot.cluster="+hashA[1:]+"0")
			m.cd("")
		}, "/dev/sr0: it has image prod-0a1b2c3d of cluster prod, which is not the one that was started"},
		"short": {func(m *machine) {
			files := m.files()
			files["disk.img"] = files["disk.img"][:1<<20]
			m.device("sr0", m.iso(volumeLabel, files))
			m.write("sys/class/block/sr0/device/type", "5\n")
		}, "disk.img has 1048576 bytes, and should have"},
		"without a word": {func(m *machine) { m.device("sr0", m.iso(volumeLabel, map[string]string{"a": "b"})) }, "it is no boot ISO"},
		"two": {func(m *machine) {
			m.cd("")
			m.device("sdb", m.iso(volumeLabel, m.files()))
		}, "more than one drive has this boot ISO"},
		"by network": {func(m *machine) {
			m.write("proc/cmdline", "ingot.boot=auto ingot.medium=http://192.0.2.1/a ingot.root="+hashA+" ingot.cluster="+hashB)
		}, "this program cannot fetch from ingot.medium="},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, Auto)
			c.prepare(m)
			got, err := m.boot((*boot).run)
			if err == nil {
				t.Fatal("it goes on")
			}
			said(t, got, c.want)
			if len(m.mounted) != 0 {
				t.Errorf("%v is mounted", m.mounted)
			}
		})
	}
}

// TestRescue: the shell that a person leaves starts the machine again; those
// on lines that lead nowhere do not.
func TestRescue(t *testing.T) {
	m := newMachine(t, Rescue)
	m.write("sys/class/tty/console/active", "tty0 ttyS0\n")
	m.shells = map[string]func() error{"tty1": func() error { return nil }, "ttyS0": func() error { return errors.New("input/output error") }}
	clock := time.Now()
	run := func(step time.Duration) error {
		b := &boot{Config: Config{Root: m.root, Runner: m, Now: func() time.Time { clock = clock.Add(step); return clock }}, system: m}
		b.say = (&kernelLog{path: b.at("/dev/kmsg")}).say
		return b.told(b.run(t.Context()))
	}
	if err := run(0); err == nil || len(m.programs) != 0 {
		t.Errorf("without a shell: %v, %q", err, m.programs)
	}
	if err := run(time.Minute); err != nil || strings.Join(m.programs, ";") != "systemctl --force reboot" {
		t.Errorf("%v, %q", err, m.programs)
	}
	said(t, m.read("dev/kmsg"), "a shell for root is on /dev/tty1, /dev/ttyS0")
}

// TestDone ends an installation, and nothing else.
func TestDone(t *testing.T) {
	m := newMachine(t, Auto)
	if got, err := m.boot((*boot).done); err != nil || got != "" || len(m.programs) != 0 {
		t.Errorf("where nothing was decided: %q, %v, %q", got, err, m.programs)
	}
	m.write(notedFile, `{"action": "run", "disk": "/dev/sda", "image": "prod-1"}`)
	if got, err := m.boot((*boot).done); err != nil || got != "" || len(m.programs) != 0 {
		t.Errorf("where the machine runs: %q, %v, %q", got, err, m.programs)
	}
	m.write(notedFile, `{"action": "install", "disk": "/dev/sda", "image": "prod-1", "install": true}`)
	got, err := m.boot((*boot).done)
	if err != nil || len(m.programs) != 0 {
		t.Errorf("with cloud-init: %v, %q", err, m.programs)
	}
	said(t, got, "image prod-1 is installed on /dev/sda; this boot goes on from the boot ISO, for cloud-init")
	m.write(ignitionEngine, "")
	got, err = m.boot((*boot).done)
	if err != nil || strings.Join(m.programs, ";") != "systemctl --no-block reboot;systemctl --force --force reboot" {
		t.Errorf("%v, %q", err, m.programs)
	}
	said(t, got, "image prod-1 is installed on /dev/sda, WITHOUT an identity", "take the boot ISO out")
	m.write(provisionedStamp, "")
	got, _ = m.boot((*boot).done)
	said(t, got, "image prod-1 is installed on /dev/sda, with the identity of the machine\n")
	m.write(notedFile, `{`)
	if _, err := m.boot((*boot).done); err == nil {
		t.Error("what cannot be read ends an installation")
	}
}
