package system_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
	"github.com/ingot-k8s/ingot/provisioners/layer"
	"github.com/ingot-k8s/ingot/provisioners/system"
)

func TestLayer(t *testing.T) { sample.Golden(t, system.Layer) }

func TestUnits(t *testing.T) {
	l := system.Layer(sample.Cluster(t, "prod"))
	sample.Verify(t, l)
	sample.Exposure(t, l, "ingot-ssh-key@.service", 1.6)
}

// TestDefinitionWins: the definition's own settings stand in place of ours,
// however they are spelt.
func TestDefinitionWins(t *testing.T) {
	l := system.Layer(sample.Parse(t, "system: {sysctls: {kernel/sysrq: \"0\", vm.swappiness: \"10\"}, modules: [overlay, nbd], ntp: [time.example.com], timezone: Europe/Berlin}\n"))
	if _, ours := l.Sysctls["kernel.sysrq"]; ours || l.Sysctls["kernel/sysrq"] != "0" || l.Sysctls["vm.swappiness"] != "10" {
		t.Errorf("got %q", l.Sysctls)
	}
	if got := slices.Sorted(slices.Values(l.Modules)); !slices.Equal(got, []string{"br_netfilter", "nbd", "nf_conntrack", "overlay"}) {
		t.Errorf("modules: %q", got)
	}
	if conf := sample.File(t, l, "/usr/lib/systemd/timesyncd.conf.d/50-ingot.conf"); !bytes.Contains(conf, []byte("\nNTP=time.example.com\nFallbackNTP=\n")) {
		t.Errorf("%s", conf)
	}
	if conf := sample.File(t, l, "/usr/lib/systemd/network/80-ingot-wired.network"); bytes.Count(conf, []byte("\nUseNTP=no\n")) != 2 {
		t.Errorf("%s", conf)
	}
	if !slices.Contains(l.Links, layer.Link{Path: "/etc/localtime", Target: "../usr/share/zoneinfo/Europe/Berlin"}) || !slices.Contains(l.Packages, "tzdata") {
		t.Errorf("links: %q, packages: %q", l.Links, l.Packages)
	}
}

// TestOwnFiles: what the definition brings, no other layer does.
func TestOwnFiles(t *testing.T) {
	l := system.Layer(sample.Parse(t, "files: [{path: /etc/resolv.conf, content: \"nameserver 203.0.113.53\\n\"}]\n"))
	for _, link := range l.Links {
		if link.Path == "/etc/resolv.conf" {
			t.Errorf("links: %q", l.Links)
		}
	}
}

// TestSysctlsExist holds the settings against this machine's kernel, which has
// those that do not need a module.
func TestSysctlsExist(t *testing.T) {
	found := 0
	for key, value := range system.Layer(sample.Cluster(t, "lab")).Sysctls {
		if !regexp.MustCompile(`^[a-z0-9_.-]+$`).MatchString(key) || value == "" {
			t.Errorf("%q = %q", key, value)
		}
		if _, err := os.Stat("/proc/sys/" + strings.ReplaceAll(key, ".", "/")); err == nil {
			found++
		} else if !strings.HasPrefix(key, "net.bridge.") {
			t.Logf("this kernel has no %s", key)
		}
	}
	if found < 20 {
		t.Errorf("this kernel has only %d of the settings", found)
	}
}

// TestTargets: what only some targets need is there for them alone.
func TestTargets(t *testing.T) {
	for name, want := range map[string]bool{"prod": true, "lab": false} {
		l := system.Layer(sample.Cluster(t, name))
		if got := slices.Contains(l.Packages, "open-vm-tools"); got != want {
			t.Errorf("%s: open-vm-tools: %v, want %v", name, got, want)
		}
	}
	for debian, want := range map[int]bool{12: true, 13: false} {
		c := sample.Cluster(t, "lab")
		c.Def.Image.Debian = debian
		got := slices.ContainsFunc(system.Layer(c).Units, func(u layer.Unit) bool { return u.Name == "tmp.mount" })
		if got != want {
			t.Errorf("Debian %d: tmp.mount: %v, want %v", debian, got, want)
		}
	}
}

// TestSSH has sshd itself read the settings.
func TestSSH(t *testing.T) {
	sshd, keygen := need.Tool(t, "sshd"), need.Tool(t, "ssh-keygen")
	c := sample.Cluster(t, "prod")
	c.Def.Image.Debian = 12 // older programs do not know the newest algorithm
	dir := t.TempDir()
	text := string(sample.File(t, system.Layer(c), "/usr/lib/ingot/ssh/sshd_config"))
	for _, kind := range []string{"ed25519", "ecdsa"} {
		if out, err := exec.Command(keygen, "-q", "-t", kind, "-N", "", "-C", "", "-f", filepath.Join(dir, "ssh_host_"+kind+"_key")).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	file := filepath.Join(dir, "sshd_config")
	text = strings.NewReplacer("/etc/ssh/ssh_host", dir+"/ssh_host", "Include /etc/ssh", "Include "+dir).Replace(text)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // of whom alone sshd wants the folder that its unit makes
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(sshd, "-T", "-f", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{
		"permitrootlogin no", "passwordauthentication no", "kbdinteractiveauthentication no", "authenticationmethods publickey",
		"allowusers ingot", "allowtcpforwarding local", "x11forwarding no", "permitemptypasswords no", "allowagentforwarding no",
	} {
		if !strings.Contains(string(out), "\n"+want+"\n") {
			t.Errorf("sshd does not say %q", want)
		}
	}
	if strings.Contains(string(out), "WARNING") || strings.Contains(string(out), "eprecated") {
		t.Errorf("%s", out)
	}
	for name, user := range map[string]string{"root": "prohibit-password", "ops": "no"} {
		c.Def.Access.User = name
		if text := string(sample.File(t, system.Layer(c), "/usr/lib/ingot/ssh/sshd_config")); !strings.Contains(text, "\nPermitRootLogin "+user+"\n") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// TestNoSSH: without keys nothing listens, and nobody may become root.
func TestNoSSH(t *testing.T) {
	l := system.Layer(sample.Cluster(t, "lab"))
	ssh := slices.ContainsFunc(l.Listeners, func(s layer.Listener) bool { return s.Port == 22 })
	if ssh || slices.Contains(l.Packages, "openssh-server") || slices.Contains(l.Packages, "sudo") {
		t.Errorf("listeners %+v, packages %q", l.Listeners, l.Packages)
	}
}
