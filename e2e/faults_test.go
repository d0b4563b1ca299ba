package e2e_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/cli"
	"github.com/ingot-k8s/ingot/internal/need"
)

// workplace is a folder with a definition, as a person has it.
type workplace struct{ dir, out string }

func newWorkplace(t *testing.T) *workplace {
	t.Helper()
	w := &workplace{dir: t.TempDir()}
	w.out = filepath.Join(w.dir, "out")
	if err := os.MkdirAll(filepath.Join(w.dir, "clusters", "lab"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "clusters", "lab", "cluster.yaml"), []byte(definition("lab")), 0o644); err != nil {
		t.Fatal(err)
	}
	return w
}

// args is the command line that makes everything.
func (w *workplace) args() []string {
	return []string{"iso", "lab", "--clusters", filepath.Join(w.dir, "clusters"), "--out", w.out}
}

// run makes everything in this process.
func (w *workplace) run(t *testing.T) (status int, said string) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(w.dir, "config"))
	var b bytes.Buffer
	status = cli.Run(t.Context(), nil, &b, &b, w.args())
	return status, b.String()
}

// check runs twice: the second run must find everything whole.
func (w *workplace) check(t *testing.T) {
	t.Helper()
	if status, said := w.run(t); status != 0 {
		t.Fatalf("exit status %d: %s", status, said)
	}
	status, said := w.run(t)
	if status != 0 || strings.Count(said, " unchanged") != 3 || strings.Contains(said, "issued") {
		t.Errorf("a second run changes things: exit status %d: %s", status, said)
	}
	err := filepath.WalkDir(w.dir, func(path string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(path, ".tmp") {
			t.Errorf("%s is left behind", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestMain lets this program be ingot itself, to be killed.
func TestMain(m *testing.M) {
	if os.Getenv("INGOT_TEST_BE") == "ingot" {
		os.Exit(cli.Run(context.Background(), os.Stdin, os.Stdout, os.Stderr, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// A kill at any moment loses nothing and leaves nothing half-written: the next
// run goes on from there.
func TestKilled(t *testing.T) {
	w := newWorkplace(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for delay := 2 * time.Millisecond; delay < 600*time.Millisecond; delay = delay * 3 / 2 {
		cmd := exec.CommandContext(t.Context(), self, w.args()...)
		cmd.Env = append(os.Environ(), "INGOT_TEST_BE=ingot", "XDG_CONFIG_HOME="+filepath.Join(w.dir, "config"))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(delay)
		_ = cmd.Process.Kill() // it may have ended already
		if err := cmd.Wait(); err != nil {
			killed++
			if code := cmd.ProcessState.ExitCode(); code > 0 {
				t.Errorf("after a kill the next run ended with exit status %d", code)
			}
		}
	}
	if killed == 0 {
		t.Error("every run ended before it was killed: this test says nothing")
	}
	w.check(t)
}

// A disk that fills up, a folder that cannot be written, and a link or a folder
// where a file belongs: an error that names the place, and then a good run.
func TestOutputFaults(t *testing.T) {
	faults := map[string]struct {
		spoil func(t *testing.T, w *workplace) (mend func())
		say   string
	}{
		"full disk": {func(t *testing.T, w *workplace) func() {
			w.out = filepath.Join(need.SmallDisk(t, 64<<10), "out")
			return func() { w.out = filepath.Join(w.dir, "out") }
		}, "no space left on device"},
		"read-only folder": {func(t *testing.T, w *workplace) func() {
			if err := os.MkdirAll(w.out, 0o755); err != nil {
				t.Fatal(err)
			}
			need.ReadOnly(t, w.out)
			return func() { w.out = filepath.Join(w.dir, "elsewhere") }
		}, "out"},
		"link in place of an ISO": {func(t *testing.T, w *workplace) func() {
			link := filepath.Join(w.out, "lab", "nodes", "lab-1", "config.iso")
			if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(w.dir, "victim"), link); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Remove(link) }
		}, "config.iso"},
		"link in place of the key store": {func(t *testing.T, w *workplace) func() {
			link := filepath.Join(w.dir, "clusters", "lab", "pki")
			if err := os.Symlink(t.TempDir(), link); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Remove(link) }
		}, "pki"},
		"folder in place of the ledger": {func(t *testing.T, w *workplace) func() {
			folder := filepath.Join(w.dir, "clusters", "lab", "indexes.yaml")
			if err := os.Mkdir(folder, 0o755); err != nil {
				t.Fatal(err)
			}
			return func() { _ = os.Remove(folder) }
		}, "indexes.yaml"},
	}
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			w := newWorkplace(t)
			mend := fault.spoil(t, w)
			status, said := w.run(t)
			if status != 1 || !strings.Contains(said, "error: ") || !strings.Contains(said, fault.say) {
				t.Errorf("exit status %d, want 1 and an error with %q: %s", status, fault.say, said)
			}
			if strings.Contains(said, "PRIVATE KEY") {
				t.Error("the error shows a private key")
			}
			if _, err := os.Lstat(filepath.Join(w.dir, "victim")); err == nil {
				t.Error("a link was followed")
			}
			mend()
			w.check(t)
		})
	}
}
