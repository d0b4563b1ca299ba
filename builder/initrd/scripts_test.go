package initrd

import (
	"bytes"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// TestScripts has every script be one that dash runs and shellcheck likes.
func TestScripts(t *testing.T) {
	shellcheck := need.Tool(t, "shellcheck")
	for _, name := range []string{"root", "state", "provision", "stop", "../../sbin/setfiles"} {
		data, err := own.ReadFile(path.Join("root/usr/lib/ingot", name))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(shellcheck, "-s", "sh", "-")
		cmd.Stdin = bytes.NewReader(data)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

// TestPrograms has the initrd have what its scripts run, by a list that is held
// against the scripts.
func TestPrograms(t *testing.T) {
	builtin := " [ case cd do done echo elif else esac exit fi for if in printf read return set then trap true umask while "
	has := map[string]bool{"ignition": true, "setfiles": true}
	for _, list := range [][]string{required, optional} {
		for _, name := range list {
			has[path.Base(name)] = true
		}
	}
	for script, programs := range map[string]string{
		"root":      "mkdir mount readlink systemd-veritysetup udevadm",
		"state":     "cat e2fsck mkdir mount readlink systemd-growfs systemd-repart udevadm",
		"provision": "cat chmod cp head ignition mkdir modprobe mount rm rmdir sync systemctl udevadm umount",
		"stop":      "sleep sync systemctl",
	} {
		data, err := own.ReadFile("root/usr/lib/ingot/" + script)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]bool{}
		for name := range strings.FieldsSeq(programs) {
			want[name] = true
			if !has[name] {
				t.Errorf("%s runs %s, which the initrd does not have", script, name)
			}
		}
		got := map[string]bool{}
		for line := range strings.Lines(string(data)) {
			words := strings.Fields(strings.NewReplacer("$(", " ", "(", " ", ")", " ", "`", " ", `"`, " ").Replace(line))
			for _, word := range words {
				if name := path.Base(word); has[name] && !strings.HasPrefix(strings.TrimSpace(line), "#") && !strings.Contains(builtin, " "+name+" ") {
					got[name] = true
				}
			}
		}
		for name := range want {
			if !got[name] {
				t.Errorf("%s does not run %s", script, name)
			}
		}
	}
}

// TestSplit runs the part of the script that makes GUIDs of a hash.
func TestSplit(t *testing.T) {
	data, err := own.ReadFile("root/usr/lib/ingot/root")
	if err != nil {
		t.Fatal(err)
	}
	_, function, ok := strings.Cut(string(data), "\nsplit() {")
	function, _, end := strings.Cut(function, "\n}\n")
	if !ok || !end || !strings.Contains(string(data), "\nset -euf") {
		t.Fatal("the script has no such function, or takes patterns for files")
	}
	hash := "0123456789abcdef0123456789abcdef" + "fedcba9876543210fedcba9876543210"
	cmd := exec.Command(need.Tool(t, "dash"), "-c", "set -euf\nsplit() {"+function+"\n}\nsplit "+hash+"; echo $guid; split $rest; echo $guid$rest")
	cmd.Dir = "/" // has names of four letters
	out, err := cmd.CombinedOutput()
	if want := "01234567-89ab-cdef-0123-456789abcdef\nfedcba98-7654-3210-fedc-ba9876543210\n"; err != nil || string(out) != want {
		t.Errorf("got %q, %v\nwant %q", out, err, want)
	}
}
