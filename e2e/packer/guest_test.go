package packer_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/builder/lock"
	"github.com/ingot-k8s/ingot/e2e/internal/variant"
	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab/machine"
	"golang.org/x/crypto/ssh"
)

// guestTime is how long anything of a machine without KVM may take, on a host
// that is busy with much else.
const guestTime = 15 * time.Minute

// guest is a machine that is logged in to.
type guest struct {
	*machine.Machine
	t     *testing.T
	key   ssh.Signer
	ssh   *ssh.Client
	began time.Time
}

func start(t *testing.T, cfg machine.Config, key ssh.Signer) *guest {
	t.Helper()
	g := &guest{t: t, key: key, began: time.Now(), Machine: qemu.Start(t, cfg)}
	t.Cleanup(func() {
		if g.ssh != nil {
			_ = g.ssh.Close() // the machine may be gone
		}
	})
	return g
}

// since logs when something was so.
func (g *guest) since(what string) {
	g.t.Helper()
	g.t.Logf("%s: %s after %.0f s", g.Config().Name, what, time.Since(g.began).Seconds())
}

// port is where its SSH is reached on loopback.
func (g *guest) port() int {
	g.t.Helper()
	port, err := g.Port(g.t.Context(), 22)
	check(g.t, err)
	return port
}

// login connects by SSH.
func (g *guest) login(user string) {
	g.t.Helper()
	cfg := &ssh.ClientConfig{
		User: user, Auth: []ssh.AuthMethod{ssh.PublicKeys(g.key)}, Timeout: time.Minute,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the machine made it a moment ago
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(g.port()))
	for deadline := time.Now().Add(guestTime); ; time.Sleep(time.Second) {
		var err error
		if g.ssh, err = ssh.Dial("tcp", address, cfg); err == nil {
			g.since("SSH")
			return
		}
		if g.Ended() || time.Now().After(deadline) {
			g.t.Fatalf("logging in: %v", err)
		}
	}
}

// try runs a script as root and returns what it says.
func (g *guest) try(script string) (string, error) {
	session, err := g.ssh.NewSession()
	if err != nil {
		return "", err
	}
	defer func() { _ = session.Close() }() // it has ended
	session.Stdin = strings.NewReader(script)
	said, err := session.CombinedOutput("sudo -n sh -s")
	return string(said), err
}

// run is try for what must succeed.
func (g *guest) run(script string) string {
	g.t.Helper()
	said, err := g.try(script)
	if err != nil {
		g.t.Fatalf("%s: %v: %s", script, err, said)
	}
	return said
}

// eventually waits until a script succeeds.
func (g *guest) eventually(what, script string) {
	g.t.Helper()
	for deadline := time.Now().Add(guestTime); ; time.Sleep(3 * time.Second) {
		said, err := g.try(script)
		if err == nil {
			g.since(what)
			return
		}
		if g.Ended() || time.Now().After(deadline) {
			g.t.Fatalf("%s: not after %s: %v: %s", what, time.Since(g.began), err, said)
		}
	}
}

// accepted waits until the machine says that it is a node.
func (g *guest) accepted(name string) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), guestTime)
	defer cancel()
	want := regexp.MustCompile(`ingot-node: this is (\S+) of cluster lab `)
	line, err := g.Console().Expect(ctx, want, regexp.MustCompile(`Kernel panic|ingot-node: refused`))
	check(g.t, err)
	if line.Match[1] != name {
		g.t.Errorf("it is %q, want %q", line.Match[1], name)
	}
	g.since("accepted")
}

// locked expects the packages that the components need in the lock's versions,
// and nothing left that they were installed by or that they have started.
func (g *guest) locked(v *variant.Variant) {
	g.t.Helper()
	l, err := lock.Load(filepath.Dir(v.Definition()))
	check(g.t, err)
	said := g.run("dpkg-query --show --showformat='${Package}=${Version}\n'")
	for _, name := range []string{"containerd", "tinc", "haproxy", "cloud-init", "prometheus-node-exporter"} {
		if want := name + "=" + l.Debian.Version(name) + "\n"; !strings.Contains(said, want) {
			g.t.Errorf("the machine has not %s", want)
		}
	}
	g.run("test ! -e /usr/sbin/policy-rc.d && test ! -e /var/cache/ingot-packages")
	if said, err := g.try("systemctl is-active --quiet haproxy containerd prometheus-node-exporter"); err == nil {
		g.t.Errorf("what was installed runs: %s", said)
	}
}

// ready checks the node from within: its parts run, its API says that it is
// Ready, nothing failed, and it has nothing of the machine that the disk is of.
func (g *guest) ready(name string) {
	g.t.Helper()
	const kubectl = "kubectl --kubeconfig /etc/kubernetes/kubelet.conf "
	g.eventually("API", kubectl+"get --raw /readyz")
	g.eventually("Ready", kubectl+"get node "+name+` -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}' | grep -x True`)
	g.eventually("healthy", "ingot-node health")
	for _, unit := range []string{"ingot-node", "tinc@mesh0", "etcd", "kube-apiserver", "kubelet", "containerd", "coredns", "systemd-networkd"} {
		if said, err := g.try("systemctl is-active " + unit); err != nil {
			g.t.Errorf("%s is %s", unit, said)
		}
	}
	if failed := strings.TrimSpace(g.run("systemctl list-units --failed --plain --no-legend")); failed != "" {
		g.t.Errorf("failed units:\n%s\n%s", failed, g.run("journalctl -b --no-pager -p warning | tail -n 40"))
	}
	g.run("test -s /etc/machine-id && test ! -s /home/debian/.ssh/authorized_keys && [ $(hostname) = " + name + " ]")
}

// off presses the power button until the machine is off.
func (g *guest) off() {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), guestTime)
	defer cancel()
	for !g.Ended() {
		if err := g.Powerdown(ctx); err != nil && !g.Ended() { // it may end between the look and the press
			g.t.Fatal(err)
		}
		press, stop := context.WithTimeout(ctx, 15*time.Second) // systemd listens only some time after the login prompt
		err := g.Wait(press)
		stop()
		if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
			g.t.Fatal(err)
		}
	}
	if g.Reason() != "guest-shutdown" {
		g.t.Errorf("the machine ended for %q", g.Reason())
	}
	g.since("off")
}
