package containerd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/containerd"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
)

const configPath = "/usr/lib/ingot/containerd/config.toml"

func TestLayer(t *testing.T) { sample.Golden(t, containerd.Layer) }

func TestUnits(t *testing.T) {
	l := containerd.Layer(sample.Cluster(t, "prod"))
	sample.Verify(t, l)
	sample.Shellcheck(t, l)
	sample.Exposure(t, l, "ingot-images.service", 1.5)
}

// TestConfigVersion: containerd 1 does not read version 3.
func TestConfigVersion(t *testing.T) {
	for text, want := range map[string]string{
		"": "version = 2",
		"components: {containerd: {source: debian}}\n":              "version = 2",
		"components: {containerd: {source: go}}\n":                  "version = 3",
		"components: {containerd: {source: go, version: v2.0.1}}\n": "version = 3",
	} {
		got := sample.File(t, containerd.Layer(sample.Parse(t, text)), configPath)
		if !slices.Contains(strings.Split(string(got), "\n"), want) {
			t.Errorf("with %q there is no line %q in:\n%s", text, want, got)
		}
	}
}

// TestContainerdReadsConfig has containerd 1 read its settings: it takes over
// all of them, and finds no key that it does not know.
func TestContainerdReadsConfig(t *testing.T) {
	tool := need.Tool(t, "containerd")
	dump(t, tool, containerd.Layer(sample.Cluster(t, "prod")).Files[0].Content, `sandbox_image = "ingot.local/pause:1"`)
}

// TestContainerd2ReadsConfig does so with containerd 2, which Debian has not.
func TestContainerd2ReadsConfig(t *testing.T) {
	tool := os.Getenv("INGOT_TEST_CONTAINERD2")
	if tool == "" {
		t.Skip("INGOT_TEST_CONTAINERD2 does not name a containerd 2")
	}
	dump(t, tool, containerd.Layer(sample.Parse(t, "components: {containerd: {source: go}}\n")).Files[0].Content, `sandbox = "ingot.local/pause:1"`)
}

func dump(t *testing.T, tool string, config []byte, pause string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool, "--config", path, "config", "dump")
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	// Every version 2.x reads version 3; those that have a newer one say so.
	if err != nil || complaints.Len() > 0 && !strings.Contains(complaints.String(), "Configuration migrated from version 3") {
		t.Fatalf("%v: %s", err, complaints.String())
	}
	// Either kind of quotes is a string in TOML.
	text := strings.ReplaceAll(string(out), "'", `"`)
	for _, want := range []string{
		pause, `config_path = "/etc/containerd/certs.d"`, "SystemdCgroup = true", `BinaryName = "/usr/sbin/runc"`,
		`snapshotter = "overlayfs"`, `"/usr/lib/cni"`, `stream_server_address = "127.0.0.1"`, "disable_tcp_service = true",
		"enable_unprivileged_ports = true", `address = "/run/containerd/containerd.sock"`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("containerd does not take over %s:\n%s", want, out)
		}
	}
}

// TestImages: names as the CRI looks for them.
func TestImages(t *testing.T) {
	sum := "@sha256:ee6521f290b2168b6e0935a181d4cff9be1ac3f505666ef0e3c98fae8199917a"
	for _, tt := range []struct{ ref, want string }{
		{"docker.io/library/nginx" + sum, "docker.io/library/nginx" + sum},
		{"docker.io/nginx:1" + sum, "docker.io/library/nginx" + sum},
		{"index.docker.io/a/b" + sum, "docker.io/a/b" + sum},
		{"registry.example.com:5000/a/b:1.2" + sum, "registry.example.com:5000/a/b" + sum},
		{"registry.example.com:5000/a/b" + sum, "registry.example.com:5000/a/b" + sum},
	} {
		c := sample.Cluster(t, "lab")
		c.Def.Image.Preload = []string{tt.ref}
		if got := containerd.Images(c); !slices.Contains(got, tt.want) || !slices.Contains(got, containerd.Pause) || len(got) != 2 {
			t.Errorf("%s: %q, want %q and the pause image", tt.ref, got, tt.want)
		}
	}
}
