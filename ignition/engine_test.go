package ignition_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/node/boot/setting"
)

// Every config must be taken by Debian's Ignition, the oldest there is.
func TestIgnitionValidate(t *testing.T) {
	validate := need.Tool(t, "ignition-validate")
	for _, id := range identities(t) {
		out := outputs(t, id)
		for _, name := range []string{ignition.NameUserData, ignition.NameInline} {
			cmd := exec.Command(validate, "-")
			cmd.Stdin = bytes.NewReader(out[name])
			if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
				t.Errorf("%s/%s %s: %v: %s", id.Cluster, id.Node, name, err, said)
			}
		}
	}
}

const engine = "/usr/lib/dracut/modules.d/30ignition/ignition"

// applyIgnition runs the engine's fetch and files stages over a folder, as the
// initrd does, and returns all it said.
func applyIgnition(t *testing.T, root string, config []byte) (string, error) {
	t.Helper()
	need.Tool(t, "/usr/lib/dracut/modules.d/30ignition/ignition")
	need.Tool(t, "useradd")
	dir := t.TempDir()
	path := filepath.Join(dir, "config.ign")
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	// There is no SELinux here: the program that sets labels has nothing to do.
	shim := filepath.Join(dir, "shim")
	if err := os.MkdirAll(shim, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shim, "setfiles"), []byte("#!/bin/sh\nexit 0\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	for _, stage := range []string{"fetch", "files"} {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, engine, "-platform", "file", "-stage", stage, "-root", root, "-log-to-stdout",
			"-config-cache", filepath.Join(dir, "cache.json"), "-state-file", filepath.Join(dir, "state"), "-neednet", filepath.Join(dir, "neednet"))
		cmd.Env = append(os.Environ(), "IGNITION_CONFIG_FILE="+path, "IGNITION_SYSTEM_CONFIG_DIR="+filepath.Join(dir, "none"),
			// Debian's sshd reads no fragments, and cloud-init writes none.
			"IGNITION_WRITE_AUTHORIZED_KEYS_FRAGMENT=false",
			"PATH="+shim+":/usr/sbin:/usr/bin")
		cmd.Stdout, cmd.Stderr = &said, &said
		if err := cmd.Run(); err != nil {
			return said.String(), err
		}
	}
	return said.String(), nil
}

// ignitionSystem is a system that Ignition was run over, before its first boot.
func ignitionSystem(t *testing.T, config []byte, units ...ignition.Unit) *system {
	t.Helper()
	s := newSystem(t)
	s.write(t, "etc/selinux/config", "SELINUXTYPE=none\n", 0o644)
	s.write(t, "etc/selinux/none/contexts/files/file_contexts", "", 0o644)
	if said, err := applyIgnition(t, s.root, config); err != nil {
		_, last, _ := strings.Cut(said, "CRITICAL")
		t.Fatalf("%v: %s", err, last)
	}
	// What systemd does on a first boot with the presets that Ignition wrote.
	s.mustRun(t, "/usr/bin/systemctl", "preset", "ingot-identity.service")
	for _, u := range units {
		s.mustRun(t, "/usr/bin/systemctl", "preset", u.Name)
	}
	return s
}

// checkBooted compares a system after its first boot to the identity.
func checkBooted(t *testing.T, s *system, id *ignition.Identity) {
	t.Helper()
	for _, f := range id.Files {
		data, err := os.ReadFile(s.path(f.Path))
		if err != nil || !bytes.Equal(data, f.Data) {
			t.Errorf("%s: not as in the identity (%v)", f.Path, err)
			continue
		}
		// The system's own names for owners, by its own stat.
		want := strings.TrimLeft(f.Mode.String(), "d") + " " + strings.TrimPrefix(f.Owner, "?")
		got := s.mustRun(t, "/usr/bin/stat", "-c", "%A %U:%G", f.Path)
		if strings.TrimSpace(got) != want {
			t.Errorf("%s: got %s, want %s", f.Path, strings.TrimSpace(got), want)
		}
	}
	for _, u := range id.Users {
		keys, err := os.ReadFile(s.path("/home/" + u.Name + "/.ssh/authorized_keys"))
		if err != nil || string(keys) != strings.Join(u.SSHKeys, "\n")+"\n" {
			t.Errorf("keys of %s: got %q (%v)", u.Name, keys, err)
		}
		if entry := s.mustRun(t, "/usr/bin/getent", "passwd", u.Name); !strings.HasSuffix(entry, ":/home/"+u.Name+":/bin/bash\n") {
			t.Errorf("account: got %q", entry)
		}
		shadow, err := os.ReadFile(s.path("/etc/shadow"))
		if err != nil || !strings.Contains(string(shadow), "\n"+u.Name+":*:") && !strings.Contains(string(shadow), "\n"+u.Name+":!:") {
			t.Errorf("%s has a password, or none that can be told (%v)", u.Name, err)
		}
	}
	for _, u := range append([]ignition.Unit{{Name: "ingot-identity.service", Enabled: true}}, id.Units...) {
		data, err := os.ReadFile(s.path("/etc/systemd/system/" + u.Name))
		if err != nil || u.Content != "" && string(data) != u.Content {
			t.Errorf("unit %s: not as in the identity (%v)", u.Name, err)
		}
	}
	if _, err := os.Readlink(s.path("/etc/systemd/system/basic.target.wants/ingot-identity.service")); err != nil {
		t.Error(err)
	}
	for _, path := range []string{"/etc/ingot/identity.bundle", "/run/ingot/identity.bundle"} {
		if _, err := os.Lstat(s.path(path)); err == nil {
			t.Errorf("%s is still there", path)
		}
	}
}

// startIdentity does what systemd does with the unit.
func startIdentity(t *testing.T, s *system) {
	t.Helper()
	said := s.mustRun(t, "/bin/sh", "/etc/ingot/unpack")
	if !strings.Contains(said, "files unpacked") {
		t.Errorf("the unpacker said %q", said)
	}
}

func TestIgnitionEngine(t *testing.T) {
	for _, c := range []struct{ cluster, node string }{{"prod", "master0"}, {"prod", "edge0"}, {"prod", "worker9"}, {"lab", "lab0"}} {
		id := shipped(t, c.cluster).identity(t, c.node)
		if c.node == "worker9" { // what is for the boot ISO alone changes nothing
			id.Boot = &setting.Setting{Run: &setting.Run{Disk: setting.First}}
		}
		out := outputs(t, id)
		t.Run(c.node+"/drive", func(t *testing.T) {
			s := ignitionSystem(t, out[ignition.NameUserData])
			s.drive(t, "config-2", out[ignition.NameConfigISO])
			startIdentity(t, s)
			checkBooted(t, s, id)
		})
		t.Run(c.node+"/inline", func(t *testing.T) {
			s := ignitionSystem(t, out[ignition.NameInline])
			startIdentity(t, s)
			checkBooted(t, s, id)
		})
	}
}

// When a stage fails, the engine prints the whole config to stderr, and so to
// journal and console. No key may be in it.
func TestIgnitionFailureHidesKeys(t *testing.T) {
	need.Root(t)
	for name, spoil := range map[string]func(t *testing.T, root string){
		"read-only root": func(t *testing.T, root string) { need.ReadOnly(t, root) },
		"broken root": func(t *testing.T, root string) {
			if err := os.WriteFile(filepath.Join(root, "etc"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := shipped(t, "prod").identity(t, "master0")
			out := outputs(t, id)
			root := t.TempDir()
			spoil(t, root)
			said, err := applyIgnition(t, root, out[ignition.NameUserData])
			if err == nil || !strings.Contains(said, "Full config:") {
				t.Fatalf("the engine did not fail as it was meant to: %v: %s", err, said)
			}
			secrets := leaks(t, id)
			if found := leaked(secrets, said); len(found) > 0 {
				t.Errorf("the engine printed the secrets of %q", found)
			}
			// The test can fail: the form that holds all prints all.
			said, err = applyIgnition(t, root, out[ignition.NameInline])
			if found := leaked(secrets, said); err == nil || len(found) == 0 {
				t.Errorf("user_data.inline was not printed (%v): is this test of any worth?", err)
			}
		})
	}
}
