package addons_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/node/addons"
)

func TestApply(t *testing.T) {
	got := addons.Target{
		Program: "kubectl", Server: "https://127.0.0.1:7443", Authority: "/ca", Certificate: "/crt", Key: "/key", User: "ingot:controller", Cache: "/cache",
	}.Apply("/dir")
	want := []string{
		"kubectl", "apply", "--server-side", "--force-conflicts", "--field-manager=ingot",
		"--kubeconfig=/dev/null", "--server=https://127.0.0.1:7443", "--tls-server-name=kubernetes",
		"--certificate-authority=/ca", "--client-certificate=/crt", "--client-key=/key",
		"--as=ingot:controller", "--as-group=system:masters", "--cache-dir=/cache", "--filename=/dir",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestProblems(t *testing.T) {
	got := addons.Problems("Warning: old\n\nerror: error parsing " + addons.Dir + "/02-a.yaml: bad\n  Error from server: no\n")
	if want := []string{"error: error parsing 02-a.yaml: bad", "Error from server: no"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := addons.Problems(strings.Repeat("x\n", 100)); len(got) != 21 || got[20] != "and more" {
		t.Errorf("of many: %d, %q", len(got), got[len(got)-1])
	}
}

func TestState(t *testing.T) {
	root := t.TempDir()
	if _, err := addons.Read(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without one: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(root, "run/ingot"), 0o755); err != nil {
		t.Fatal(err)
	}
	want := addons.State{Problems: []string{"a"}, Attempts: 3, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	if err := want.Write(root); err != nil {
		t.Fatal(err)
	}
	got, err := addons.Read(root)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if err := os.WriteFile(filepath.Join(root, addons.StatePath), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := addons.Read(root); err == nil {
		t.Error("half a note was read")
	}
}
