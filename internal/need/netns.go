package need

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// maxNodes keeps addresses within 192.0.2.0/24 (TEST-NET-1, RFC 5737), which
// is never a real network.
const maxNodes = 253

// Netns makes n fresh network namespaces, joined by one bridge that lives in a
// namespace of its own, and returns their names for "ip netns exec". Node i
// has 192.0.2.(i+1)/24 on eth0, and lo up. Nothing leads out of them. At
// cleanup, processes left in them are killed and the namespaces removed; tests
// that start programs should end them in cleanups of their own, which run
// before this one.
func Netns(t testing.TB, n int) []string {
	t.Helper()
	Root(t)
	ip := Tool(t, "ip")
	if n < 1 || n > maxNodes {
		t.Fatalf("making %d network namespaces: 1 to %d are allowed", n, maxNodes)
	}
	prefix := netnsPrefix(t)
	hub := prefix + "-hub"
	names := make([]string, n)
	for i := range names {
		names[i] = prefix + "-" + strconv.Itoa(i)
	}

	t.Cleanup(func() { removeNetns(t, ip, append([]string{hub}, names...)) })
	addNetns(t, ip, hub)
	ipIn(t, ip, hub, "link add br0 type bridge\nlink set br0 up")
	for i, name := range names {
		addNetns(t, ip, name)
		veth := "veth" + strconv.Itoa(i)
		ipIn(t, ip, hub, fmt.Sprintf("link add %s type veth peer name eth0 netns %s\nlink set %s master br0 up", veth, name, veth))
		ipIn(t, ip, name, fmt.Sprintf("link set lo up\naddr add 192.0.2.%d/24 dev eth0\nlink set eth0 up", i+1))
	}
	return names
}

// netnsPrefix returns a name that no other test of this machine has.
func netnsPrefix(t testing.TB) string {
	t.Helper()
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		t.Fatalf("naming network namespaces: %v", err)
	}
	return "ingot-" + hex.EncodeToString(b[:])
}

func addNetns(t testing.TB, ip, name string) {
	t.Helper()
	if out, err := exec.Command(ip, "netns", "add", name).CombinedOutput(); err != nil {
		missing(t, requireAll(), "needs network namespaces: %s", strings.TrimSpace(string(out)))
	}
}

// ipIn runs a batch of ip commands, one a line, in a namespace.
func ipIn(t testing.TB, ip, netns, batch string) {
	t.Helper()
	cmd := exec.Command(ip, "-n", netns, "-batch", "-")
	cmd.Stdin = strings.NewReader(batch + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("setting up network namespace %q: %v: %s", netns, err, out)
	}
}

func removeNetns(t testing.TB, ip string, names []string) {
	t.Helper()
	for _, name := range names {
		killIn(t, ip, name)
		out, err := exec.Command(ip, "netns", "delete", name).CombinedOutput()
		if err != nil && !strings.Contains(string(out), "No such file") { // never made
			t.Errorf("removing network namespace %q: %v: %s", name, err, out)
		}
	}
}

// killIn ends the processes left in a namespace: each by its id, for at most
// two seconds.
func killIn(t testing.TB, ip, name string) {
	t.Helper()
	for range 20 {
		out, err := exec.Command(ip, "netns", "pids", name).Output()
		pids := strings.Fields(string(out))
		if err != nil || len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			id, err := strconv.Atoi(pid)
			if err != nil {
				t.Errorf("listing processes of network namespace %q: %q is not a process id", name, pid)
				return
			}
			t.Logf("killing process %d, left in network namespace %q", id, name)
			_ = syscall.Kill(id, syscall.SIGKILL) // it may have ended by itself
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("processes in network namespace %q do not end", name)
}
