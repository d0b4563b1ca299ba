package ociimage

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/run"
	"github.com/ingot-k8s/ingot/provisioners/containerd"
)

// buildPause compiles the program with the compiler that runs the tests.
func buildPause(t *testing.T) string {
	t.Helper()
	env := append(os.Environ(), "GOTOOLCHAIN=local", "GOPROXY=off", "GOFLAGS=-mod=mod", "CGO_ENABLED=1", "GOAMD64=v2")
	path, err := BuildPause(t.Context(), run.Exec{}, env, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPauseIsReproducible(t *testing.T) {
	var archives [][]byte
	for range 2 {
		image, err := Pause(buildPause(t))
		if err != nil {
			t.Fatal(err)
		}
		archives = append(archives, archive(t, image))
	}
	if !bytes.Equal(archives[0], archives[1]) {
		t.Error("built in two folders, it differs")
	}
	if n := len(archives[0]); n > 2<<20 {
		t.Errorf("it has %d bytes", n)
	}
}

// TestPauseEnds sends the signals that end a pod.
func TestPauseEnds(t *testing.T) {
	program := buildPause(t)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		cmd := exec.Command(program)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		caught(t, cmd.Process.Pid, s)
		if err := cmd.Process.Signal(syscall.SIGCHLD); err != nil { // must not end it
			t.Fatal(err)
		}
		select {
		case err := <-done:
			t.Fatalf("it ended by itself: %v", err)
		case <-time.After(100 * time.Millisecond):
		}
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
}

// caught waits until a process handles a signal, as /proc/PID/status says.
func caught(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	eventually(t, "the signal is not handled", func() bool {
		status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		if err != nil {
			return false
		}
		_, rest, _ := strings.Cut(string(status), "\nSigCgt:\t")
		mask, err := strconv.ParseUint(strings.Fields(rest + " x")[0], 16, 64)
		return err == nil && mask&(1<<(s-1)) != 0
	})
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 500 {
		if is() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal(what)
}

// TestPauseReaps makes it process 1 and gives it an orphan.
func TestPauseReaps(t *testing.T) {
	need.Root(t)
	unshare, nsenter := need.Tool(t, "unshare"), need.Tool(t, "nsenter")
	cmd := exec.CommandContext(t.Context(), unshare, "--pid", "--fork", "--kill-child", buildPause(t))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = cmd.Process.Kill(), cmd.Wait() }()
	children := func(pid int) []string {
		data, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "task", strconv.Itoa(pid), "children"))
		if err != nil {
			return nil
		}
		return strings.Fields(string(data))
	}
	var first int
	eventually(t, "nothing was started", func() bool {
		if c := children(cmd.Process.Pid); len(c) == 1 {
			first, _ = strconv.Atoi(c[0])
		}
		return first != 0
	})
	caught(t, first, syscall.SIGCHLD)
	// setsid ends at once, and what it has started is an orphan, which would keep
	// a pipe open.
	if err := exec.Command(nsenter, "--target", strconv.Itoa(first), "--pid", "setsid", "--fork", "sleep", "300").Run(); err != nil {
		t.Fatal(err)
	}
	orphans := func() (pids []string) { // of all threads: an orphan goes to any of them
		all, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(first), "task", "*", "children"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range all {
			data, _ := os.ReadFile(f)
			pids = append(pids, strings.Fields(string(data))...)
		}
		return pids
	}
	eventually(t, "it has not got the orphan", func() bool { return len(orphans()) == 1 })
	pid, err := strconv.Atoi(orphans()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the orphan was not reaped", func() bool { return len(orphans()) == 0 })
}

// consumers writes an archive with the pause image and one of an index.
func consumers(t *testing.T) (file string, images []Image) {
	t.Helper()
	pause, err := Pause(buildPause(t))
	if err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t)
	app, err := Pull(t.Context(), r.push(t, "team/app:1", index(t, "linux/arm64", "linux/amd64")), newOptions(t))
	if err != nil {
		t.Fatal(err)
	}
	images = []Image{app, pause}
	file = filepath.Join(t.TempDir(), "images.tar")
	if err := os.WriteFile(file, archive(t, images...), 0o644); err != nil {
		t.Fatal(err)
	}
	return file, images
}

func TestSkopeoReads(t *testing.T) {
	skopeo := need.Tool(t, "skopeo")
	file, images := consumers(t)
	for _, image := range images {
		for _, name := range image.Names {
			if strings.Contains(name, "@") {
				continue // skopeo takes no digest there
			}
			inspect := func(how string) []byte {
				var said bytes.Buffer
				cmd := exec.Command(skopeo, "inspect", how, "oci-archive:"+file+":"+name)
				cmd.Stderr = &said
				out, err := cmd.Output()
				if err != nil {
					t.Fatalf("%s: %v: %s", name, err, said.String())
				}
				return out
			}
			raw := inspect("--raw")
			if got := memory(raw).SHA256; got != image.Target.Digest.Hex {
				t.Errorf("%s is %s, not %s", name, got, image.Target.Digest)
			}
			var config v1.ConfigFile
			if err := json.Unmarshal(inspect("--config"), &config); err != nil {
				t.Fatal(err)
			}
			if config.OS != system || config.Architecture != architecture {
				t.Errorf("%s is for %s/%s", name, config.OS, config.Architecture)
			}
			if name == PauseImage && (config.Config.User != pauseUser || strings.Join(config.Config.Entrypoint, " ") != "/pause" || config.Created.Unix() != 0) {
				t.Errorf("the configuration is %+v", config)
			}
		}
	}
}

func TestPauseImage(t *testing.T) {
	if PauseImage != containerd.Pause {
		t.Errorf("the image is named %s, and containerd looks for %s", PauseImage, containerd.Pause)
	}
}
