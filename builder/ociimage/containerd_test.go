package ociimage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// startContainerd runs a containerd of its own and gives the command to talk
// to it, in the namespace of Kubernetes.
func startContainerd(t *testing.T) func(args ...string) string {
	t.Helper()
	need.Root(t)
	daemon, client := need.Tool(t, "containerd"), need.Tool(t, "ctr")
	dir := t.TempDir()
	socket, config := filepath.Join(dir, "sock"), filepath.Join(dir, "config.toml")
	text := fmt.Sprintf("version = 2\nroot = %q\nstate = %q\n"+
		"disabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.internal.v1.opt\"]\n"+
		"[grpc]\n  address = %q\n", filepath.Join(dir, "root"), filepath.Join(dir, "state"), socket)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(daemon, "--config", config)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if text, err := os.ReadFile(log.Name()); err == nil && t.Failed() {
			t.Logf("containerd said:\n%s", text)
		}
	})
	ctr := func(args ...string) ([]byte, error) {
		return exec.Command(client, append([]string{"--address", socket, "--namespace", "k8s.io"}, args...)...).CombinedOutput()
	}
	eventually(t, "containerd does not answer", func() bool {
		_, err := ctr("version")
		return err == nil
	})
	return func(args ...string) string {
		t.Helper()
		out, err := ctr(args...)
		if err != nil {
			t.Fatalf("ctr %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
}

func TestContainerdImports(t *testing.T) {
	ctr := startContainerd(t)
	file, images := consumers(t)
	ctr("images", "import", "--snapshotter", "native", file)
	list := ctr("images", "list")
	count := 0
	for _, image := range images {
		for _, name := range image.Names {
			count++
			found := false
			for line := range strings.Lines(list) {
				f := strings.Fields(line)
				found = found || len(f) > 3 && f[0] == name && f[2] == image.Target.Digest.String()
			}
			if !found {
				t.Errorf("%s is not there as %s:\n%s", name, image.Target.Digest, list)
			}
		}
	}
	if n := strings.Count(list, "\n") - 1; n != count {
		t.Errorf("%d images (%d):\n%s", n, count, list)
	}
	if check := ctr("images", "check", "--snapshotter", "native"); strings.Count(check, "complete (") != count || strings.Count(check, " true") != count {
		t.Errorf("not all images are whole and unpacked:\n%s", check)
	}
	dir := t.TempDir()
	ctr("snapshots", "--snapshotter", "native", "prepare", "--target", dir, "test", chainOfPause(t, images))
}

// chainOfPause is containerd's name for the unpacked pause image: the digest
// of its only layer.
func chainOfPause(t *testing.T, images []Image) string {
	t.Helper()
	for _, image := range images {
		if image.Names[0] == PauseImage {
			return "sha256:" + image.Blobs[2].SHA256
		}
	}
	t.Fatal("there is no pause image")
	return ""
}
