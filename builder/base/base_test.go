package base

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
)

func TestCommand(t *testing.T) {
	c := Config{Path: "/bin", TmpDir: "/big", Lock: &lock.Lock{
		Date:   time.Unix(42, 0),
		Debian: lock.Debian{Packages: []lock.Package{{Name: "b"}, {Name: "a"}}},
	}}
	got := c.command("trixie", "/d", "/d/finish.sh", nil)
	want := []string{
		"mmdebstrap", "--quiet", "--mode=unshare", "--variant=essential", "--format=tar", "--architectures=amd64",
		"--include=a,b", `--aptopt=APT::Install-Recommends "false"`, "--dpkgopt=force-unsafe-io",
		"--customize-hook=/d/finish.sh", "trixie", "-", "deb [trusted=yes] copy:/d trixie main",
	}
	if diff := cmp.Diff(want, got.Argv); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	env := []string{"PATH=/bin", "LC_ALL=C.UTF-8", "TZ=UTC", "SOURCE_DATE_EPOCH=42", "INITRD=No", "TMPDIR=/big"}
	if diff := cmp.Diff(env, got.Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	c.Root = true
	if got := c.command("trixie", "/d", "/d/finish.sh", nil).Argv[2]; got != "--mode=root" {
		t.Errorf("as root: %s", got)
	}
}

func TestCompare(t *testing.T) {
	const ok = "Status: install ok installed\n"
	status := "Package: a\n" + ok + "Version: 1:2\nDescription: x\n Version: 9\n\nPackage: b\n" + ok + "Version: 3\n"
	packages := []lock.Package{{Name: "a", Version: "1:2"}, {Name: "b", Version: "3"}}
	if err := compare(strings.NewReader(status), packages); err != nil {
		t.Error(err)
	}
	for want, text := range map[string]string{
		`a 1:1 is "install ok installed", locked is "1:2"`: strings.Replace(status, "1:2", "1:1", 1),
		`b 3 is "install ok unpacked", locked is "3"`:      strings.Replace(status, "b\nStatus: install ok installed", "b\nStatus: install ok unpacked", 1),
		`c 1 is "install ok installed", locked is ""`:      status + "\nPackage: c\n" + ok + "Version: 1\n",
		`b 3 is missing`: status[:strings.Index(status, "Package: b")],
	} {
		if err := compare(strings.NewReader(text), packages); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}

// failing is a runner whose programs all fail, and keeps what they were.
type failing struct{ ran []string }

func (f *failing) Run(_ context.Context, c run.Command) error {
	f.ran = append(f.ran, c.Argv[0])
	return &run.Error{Argv0: c.Argv[0], ExitCode: 1, Err: errors.New("exit status 1")}
}

func TestBuildLeavesNothing(t *testing.T) {
	cache, err := fetch.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const text = "a package"
	sum := sha256.Sum256([]byte(text))
	p := lock.Package{Name: "a", Version: "1", Architecture: "all", Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:])}
	for name, tt := range map[string]struct {
		content string
		want    string
		ran     int
	}{
		"not in the cache":  {"", "package a 1: reading the cache: ", 0},
		"tampered":          {"A package", "package a 1: copying from the cache: its content is not what its name says", 0},
		"a program failing": {text, `running "apt-ftparchive"`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.content != "" {
				if err := os.WriteFile(cache.Path(p.SHA256), []byte(tt.content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			tmp, out, runner := t.TempDir(), t.TempDir(), &failing{}
			c := Config{Lock: &lock.Lock{Debian: lock.Debian{Release: 13, Packages: []lock.Package{p}}}, Cache: cache, Runner: runner, TmpDir: tmp}
			err := Build(t.Context(), c, filepath.Join(out, "base.tar"))
			if err == nil || !strings.Contains(err.Error(), tt.want) || len(runner.ran) != tt.ran {
				t.Errorf("got %v, ran %v\nwant %s", err, runner.ran, tt.want)
			}
			for _, dir := range []string{tmp, out} {
				if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
					t.Errorf("left behind: %v %v", left, err)
				}
			}
			if err := os.RemoveAll(cache.Path(p.SHA256)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// subordinate finds a normal user who may make user namespaces with many ids.
func subordinate(t *testing.T) string {
	t.Helper()
	f, err := os.Open("/etc/subuid")
	if err != nil {
		t.Skip("no user has subordinate ids")
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, _, _ := strings.Cut(lines.Text(), ":"); name != "root" && exec.Command("id", name).Run() == nil {
			return name
		}
	}
	t.Skip("no user has subordinate ids")
	return ""
}

// asUser runs mmdebstrap as another user.
type asUser struct{ name string }

func (u asUser) Run(ctx context.Context, c run.Command) error {
	if c.Argv[0] == "mmdebstrap" {
		c.Argv = append([]string{"setpriv", "--reuid=" + u.name, "--regid=" + u.name, "--init-groups", "--inh-caps=-all"}, c.Argv...)
		c.Dir = "/"
	}
	return run.Exec{}.Run(ctx, c)
}

// TestSameForRootAndUser makes the base of a shipped cluster from the mirror
// of this machine twice, once without root, with another umask, time zone and
// folder. It takes minutes, so it runs only
// where INGOT_TEST_SLOW is set.
func TestSameForRootAndUser(t *testing.T) {
	if os.Getenv("INGOT_TEST_SLOW") == "" {
		t.Skip("takes minutes: set INGOT_TEST_SLOW=1")
	}
	need.Root(t)
	for _, program := range []string{"mmdebstrap", "apt-ftparchive", "setpriv", "newuidmap"} {
		need.Tool(t, program)
	}
	user := subordinate(t)
	c, _, err := cluster.Load(filepath.Join("..", "..", "clusters", "lab", "cluster.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	l, err := lock.Make(t.Context(), c, lock.Options{Runner: run.Exec{}, Environ: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	cache, err := fetch.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	err = fetch.Packages(t.Context(), l.Debian.Packages, fetch.Options{Cache: cache, Open: func(ctx context.Context, dir string) (fetch.Downloader, error) {
		return lock.Open(ctx, dir, c, run.Exec{}, os.Environ())
	}})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	old := syscall.Umask(0o022)
	defer syscall.Umask(old)
	for name, config := range map[string]Config{
		"root": {Runner: run.Exec{}, Root: true},
		"user": {Runner: asUser{user}, TmpDir: "/var/tmp"},
	} {
		if name == "user" {
			syscall.Umask(0o077)
			t.Setenv("TZ", "Asia/Tokyo")
		}
		config.Lock, config.Cache, config.Path = l, cache, os.Getenv("PATH")
		start := time.Now()
		if err := Build(t.Context(), config, filepath.Join(out, name)); err != nil {
			t.Fatal(err)
		}
		t.Logf("as %s: %s", name, time.Since(start).Round(time.Millisecond))
	}
	if said, err := exec.Command("cmp", filepath.Join(out, "root"), filepath.Join(out, "user")).CombinedOutput(); err != nil {
		t.Errorf("the bases differ: %s", bytes.TrimSpace(said))
	}
}
