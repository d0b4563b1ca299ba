package machine_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/lab/machine"
)

// TestSlow reads the hardware clocks of two machines, one of which is ten times
// slower, and looks for what that one leaves when it is killed.
func TestSlow(t *testing.T) {
	need.Tool(t, "qemu-system-x86_64")
	need.File(t, "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
	begin := time.Date(2033, 5, 18, 3, 0, 0, 0, time.UTC)
	passed := func(slow int) time.Duration {
		t.Helper()
		dir := t.TempDir()
		m, err := machine.Start(t.Context(), machine.Config{Name: "m", Dir: dir, Accel: machine.TCG, Memory: 16, Slow: slow, Clock: begin})
		if err != nil {
			t.Fatal(err)
		}
		shared := shared(t, dir)
		if exists(shared) != (slow > 1) {
			t.Errorf("%d times slower: %s is there: %t", slow, shared, exists(shared))
		}
		defer func() {
			m.Kill()
			for deadline := time.Now().Add(10 * time.Second); exists(shared); time.Sleep(50 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s is left behind", shared)
				}
			}
		}()
		time.Sleep(6 * time.Second)
		var now struct {
			Year int `json:"tm_year"`
			Mon  int `json:"tm_mon"`
			Day  int `json:"tm_mday"`
			Hour int `json:"tm_hour"`
			Min  int `json:"tm_min"`
			Sec  int `json:"tm_sec"`
		}
		if err := m.QMP(t.Context(), "qom-get", map[string]any{"path": "/machine", "property": "rtc-time"}, &now); err != nil {
			t.Fatal(err)
		}
		return time.Date(1900+now.Year, time.Month(1+now.Mon), now.Day, now.Hour, now.Min, now.Sec, 0, time.UTC).Sub(begin)
	}
	if got := passed(10); got > 3*time.Second {
		t.Errorf("ten times slower: %s passed", got)
	}
	if got := passed(0); got < 5*time.Second {
		t.Errorf("as it is: %s passed", got)
	}
}

// shared is the file that libfaketime makes for the machine of a folder.
func shared(t *testing.T, dir string) string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && target == dir {
			return "/dev/shm/faketime_shm_" + filepath.Base(filepath.Dir(link))
		}
	}
	t.Fatalf("no process runs in %s", dir)
	return ""
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}
