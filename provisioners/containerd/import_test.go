package containerd_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/containerd"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
)

// TestImport has the script import images into a real containerd: once, pinned,
// and those of an earlier image of the machine are gone afterwards.
func TestImport(t *testing.T) {
	need.Root(t)
	ctr := need.Tool(t, "ctr")
	d := startContainerd(t)
	root := t.TempDir()
	script := filepath.Join(root, "import-images")
	l := containerd.Layer(sample.Cluster(t, "lab"))
	put(t, script, sample.File(t, l, "/usr/lib/ingot/containerd/import-images"))
	run := func() string {
		t.Helper()
		cmd := exec.Command("sh", script)
		cmd.Env = append(os.Environ(), "INGOT_ROOT="+root, "CONTAINERD_ADDRESS="+d.socket)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	list := func(args ...string) string {
		t.Helper()
		out, err := exec.Command(ctr, append([]string{"--address", d.socket, "--namespace", "k8s.io", "images", "list"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	extra := "registry.example.com/app@sha256:" + strings.Repeat("ab", 32)
	put(t, filepath.Join(root, containerd.Archives, "pause.tar"), archive(t, containerd.Pause))
	put(t, filepath.Join(root, containerd.Archives, "app.tar"), archive(t, extra))
	names := filepath.Join(root, "usr/lib/ingot/containerd/images.list")
	put(t, names, []byte(containerd.Pause+"\n"+extra+"\n"))

	if out := run(); !strings.Contains(out, containerd.Pause) {
		t.Errorf("nothing is imported: %s", out)
	}
	if got := list("--quiet", `labels."io.cri-containerd.pinned"==pinned`); got != containerd.Pause+"\n"+extra+"\n" {
		t.Errorf("pinned are:\n%s", got)
	}
	if out := run(); out != "" {
		t.Errorf("imported again: %s", out)
	}
	put(t, names, []byte(containerd.Pause+"\n"))
	run()
	if got := list("--quiet"); got != containerd.Pause+"\n" {
		t.Errorf("after an image without %s:\n%s", extra, got)
	}
}

// daemon is a containerd of the test's own.
type daemon struct{ socket string }

// startContainerd starts one that has its state in memory, because its
// snapshots cannot lie on every kind of file system.
func startContainerd(t *testing.T) daemon {
	t.Helper()
	tool := need.Tool(t, "containerd")
	dir := t.TempDir()
	state := filepath.Join(dir, "memory")
	if err := os.Mkdir(state, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(need.Tool(t, "mount"), "-t", "tmpfs", "tmpfs", state).CombinedOutput(); err != nil {
		t.Skipf("cannot mount: %v: %s", err, out)
	}
	t.Cleanup(func() { _ = exec.Command(need.Tool(t, "umount"), "-l", state).Run() })
	d := daemon{filepath.Join(state, "c.sock")}
	config := filepath.Join(dir, "config.toml")
	put(t, config, fmt.Appendf(nil, `version = 2
root = %q
state = %q
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
  address = %q
[ttrpc]
  address = %q
`, state+"/root", state+"/run", d.socket, d.socket+".ttrpc"))
	cmd := exec.Command(tool, "--config", config)
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
	for range 300 {
		if exec.Command(need.Tool(t, "ctr"), "--address", d.socket, "version").Run() == nil {
			return d
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatalf("containerd does not answer:\n%s", log.String())
	return d
}

// archive is an OCI archive of one image with one empty layer.
func archive(t *testing.T, name string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	add := func(path string, data []byte) {
		if err := w.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	type object = map[string]any
	blob := func(kind string, data []byte) object {
		sum := sha256.Sum256(data)
		add("blobs/sha256/"+hex.EncodeToString(sum[:]), data)
		return object{"mediaType": "application/vnd.oci.image." + kind, "digest": "sha256:" + hex.EncodeToString(sum[:]), "size": len(data)}
	}
	encode := func(v any) []byte {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	content := make([]byte, 1024) // the end of a tar archive
	sum := sha256.Sum256(content)
	layer := blob("layer.v1.tar", content)
	config := blob("config.v1+json", encode(object{
		"architecture": "amd64", "os": "linux",
		"rootfs": object{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	}))
	manifest := blob("manifest.v1+json", encode(object{"schemaVersion": 2, "config": config, "layers": []object{layer}}))
	manifest["annotations"] = object{"io.containerd.image.name": name}
	add("index.json", encode(object{"schemaVersion": 2, "manifests": []object{manifest}}))
	add("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
