package boot_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need/qemu"
	"github.com/ingot-k8s/ingot/lab/machine"
	"golang.org/x/crypto/ssh"
)

// How long things may take, without KVM and on a host that is busy with much
// else: some ten times of what they take on an idle one.
const (
	identityTime = 15 * time.Minute
	sshTime      = 8 * time.Minute
	serviceTime  = 15 * time.Minute
	downTime     = 5 * time.Minute
)

// What machines say.
var (
	saysWho     = regexp.MustCompile(`ingot-node: this is (\S+) of cluster (\S+) \(([^)]*)\), index (\d+), (\S+)`)
	saysRefused = regexp.MustCompile(`ingot-node: refused: (.*)`)
	saysOut     = regexp.MustCompile(`ingot-node: this machine stays out of (.*?);`)
	saysPanic   = regexp.MustCompile(`Kernel panic|end Kernel panic`)
	saysStop    = regexp.MustCompile(`ingot: the boot stops here`)
)

// node is a machine that boots an image.
type node struct {
	*machine.Machine
	t     *testing.T
	w     *world
	began time.Time
	ssh   *ssh.Client
}

// config is a machine without an identity. Formats for virtual machines have
// room for its state; a raw image has none until it is on a disk.
func (w *world) config(t *testing.T, name, image, format string) machine.Config {
	t.Helper()
	var size int64
	if format == "raw" {
		size = 4 << 30
	}
	return machine.Config{
		Name: name, Dir: qemu.Dir(t), Memory: 3072,
		Disk: machine.Disk{Image: image, Format: format, Size: size},
		Nets: []machine.Net{{Kind: machine.User, Forward: []machine.Forward{{Guest: 22}}}},
	}
}

func (w *world) start(t *testing.T, cfg machine.Config) *node {
	t.Helper()
	n := &node{t: t, w: w, began: time.Now(), Machine: qemu.Start(t, cfg)}
	t.Cleanup(func() {
		if n.ssh != nil {
			_ = n.ssh.Close() // the machine may be gone
		}
	})
	return n
}

// expect waits for a line and returns it with its groups.
func (n *node) expect(want *regexp.Regexp, limit time.Duration, never ...*regexp.Regexp) machine.Line {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), limit)
	defer cancel()
	line, err := n.Console().Expect(ctx, want, never...)
	if err != nil {
		n.t.Fatal(err)
	}
	return line
}

// accepted waits until the machine says who it is.
func (n *node) accepted(name, roles string) {
	n.t.Helper()
	line := n.expect(saysWho, identityTime, saysPanic, saysStop, saysRefused)
	n.t.Logf("%s: %q after %s", n.Config().Name, line.Match[0], seconds(time.Since(n.began)))
	if line.Match[1] != name || line.Match[2] != "lab" || line.Match[3] != roles {
		n.t.Errorf("the machine is %q of %q (%s), want %q of lab (%s)", line.Match[1], line.Match[2], line.Match[3], name, roles)
	}
}

// refused waits until the machine says that it stays out of the cluster, and
// returns what it said before.
func (n *node) refused() string {
	n.t.Helper()
	n.expect(saysRefused, identityTime, saysPanic, saysStop, saysWho)
	n.expect(saysOut, time.Minute, saysPanic, saysWho)
	n.t.Logf("%s: refused after %s", n.Config().Name, seconds(time.Since(n.began)))
	return n.Console().Text()
}

// login connects by SSH.
func (n *node) login() {
	n.t.Helper()
	port, err := n.Port(n.t.Context(), 22)
	if err != nil {
		n.t.Fatal(err)
	}
	cfg := &ssh.ClientConfig{
		User: "ingot", Auth: []ssh.AuthMethod{ssh.PublicKeys(n.w.Key)}, Timeout: time.Minute,
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), // the machine made it a moment ago
	}
	for deadline := time.Now().Add(sshTime); ; time.Sleep(time.Second) {
		n.ssh, err = ssh.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), cfg)
		if err == nil {
			n.t.Logf("%s: SSH after %s", n.Config().Name, seconds(time.Since(n.began)))
			return
		}
		if n.Ended() || time.Now().After(deadline) {
			n.t.Fatalf("logging in: %v", err)
		}
	}
}

// try runs a script as root and returns what it says.
func (n *node) try(script string) (string, error) {
	session, err := n.ssh.NewSession()
	if err != nil {
		return "", err
	}
	defer func() { _ = session.Close() }()
	session.Stdin = strings.NewReader(script)
	said, err := session.CombinedOutput("sudo -n sh -s")
	return string(said), err
}

// run is try for what must succeed.
func (n *node) run(script string) string {
	n.t.Helper()
	said, err := n.try(script)
	if err != nil {
		n.t.Fatalf("%s: %v: %s", script, err, said)
	}
	return said
}

// eventually waits until a script succeeds.
func (n *node) eventually(what, script string, limit time.Duration) {
	n.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(3 * time.Second) {
		said, err := n.try(script)
		if err == nil {
			n.t.Logf("%s: %s after %s", n.Config().Name, what, seconds(time.Since(n.began)))
			return
		}
		if n.Ended() || time.Now().After(deadline) {
			n.t.Errorf("%s: not after %s: %v: %s", what, seconds(time.Since(n.began)), err, said)
			return
		}
	}
}

// pressAgain is how long a press of the power button may be without effect: the
// operating system listens to it only some time after the login prompt.
const pressAgain = 15 * time.Second

// powerdown presses the power button until the machine is off.
func (n *node) powerdown() {
	n.t.Helper()
	began := time.Now()
	ctx, cancel := context.WithTimeout(n.t.Context(), downTime)
	defer cancel()
	for !n.Ended() {
		// It may end between the look and the press.
		if err := n.Powerdown(ctx); err != nil && !n.Ended() {
			n.t.Fatal(err)
		}
		press, stop := context.WithTimeout(ctx, pressAgain)
		err := n.Wait(press)
		stop()
		if err != nil && (ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded)) {
			n.t.Fatal(err)
		}
	}
	if n.Reason() != "guest-shutdown" {
		n.t.Errorf("the machine ended for %q", n.Reason())
	}
	n.t.Logf("%s: off after %s", n.Config().Name, seconds(time.Since(began)))
}

// active waits until units are active.
func (n *node) active(units ...string) {
	n.t.Helper()
	// Of several units, is-active is content with one.
	n.eventually(fmt.Sprintf("%d units active", len(units)), `
for unit in `+strings.Join(units, " ")+`; do
	systemctl is-active --quiet "$unit" || bad="$bad $unit"
done
echo "not active:$bad"
[ -z "$bad" ]`, serviceTime)
}
