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
		"root":      "cut mkdir mount readlink systemd-veritysetup udevadm",
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
