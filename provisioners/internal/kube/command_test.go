package kube_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/internal/kube"
)

// TestCommand: what systemd would read into a value is written so that it does
// not; what it is to read stays.
func TestCommand(t *testing.T) {
	got := kube.Command("/usr/bin/x", []kube.Flag{
		kube.Set("plain", "a=b,c"),
		kube.Set("spaces", `50% of "all" $HOME \ it's; done`),
		kube.SetInt("number", -1),
		kube.SetBool("yes", true),
		kube.SetEnv("env", "INGOT_NODE"),
		kube.SetCredential("key", "sa.key"),
	})
	want := `/usr/bin/x \
    --plain=a=b,c \
    "--spaces=50%% of \"all\" $$HOME \\ it's; done" \
    --number=-1 \
    --yes=true \
    --env=${INGOT_NODE} \
    --key=${CREDENTIALS_DIRECTORY}/sa.key`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// systemd has no command that prints how it splits a line, but one that
	// complains where it cannot.
	unit := t.TempDir() + "/x.service"
	write(t, unit, "[Service]\nExecStart="+strings.Replace(got, "/usr/bin/x", "/bin/true", 1)+"\n")
	if out, err := exec.Command(need.Tool(t, "systemd-analyze"), "verify", "--man=no", unit).CombinedOutput(); err != nil || strings.Contains(string(out), "x.service") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestSorted: the definition's flags win over defaults.
func TestSorted(t *testing.T) {
	got := kube.Command("x", kube.Sorted(map[string]string{"b": "1", "d": "2"}, map[string]string{"a": "3", "b": "4"}))
	if want := "x \\\n    --a=3 \\\n    --b=1 \\\n    --d=2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFeatureGates(t *testing.T) {
	if got := kube.FeatureGates(nil); got != nil {
		t.Errorf("without any: %v", got)
	}
	got := kube.Command("x", kube.FeatureGates(map[string]bool{"B": false, "A": true}))
	if want := "x \\\n    --feature-gates=A=true,B=false"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestPortCapability(t *testing.T) {
	for port, want := range map[int]string{443: "CAP_NET_BIND_SERVICE", 1023: "CAP_NET_BIND_SERVICE", 1024: "", 6443: ""} {
		if got := kube.PortCapability(6443, port); got != want {
			t.Errorf("%d: %q, want %q", port, got, want)
		}
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
