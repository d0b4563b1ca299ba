package ignition_test

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ingot-k8s/ingot/internal/need"
)

// system is a folder that is enough of a Debian for the real tools: programs
// of this machine, read-only, and an /etc, /dev and /proc of its own.
type system struct{ root string }

// accounts are what the system starts with.
var accounts = map[string]string{
	"etc/passwd":         "root:x:0:0:root:/root:/bin/bash\netcd:x:990:990::/var/lib/etcd:/usr/sbin/nologin\n",
	"etc/group":          "root:x:0:\netcd:x:990:\nsudo:x:27:\n",
	"etc/shadow":         "root:*:19000:0:99999:7:::\netcd:!:19000::::::\n",
	"etc/gshadow":        "root:*::\netcd:!::\nsudo:*::\n",
	"etc/login.defs":     "UID_MIN 1000\nUID_MAX 60000\nGID_MIN 1000\nGID_MAX 60000\nUMASK 022\nUSERGROUPS_ENAB yes\n",
	"etc/hostname":       "image\n", // the image's own, to be replaced
	"etc/nsswitch.conf":  "passwd: files\ngroup: files\nshadow: files\n",
	"etc/machine-id":     "",
	"root/.keep":         "",
	"home/.keep":         "",
	"run/.keep":          "",
	"tmp/.keep":          "",
	"etc/skel/.keep":     "",
	"etc/os-release":     "ID=debian\nVERSION_ID=12\n",
	"etc/sudoers.d/.new": "",
}

// newSystem makes a system on a file system of its own, for root only.
func newSystem(t *testing.T) *system {
	t.Helper()
	return newSystemOf(t, 64<<20)
}

// newSystemOf makes one with room for so many bytes.
func newSystemOf(t *testing.T, size int) *system {
	t.Helper()
	s := &system{root: need.SmallDisk(t, size)}
	// Tools write into home folders as the user.
	if err := os.Chmod(filepath.Dir(s.root), 0o711); err != nil {
		t.Fatal(err)
	}
	for path, content := range accounts {
		s.write(t, path, content, 0o644)
	}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		target, err := os.Readlink("/" + link)
		if err != nil {
			t.Fatalf("this Debian has no merged /usr: %v", err)
		}
		if err := os.Symlink(target, filepath.Join(s.root, link)); err != nil {
			t.Fatal(err)
		}
	}
	s.mount(t, "usr", "/usr", "--bind")
	s.mount(t, "proc", "proc", "-t", "proc")
	s.device(t, "null", 1, 3)
	s.device(t, "zero", 1, 5)
	s.device(t, "urandom", 1, 9)
	s.device(t, "loop-control", 10, 237)
	for i := range 8 {
		s.device(t, "loop"+string(rune('0'+i)), 7, i)
	}
	return s
}

func (s *system) path(path string) string { return filepath.Join(s.root, path) }

func (s *system) write(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.path(path)), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path(path), []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

func (s *system) mount(t testing.TB, path, what string, options ...string) {
	t.Helper()
	umount := need.Tool(t, "umount")
	if err := os.MkdirAll(s.path(path), 0o755); err != nil {
		t.Fatal(err)
	}
	args := append(options, "-o", "ro", what, s.path(path))
	if out, err := exec.Command(need.Tool(t, "mount"), args...).CombinedOutput(); err != nil {
		t.Fatalf("mounting %s: %v: %s", path, err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command(umount, s.path(path)).CombinedOutput(); err != nil {
			t.Errorf("unmounting %s: %v: %s", path, err, out)
		}
	})
}

func (s *system) device(t testing.TB, name string, major, minor int) {
	t.Helper()
	kind := uint32(unix.S_IFCHR)
	if strings.HasPrefix(name, "loop") && name != "loop-control" {
		kind = unix.S_IFBLK
	}
	if err := os.MkdirAll(s.path("dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mknod(s.path("dev/"+name), kind|0o666, int(unix.Mkdev(uint32(major), uint32(minor)))); err != nil {
		t.Fatal(err)
	}
}

// run runs a program in the system, with mounts, network and host name of its
// own, and returns what it said.
func (s *system) run(t testing.TB, argv ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/shim:/usr/sbin:/usr/bin", "SYSTEMD_OFFLINE=1", "LC_ALL=C.UTF-8", "HOME=/root"}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot:       s.root,
		Unshareflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWUTS,
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	return said.String(), err
}

func (s *system) mustRun(t testing.TB, argv ...string) string {
	t.Helper()
	said, err := s.run(t, argv...)
	if err != nil {
		t.Fatalf("%q: %v: %s", argv, err, said)
	}
	return said
}

// drive attaches a volume as /dev/disk/by-label has it. Where the kernel has
// no ISO 9660, the same files go onto an ext4 volume, which the scripts take
// as well.
func (s *system) drive(t testing.TB, label string, iso []byte) {
	t.Helper()
	image := s.path("drive.img")
	if err := os.WriteFile(image, iso, 0o600); err != nil {
		t.Fatal(err)
	}
	known, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(known, []byte("\tiso9660\n")) {
		files := extract(t, iso)
		if err := os.Remove(image); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(need.Tool(t, "mkfs.ext4"), "-q", "-L", label, "-d", files, image, "1M").CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := os.MkdirAll(s.path("dev/disk/by-label"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/drive.img", s.path("dev/disk/by-label/"+label)); err != nil {
		t.Fatal(err)
	}
}

// extract unpacks an ISO by xorriso into a folder.
func extract(t testing.TB, iso []byte) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "in.iso")
	if err := os.WriteFile(image, iso, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "files")
	out, err := exec.Command(need.Tool(t, "xorriso"), "-osirrox", "on", "-indev", image, "-extract", "/", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("xorriso: %v: %s", err, out)
	}
	// Folders on volumes are read-only, and so is what a user extracts.
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o755)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// loose are what differs between two systems for reasons that have nothing to
// do with an identity: the tools' own records, and what is mounted.
func loose(path string) bool {
	for _, prefix := range []string{
		"usr", "proc", "dev", "run", "tmp", "var", "shim", "drive.img", "bin", "sbin", "lib", "lib64",
		"etc/cloud", "etc/.pwd.lock", "etc/passwd-", "etc/group-", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid",
		"etc/.ignition-result.json", "etc/systemd/system-preset", "etc/selinux", "etc/network", "etc/netplan", "etc/udev",
	} {
		if path == prefix || strings.HasPrefix(path, prefix+"/") || strings.HasSuffix(prefix, "-") && path == prefix ||
			strings.HasPrefix(path, prefix+"-") {
			return true
		}
	}
	return false
}
