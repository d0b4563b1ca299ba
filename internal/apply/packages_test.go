package apply

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// archived are the files of the archive of locked.
func archived() map[string]string {
	return map[string]string{
		"dists/bookworm/Release": "of the release", "pool/kmod_2+x_amd64.deb": "kmod", "pool/liba_1_amd64.deb": "liba", "pool/other_1_all.deb": "other",
	}
}

// locked is config with an archive of packages, of which a machine has one in
// another version.
func locked(files map[string]string) Config {
	c := config()
	c.Packages = &Packages{
		Versions: map[string]string{"kmod": "1:2+x", "absent": "2", "other": "1"},
		Archive: func(_ context.Context, dir string) error {
			for name, text := range files {
				path := filepath.Join(dir, filepath.FromSlash(name))
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	return c
}

// lacking is a machine that lacks a package of locked.
func lacking() *fixed {
	m := debian()
	m.answers["find /usr/sbin"], m.answers["install "], m.answers["rm "], m.answers["mkdir "] = "", "", "", ""
	m.answers["env DEBIAN_FRONTEND=noninteractive apt-get"] = "NOTE: text\n" +
		"'file:/var/cache/ingot-packages/pool/kmod_2%2bx_amd64.deb' kmod_1%3a2+x_amd64.deb 4 SHA256:00\n" +
		"'file:/var/cache/ingot-packages/pool/liba_1_amd64.deb' liba_1_amd64.deb 4 SHA256:00\n"
	return m
}

// paths lists what archives that a machine unpacked have, all modes being those
// of what others may read.
func paths(t *testing.T, data []byte) []string {
	t.Helper()
	var out []string
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil || h.Mode&0o444 != 0o444 {
			t.Fatalf("%+v: %v", h, err)
		}
		out = append(out, h.Name)
	}
}

// A machine gets the packages that it needs of the lock, and no others.
func TestFromLock(t *testing.T) {
	c, m := locked(archived()), lacking()
	if err := c.install(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	// What was sent last is what the archive's list was answered with.
	want := []string{"pool/kmod_2+x_amd64.deb", "pool/liba_1_amd64.deb"}
	if got := paths(t, m.stdin["tar --extract --no-same-owner --directory "+shelf+" --file -"]); !slices.Equal(got, want) {
		t.Errorf("sent %q, want %q", got, want)
	}
	var steps []string
	for _, line := range m.asked {
		f := strings.Fields(line)
		switch i := slices.Index(f, "apt-get"); {
		case i < 0:
			steps = append(steps, strings.Join(f[:min(2, len(f))], " "))
		case slices.Contains(f, "--option=APT::Get::Print-URIs=true"):
			steps = append(steps, "print "+f[len(f)-1])
		default:
			steps = append(steps, strings.Join(f[slices.Index(f, "--option=APT::Sandbox::User=root")+1:], " "))
		}
	}
	const wanted = "kmod=1:2+x"
	order := []string{
		"dpkg-query --show", "find /usr/sbin", "install --mode=0755", "mkdir --parents", "tar --extract", "update", "print " + wanted,
		"tar --extract", "--option=APT::Get::allow-downgrades=true install " + wanted, "rm --recursive", "rm --force",
	}
	if !slices.Equal(steps, order) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(steps, "\n"), strings.Join(order, "\n"))
	}
	if got := string(m.stdin["install --mode=0755 /dev/stdin "+policy]); got != policyNo {
		t.Errorf("the policy is %q", got)
	}
}

// The list of the archive, and settings under which it is all that apt knows.
func TestLists(t *testing.T) {
	c := locked(nil)
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := errors.Join(c.writeLists(w, fstest.MapFS{"dists/bookworm/Release": {}, "pool/kmod.deb": {}}), w.Close()); err != nil {
		t.Fatal(err)
	}
	got := paths(t, b.Bytes())
	slices.Sort(got)
	want := []string{"cache/archives/partial", "dists/bookworm/Release", "lists/partial", "pool", "preferences", "sources.list"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What fails leaves neither packages nor a policy on the machine.
func TestFromLockFails(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(c *Config, files map[string]string, m *fixed)
		say   string
	}{
		"a package that the lock has not": {func(c *Config, _ map[string]string, _ *fixed) { delete(c.Packages.Versions, "absent") }, `the lock has no package "absent"`},
		"a package that the archive has not": {func(_ *Config, files map[string]string, _ *fixed) {
			delete(files, "pool/liba_1_amd64.deb")
		}, "sending packages: open "},
		"apt": {func(_ *Config, _ map[string]string, m *fixed) {
			delete(m.answers, "env DEBIAN_FRONTEND=noninteractive apt-get")
		}, "env: not here"},
		"another address": {func(_ *Config, _ map[string]string, m *fixed) {
			m.answers["env DEBIAN_FRONTEND=noninteractive apt-get"] = "'http://192.0.2.1/kmod.deb' kmod.deb 4 SHA256:00\n"
		}, `"http://192.0.2.1/kmod.deb" is not on the shelf`},
		"a path that leads out": {func(_ *Config, _ map[string]string, m *fixed) {
			m.answers["env DEBIAN_FRONTEND=noninteractive apt-get"] = "'file:/var/cache/ingot-packages/pool/../../key' key 4 SHA256:00\n"
		}, "is not on the shelf"},
		"the policy": {func(_ *Config, _ map[string]string, m *fixed) { delete(m.answers, "install ") }, "keeping services from starting: install: not here"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			files := archived()
			c, m := locked(files), lacking()
			test.spoil(&c, files, m)
			if err := c.install(t.Context(), m); err == nil || !strings.Contains(err.Error(), test.say) {
				t.Fatalf("got %v, want %q", err, test.say)
			}
			if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
				t.Errorf("left on this side: %v %v", left, err)
			}
			put := func(what string) bool {
				return slices.ContainsFunc(m.asked, func(line string) bool { return strings.HasPrefix(line, what) })
			}
			if put("mkdir") && !put("rm --recursive") {
				t.Errorf("packages stay: %q", m.asked)
			}
			if _, is := m.stdin["install --mode=0755 /dev/stdin "+policy]; is && m.answers["install "] == "" && put("mkdir") && !put("rm --force "+policy) {
				t.Errorf("the policy stays: %q", m.asked)
			}
		})
	}
}

// A plain machine with Ignition is refused unless its initrd can have one.
func TestReadable(t *testing.T) {
	c, m := config(), debian()
	c.Cluster.Def.Provisioning = cluster.ProvisioningIgnition
	c.Layers = append(c.Layers, layer.Layer{Name: "identity"})
	m.answers["find /usr/lib "] = ""
	if err := Apply(t.Context(), m, c); err == nil || !strings.Contains(err.Error(), "provisioning: cloud-init") {
		t.Errorf("got %v", err)
	}
	m.answers["find /usr/lib "] = "/usr/lib/dracut/modules.d/30ignition\n"
	if err := Apply(t.Context(), m, c); err != nil {
		t.Error(err)
	}
}

// Programs that the machine has already are not sent again.
func TestPrograms(t *testing.T) {
	for name, test := range map[string]struct {
		said string
		sent bool
	}{
		"there":          {program, false},
		"not there":      {"", true},
		"another owner":  {strings.Replace(program, "root", "sam", 1), true},
		"another mode":   {strings.Replace(program, "755", "4755", 1), true},
		"other contents": {strings.Replace(program, program[14:16], "xx", 1), true},
	} {
		t.Run(name, func(t *testing.T) {
			c, m := config(), debian()
			m.answers["find /usr -type f"] = test.said
			if err := c.copy(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			if _, sent := m.stdin[strings.Join(append(slices.Clone(unpack), "--gzip"), " ")]; sent != test.sent {
				t.Errorf("sent: %v, want %v: %q", sent, test.sent, m.asked)
			}
		})
	}
}

// What packages start is taken back with the layer of the system, and SSH where
// nobody may log in.
func TestStill(t *testing.T) {
	for name, test := range map[string]struct {
		keys      []string
		layer     string
		asks, ssh bool
	}{
		"no system":  {nil, "etcd", false, false},
		"no keys":    {nil, "system", true, true},
		"with a key": {[]string{"ssh-ed25519 AAAA"}, "system", true, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, m := config(), &fixed{answers: map[string]string{"find /etc/systemd/system ": ""}}
			c.Layers, c.Cluster.Def.Access.SSHKeys = []layer.Layer{{Name: test.layer}}, test.keys
			if err := c.still(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			said := strings.Join(m.asked, "\n")
			if strings.Contains(said, "*.wants/haproxy.service") != test.asks || strings.Contains(said, "*.wants/ssh.s*") != test.ssh {
				t.Errorf("it was asked %q", said)
			}
		})
	}
}
