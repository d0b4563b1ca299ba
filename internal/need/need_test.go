package need_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// recorder is a testing.TB that notes how it was ended.
type recorder struct {
	testing.TB
	ended, message string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Skipf(f string, a ...any)  { r.end("skip", f, a) }
func (r *recorder) Fatalf(f string, a ...any) { r.end("fail", f, a) }

func (r *recorder) end(how, format string, args []any) {
	r.ended, r.message = how, fmt.Sprintf(format, args...)
	panic(r)
}

// ask runs a question to the machine and returns how it ended.
func ask(t *testing.T, question func(tb testing.TB)) (ended, message string) {
	t.Helper()
	r := &recorder{TB: t}
	func() {
		defer func() {
			if v := recover(); v != nil && v != any(r) {
				panic(v)
			}
		}()
		question(r)
	}()
	return r.ended, r.message
}

func TestToolMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	const tool = "tincd-of-no-machine"
	for require, want := range map[string]string{"": "skip", "tools": "fail", "1": "fail"} {
		t.Setenv("INGOT_TEST_REQUIRE", require)
		ended, message := ask(t, func(tb testing.TB) { need.ToolOf(tb, tool, "tinc") })
		if ended != want || !strings.Contains(message, tool) || !strings.Contains(message, "apt-get install tinc") {
			t.Errorf("%q: got %s %q, want %s", require, ended, message, want)
		}
	}
}

func TestToolNotListed(t *testing.T) {
	if ended, message := ask(t, func(tb testing.TB) { need.Tool(tb, "no-such-tool") }); ended != "fail" {
		t.Errorf("got %s %q, want fail", ended, message)
	}
}

func TestTool(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "tincd")
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	if got := need.Tool(t, "tincd"); got != path {
		t.Errorf("got %q, want %q", got, path)
	}
	// Debian has chroot in /usr/sbin, which is not in this PATH.
	if _, err := os.Stat("/usr/sbin/chroot"); err == nil {
		if got := need.ToolOf(t, "chroot", "coreutils"); got != "/usr/sbin/chroot" {
			t.Errorf("got %q, want /usr/sbin/chroot", got)
		}
	}
}

// TestToolsListed finds the programs that tests of the whole module ask for:
// setup must know them before a test runs.
func TestToolsListed(t *testing.T) {
	call := regexp.MustCompile(`(?:\bneed\.|[^.\w])(?:Tool|File)\(\w+, "([^"]+)"\)`)
	asked := 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch path {
		case "../../.git", "../../out", "../../bin": // not source; may not be readable
			if d != nil && !d.IsDir() {
				return nil // as .git is in a second work tree
			}
			return fs.SkipDir
		}
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range call.FindAllStringSubmatch(string(source), -1) {
			asked++
			if name := m[1]; name != "no-such-tool" && !need.Listed(name) {
				t.Errorf("%s: the program %q is not listed in internal/need/packages.txt", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if asked == 0 {
		t.Error("found no call of need.Tool")
	}
}

func TestRoot(t *testing.T) {
	for require, want := range map[string]string{"": "skip", "tools": "skip", "1": "fail"} {
		if os.Geteuid() == 0 {
			want = ""
		}
		t.Setenv("INGOT_TEST_REQUIRE", require)
		if ended, message := ask(t, func(tb testing.TB) { need.Root(tb) }); ended != want {
			t.Errorf("%q: got %q %q, want %q", require, ended, message, want)
		}
	}
}

func TestNetns(t *testing.T) {
	need.Root(t)
	ip, ping := need.Tool(t, "ip"), need.Tool(t, "ping")
	var names []string
	t.Run("used", func(t *testing.T) {
		names = need.Netns(t, 3)
		if len(names) != 3 {
			t.Fatalf("got %q, want 3 names", names)
		}
		for i, name := range names {
			for _, to := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3", "127.0.0.1"} {
				out, err := exec.Command(ip, "netns", "exec", name, ping, "-c1", "-W5", to).CombinedOutput()
				if err != nil {
					t.Errorf("node %d does not reach %s: %v: %s", i, to, err, out)
				}
			}
			out, err := exec.Command(ip, "-n", name, "route", "get", "198.51.100.1").CombinedOutput()
			if err == nil {
				t.Errorf("node %d has a way out: %s", i, out)
			}
		}
		// Left running on purpose: the cleanup has to end it.
		left := exec.Command(ip, "netns", "exec", names[0], "sleep", "60")
		if err := left.Start(); err != nil {
			t.Fatal(err)
		}
		go func() { _ = left.Wait() }() // killed
	})
	out, err := exec.Command(ip, "netns", "list").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.Contains(string(out), name) {
			t.Errorf("namespace %q is left", name)
		}
	}
}

func TestSmallDisk(t *testing.T) {
	var dir string
	t.Run("used", func(t *testing.T) {
		dir = need.SmallDisk(t, 64<<10)
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, make([]byte, 32<<10), 0o600); err != nil {
			t.Errorf("writing half of what it holds: %v", err)
		}
		if err := os.WriteFile(path, make([]byte, 128<<10), 0o600); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("writing twice what it holds: %v, want a full disk", err)
		}
	})
	if _, err := os.Stat(dir); dir != "" && err == nil {
		t.Errorf("%q is left", dir)
	}
}

func TestReadOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	t.Run("used", func(t *testing.T) {
		need.ReadOnly(t, dir)
		if err := os.WriteFile(path, nil, 0o600); err == nil {
			t.Error("the folder can be written")
		}
	})
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Errorf("the folder stays read-only: %v", err)
	}
}
