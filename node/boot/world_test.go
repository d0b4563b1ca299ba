package boot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/images"
	"github.com/ingot-k8s/ingot/images/gpt"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
)

// machine is a machine in a folder: what kernel and udev say are files there,
// and its disks are files. Mounting is what this machine's kernel may not be
// able to do with an ISO: xorriso, which reads them too, takes its place.
type machine struct {
	*testing.T
	root  string
	mu    sync.Mutex
	waits int
	// onWait is called when the program waits, with how often it has.
	onWait   func(n int)
	settled  int
	programs []string // that were run, but for udevadm
	minor    int
	made     string // the config ISO on the boot ISO
	loops    int
	mounted  map[string]string
	shells   map[string]func() error
	opened   func(disk) disk
}

var _ system = (*machine)(nil)

func newMachine(t *testing.T, mode Mode, words ...string) *machine {
	t.Helper()
	m := &machine{T: t, root: t.TempDir(), mounted: map[string]string{}, opened: func(d disk) disk { return d }}
	for _, dir := range []string{"sys/class/block", "run/udev/data", "dev", "proc"} {
		m.must(os.MkdirAll(filepath.Join(m.root, dir), 0o755))
	}
	m.write("dev/kmsg", "")
	m.write("proc/cmdline", fmt.Sprintf("ro ingot.boot=%s ingot.root=%s ingot.cluster=%s %s\n", mode, hashA, hashB, strings.Join(words, " ")))
	return m
}

func (m *machine) must(err error) {
	m.Helper()
	if err != nil {
		m.Fatal(err)
	}
}

func (m *machine) write(path, text string) {
	m.Helper()
	path = filepath.Join(m.root, path)
	m.must(os.MkdirAll(filepath.Dir(path), 0o755))
	m.must(os.WriteFile(path, []byte(text), 0o600))
}

// device adds a block device over a file, as kernel and udev show it: what is
// on it is found by blkid, as udev does.
func (m *machine) device(name, file string, more ...string) {
	m.Helper()
	info, err := os.Stat(file)
	m.must(err)
	sys := "sys/class/block/" + name + "/"
	m.minor++
	dev := fmt.Sprintf("8:%d", m.minor)
	m.write(sys+"size", fmt.Sprintln(info.Size()/512))
	m.write(sys+"dev", dev+"\n")
	m.write(sys+"queue/logical_block_size", "512\n")
	if !strings.HasPrefix(name, "loop") {
		m.write(sys+"device/model", "Disk of tests  \n")
	}
	out, err := exec.Command(need.Tool(m, "blkid"), "--probe", "--output", "udev", file).Output()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) { // 2: nothing was found
		m.Fatal(err)
	}
	udev := ""
	for line := range strings.Lines(string(out)) {
		udev += "E:" + line
	}
	for _, line := range more {
		if path, value, ok := strings.Cut(line, ":="); ok {
			m.write(sys+path, value+"\n")
		} else {
			udev += line + "\n"
		}
	}
	m.write("run/udev/data/b"+dev, udev)
	_ = os.Remove(filepath.Join(m.root, "dev", name))
	m.must(os.Symlink(file, filepath.Join(m.root, "dev", name)))
}

// disk adds a disk of so many bytes, and returns its file.
func (m *machine) disk(name string, size int64, more ...string) string {
	m.Helper()
	file := filepath.Join(m.TempDir(), name)
	f, err := os.Create(file)
	m.must(err)
	m.must(f.Truncate(size))
	m.must(f.Close())
	m.device(name, file, append(more, "E:ID_SERIAL_SHORT=S-"+name, "S:disk/by-id/test-"+name, "E:ID_PATH=pci-0000:00:1f.2-ata-"+fmt.Sprint(name[len(name)-1]-'a'))...)
	return file
}

// image is the image of the medium: a real table with the GUIDs of the hashes.
func (m *machine) image() []byte {
	m.Helper()
	half := func(hash string, i int) (g gpt.GUID) {
		b, err := hex.DecodeString(hash[32*i : 32*i+32])
		m.must(err)
		copy(g[:], b)
		return g
	}
	content := images.Bytes(bytes.Repeat([]byte("content!"), 100<<10))
	d, err := gpt.Layout{Seed: []byte("x"), Partitions: []gpt.Partition{
		{Label: "root", Type: gpt.RootAMD64, GUID: half(hashA, 0), Content: content},
		{Label: "root-verity", Type: gpt.RootVerityAMD64, GUID: half(hashA, 1), Content: content},
		{Label: "cluster", Type: gpt.UsrAMD64, GUID: half(hashB, 0), Content: content},
		{Label: "cluster-verity", Type: gpt.UsrVerityAMD64, GUID: half(hashB, 1), Content: content},
	}}.Disk()
	m.must(err)
	data := make([]byte, d.Size())
	_, err = d.ReadAt(data, 0)
	m.must(err)
	return data
}

// files are those of a boot ISO.
func (m *machine) files() map[string]string {
	image := m.image()
	sum := sha256.Sum256(image)
	about, err := json.Marshal(map[string]any{"cluster": "prod", "image": "prod-0a1b2c3d", "disk": map[string]any{"size": len(image), "sha256": hex.EncodeToString(sum[:])}})
	m.must(err)
	return map[string]string{
		"ingot.json": string(about), "disk.img": string(image),
		"root.squashfs": "root data", "root.verity": "root tree", "cluster.squashfs": "cluster data", "cluster.verity": "cluster tree",
	}
}

// iso makes a volume by xorriso.
func (m *machine) iso(label string, files map[string]string) string {
	m.Helper()
	dir, out := m.TempDir(), filepath.Join(m.TempDir(), "iso")
	for name, text := range files {
		m.must(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		m.must(os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	if said, err := exec.Command(need.Tool(m, "xorriso"), "-as", "mkisofs", "-quiet", "-r", "-V", label, "-o", out, dir).CombinedOutput(); err != nil {
		m.Fatalf("xorriso: %v: %s", err, said)
	}
	return out
}

// cd puts a boot ISO into the CD drive, with an identity that has boot.json, or
// without where it is empty.
func (m *machine) cd(bootJSON string) {
	m.Helper()
	files := m.files()
	if bootJSON != "" {
		m.made = m.config(bootJSON)
		config, err := os.ReadFile(m.made)
		m.must(err)
		files[configFile] = string(config)
	}
	m.device("sr0", m.iso(volumeLabel, files), "device/type:=5", "removable:=1")
}

// config is a config ISO.
func (m *machine) config(bootJSON string) string {
	return m.iso("config-2", map[string]string{"openstack/latest/user_data": "{}", "ingot/boot.json": bootJSON})
}

func (m *machine) mount(source, target, kind string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if kind != "iso9660" {
		return errors.New("only ISOs can be mounted here")
	}
	if m.mounted[target] != "" {
		m.Errorf("%s is mounted twice", target)
	}
	if err := os.MkdirAll(target, 0o700); err != nil {
		return err
	}
	out, err := exec.Command(need.Tool(m, "xorriso"), "-osirrox", "on", "-indev", source, "-extract", "/", target).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mounting %s: %w: %s", source, err, out)
	}
	m.must(exec.Command("chmod", "-R", "u+rwX", target).Run())
	m.mounted[target] = source
	return nil
}

func (m *machine) unmount(target string) error {
	if m.mounted[target] == "" {
		m.Errorf("%s is not mounted", target)
	}
	delete(m.mounted, target)
	return os.RemoveAll(target)
}

func (m *machine) attach(file string) (string, error) {
	name := fmt.Sprintf("loop%d", m.loops)
	m.loops++
	m.device(name, file)
	return "/dev/" + name, nil
}

func (m *machine) openDisk(path string) (disk, error) {
	d, err := openDisk(path)
	if err != nil {
		return nil, err
	}
	return m.opened(d), nil
}

func (m *machine) shell(console string) error { return m.shells[filepath.Base(console)]() }

func (m *machine) wait(time.Duration) {
	m.waits++
	if m.waits > 1000 {
		m.Fatal("it waits for ever")
	}
	if m.onWait != nil {
		m.onWait(m.waits)
	}
}

// Run implements run.Runner.
func (m *machine) Run(_ context.Context, c run.Command) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Argv[0] == "udevadm" {
		m.settled++
		return nil
	}
	m.programs = append(m.programs, strings.Join(c.Argv, " "))
	return nil
}

// boot has the program do its part, and returns what it said.
func (m *machine) boot(do func(*boot, context.Context) error) (string, error) {
	m.Helper()
	m.write("dev/kmsg", "")
	clock := time.Unix(1e9, 0)
	b := &boot{Config: Config{Root: m.root, Runner: m, Now: func() time.Time { clock = clock.Add(time.Second); return clock }}, system: m}
	b.say = (&kernelLog{path: b.at("/dev/kmsg")}).say
	err := b.told(do(b, m.Context()))
	return m.read("dev/kmsg"), err
}

func (m *machine) read(path string) string {
	m.Helper()
	data, err := os.ReadFile(filepath.Join(m.root, path))
	m.must(err)
	return string(data)
}
