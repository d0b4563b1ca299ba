package packer_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder/workshop"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/internal/packerplugin/component"
	"github.com/ingot-k8s/ingot/internal/run"
	"golang.org/x/crypto/ssh"
)

// debian is a Debian in namespaces of its own that is reached by SSH, with
// everything of it but systemd's own process.
type debian struct {
	*workshop.Workshop
	port int
}

// components: Ingot's provisioners put layers onto a machine over SSH; doing it
// again changes nothing, and another system is refused.
func components(t *testing.T, w *world) {
	need.Root(t)
	m := w.machine(t)
	template := head + fmt.Sprintf(`
source "null" "machine" {
  ssh_host     = "127.0.0.1"
  ssh_port     = %d
  ssh_username = "root"
  ssh_password = "unused"
}
build {
  sources = ["source.null.machine"]
  provisioner "ingot-NAME" {
    cluster = "CLUSTERS/lab"
    offline = true
  }
}
`, m.port)
	apply := func(name string) string { return strings.ReplaceAll(template, "NAME", name) }
	before, err := m.Changes(t.Context())
	check(t, err)
	if !before.Empty() {
		t.Errorf("the machine differs from its base: %q", before.Written)
	}
	w.template(t, invocation{}, apply("etcd"), "build").ended(t, 0, "comparing what is there")
	for _, path := range []string{"usr/lib/systemd/system/etcd.service", "usr/lib/ingot/bin/ingot-node"} {
		if _, err := os.Stat(filepath.Join(m.Tree(), path)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(m.Tree(), "usr/lib/systemd/system/kubelet.service")); err == nil {
		t.Error("ingot-etcd has put the kubelet there")
	}
	w.template(t, invocation{}, apply(component.All), "build").ok(t)
	first, err := m.Changes(t.Context())
	check(t, err)
	w.template(t, invocation{}, apply(component.All), "build").ok(t)
	second, err := m.Changes(t.Context())
	check(t, err)
	if first.Sum != second.Sum {
		t.Error("doing it again changes the machine")
	}
	m.keyless(t, second.Written)
	users, err := os.ReadFile(filepath.Join(m.Tree(), "etc/passwd"))
	check(t, err)
	if !strings.Contains(string(users), "\netcd:") {
		t.Errorf("there is no user etcd:\n%s", users)
	}
	release := filepath.Join(m.Tree(), "usr/lib/os-release")
	text, err := os.ReadFile(release)
	check(t, err)
	check(t, os.WriteFile(release, []byte(strings.Replace(string(text), "ID=debian", "ID=plan9", 1)), 0o644))
	w.template(t, invocation{}, apply("tinc"), "build").ended(t, 1, `the machine runs "plan9"`, "the definition is for Debian")
	check(t, os.WriteFile(release, text, 0o644))
}

// keyless expects no private key in what was put onto the machine: programs,
// which have the word in them, are left out by their size.
func (m *debian) keyless(t *testing.T, paths []string) {
	t.Helper()
	for _, path := range paths {
		at := filepath.Join(m.Tree(), path)
		if info, err := os.Lstat(at); err != nil || !info.Mode().IsRegular() || info.Size() > 1<<20 {
			continue
		}
		text, err := os.ReadFile(at)
		check(t, err)
		if strings.Contains(string(text), "PRIVATE KEY-----\n") {
			t.Errorf("%s has a private key", path)
		}
	}
}

// inside: in the tree of ingot-image the components are there anyway.
func inside(t *testing.T, w *world) {
	dir := t.TempDir()
	w.template(t, invocation{dir: dir}, image(allFormats, `provisioner "ingot-node" { cluster = "CLUSTERS/lab" }`), "build").
		ended(t, 0, "an image of ingot-image has node by itself")
	w.compare(t, filepath.Join(dir, "out"))
}

// machine starts one from the base of the cluster lab.
func (w *world) machine(t *testing.T) *debian {
	t.Helper()
	base, err := os.Open(w.newest(t, "base", "base.tar"))
	check(t, err)
	t.Cleanup(func() { _ = base.Close() }) // nothing was written
	shop, err := workshop.Open(t.Context(), workshop.Config{
		Runner: run.Exec{}, Root: true, Path: os.Getenv("PATH"), TmpDir: t.TempDir(), Date: w.manifest.Date,
	}, base)
	check(t, err)
	t.Cleanup(func() {
		if err := shop.Close(); err != nil {
			t.Error(err)
		}
	})
	m := &debian{Workshop: shop}
	m.serve(t)
	return m
}

// newest is a file of the step of a name that was used last.
func (w *world) newest(t *testing.T, step, name string) string {
	t.Helper()
	records, err := filepath.Glob(filepath.Join(w.cache, "steps", "*.json"))
	check(t, err)
	var found string
	var at time.Time
	for _, path := range records {
		data, err := os.ReadFile(path)
		check(t, err)
		var r struct {
			Step  string
			Files []struct{ Name, SHA256 string }
		}
		check(t, json.Unmarshal(data, &r))
		info, err := os.Stat(path)
		check(t, err)
		if r.Step != step || info.ModTime().Before(at) {
			continue
		}
		for _, f := range r.Files {
			if f.Name == name {
				found, at = filepath.Join(w.cache, "sha256", f.SHA256), info.ModTime()
			}
		}
	}
	if found == "" {
		t.Fatalf("the cache has no step %q", step)
	}
	return found
}

// serve answers SSH on loopback until the test ends: each command that is asked
// for runs on the machine.
func (m *debian) serve(t *testing.T) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	key, err := ssh.NewSignerFromKey(private)
	check(t, err)
	config := &ssh.ServerConfig{PasswordCallback: func(ssh.ConnMetadata, []byte) (*ssh.Permissions, error) { return nil, nil }}
	config.AddHostKey(key)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	t.Cleanup(func() { _ = listener.Close() }) // ends the loop
	m.port = listener.Addr().(*net.TCPAddr).Port
	ctx := t.Context()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go m.connection(ctx, conn, config)
		}
	}()
}

func (m *debian) connection(ctx context.Context, conn net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return // Packer asks the port whether it is open
	}
	go ssh.DiscardRequests(requests)
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "sessions only") // the client sees it
			continue
		}
		channel, asked, err := offered.Accept()
		if err != nil {
			return
		}
		go m.session(ctx, channel, asked)
	}
}

func (m *debian) session(ctx context.Context, channel ssh.Channel, requests <-chan *ssh.Request) {
	defer func() { _ = channel.Close() }() // the client may have closed it
	for r := range requests {
		var command struct{ Line string }
		is := r.Type == "exec" && ssh.Unmarshal(r.Payload, &command) == nil
		_ = r.Reply(is, nil) // as above
		if !is {
			continue
		}
		err := m.Run(ctx, workshop.Streams{In: channel, Out: channel, Err: channel.Stderr()}, "/bin/sh", "-c", command.Line)
		status := uint32(0)
		var failed *run.Error
		if errors.As(err, &failed) && failed.ExitCode != 0 {
			status = uint32(max(failed.ExitCode, 1))
		}
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status})) // as above
		return
	}
}
