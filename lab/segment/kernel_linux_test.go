package segment_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/lab/segment"
	"golang.org/x/sys/unix"
)

// kernel is a machine on the segment with Linux' own stack: a network
// namespace whose only interface, eth0, is connected to a port.
type kernel struct {
	t  testing.TB
	do chan func() // what is run in the namespace
}

// linux makes a namespace that ends with the test.
func linux(t testing.TB, s *segment.Segment, name string) *kernel {
	t.Helper()
	need.Root(t)
	w := plug(t, s, name)
	k := &kernel{t: t, do: make(chan func())}
	made := make(chan error)
	var tap *os.File
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends, and the namespace
		err := unix.Unshare(unix.CLONE_NEWNET)
		if err == nil {
			tap, err = newTap("eth0")
		}
		made <- err
		for f := range k.do {
			f()
		}
	}()
	if err := <-made; err != nil {
		close(k.do)
		need.Missing(t, "needs network namespaces and /dev/net/tun: %v", err)
	}
	done := make(chan struct{}, 2)
	copyFrames := func(read func([]byte) (int, error), write func([]byte) (int, error)) {
		defer func() { done <- struct{}{} }()
		buf := make([]byte, 1<<16)
		for {
			n, err := read(buf)
			if err != nil {
				return
			}
			_, _ = write(buf[:n]) // as a frame is lost
		}
	}
	go copyFrames(tap.Read, func(b []byte) (int, error) { return w.conn.WriteTo(b, w.other) })
	go copyFrames(w.conn.Read, tap.Write)
	t.Cleanup(func() {
		close(k.do)
		_ = tap.Close()
		w.unplug()
		<-done
		<-done
	})
	ip := need.Tool(t, "ip")
	k.run(ip, "link", "set", "lo", "up")
	k.run(ip, "link", "set", "eth0", "address", segment.MAC("test", name), "up")
	return k
}

// newTap makes an interface, whose frames are read and written.
func newTap(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		return nil, err
	}
	request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "/dev/net/tun"), nil
}

// in runs a function in the namespace.
func (k *kernel) in(f func()) {
	done := make(chan struct{})
	k.do <- func() { defer close(done); f() }
	<-done
}

// run runs a program in the namespace, which must succeed.
func (k *kernel) run(argv ...string) string {
	k.t.Helper()
	out, err := k.try(argv...)
	if err != nil {
		k.t.Fatalf("%q: %v: %s", argv, err, out)
	}
	return out
}

func (k *kernel) try(argv ...string) (out string, err error) {
	ctx, cancel := context.WithTimeout(k.t.Context(), soon)
	defer cancel()
	k.in(func() {
		var b []byte
		b, err = exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
		out = string(b)
	})
	return out, err
}

// address gives the interface an address.
func (k *kernel) address(prefix string) {
	k.t.Helper()
	k.run(need.Tool(k.t, "ip"), "addr", "add", prefix, "dev", "eth0", "nodad")
}

func TestLinuxPings(t *testing.T) {
	s := start(t, segment.Config{})
	k := linux(t, s, "k")
	k.address("192.0.2.10/24")
	k.address("2001:db8::10/64")
	ping := need.Tool(t, "ping")
	for _, to := range []string{"192.0.2.1", "2001:db8::1"} {
		k.run(ping, "-c", "3", "-i", "0.05", "-W", "5", to)
		k.run(ping, "-c", "2", "-i", "0.05", "-W", "5", "-s", "4000", to) // in fragments
	}
	if out := k.run(need.Tool(t, "ip"), "-6", "neigh"); !strings.Contains(out, "2001:db8::1") {
		t.Errorf("the neighbours are %q", out)
	}
}

// TestLinuxLeads nowhere: neither to this host nor beyond the segment.
func TestLinuxLeadsNowhere(t *testing.T) {
	s := start(t, segment.Config{})
	k := linux(t, s, "k")
	k.address("192.0.2.10/24")
	k.run(need.Tool(t, "ip"), "route", "add", "default", "via", "192.0.2.1")
	watch := plug(t, s, "watch")

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	accepted := make(chan struct{})
	go func() {
		if _, err := l.Accept(); err == nil {
			close(accepted)
		}
	}()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dialer := net.Dialer{Timeout: 2 * time.Second}
	for to, want := range map[string]string{
		net.JoinHostPort("192.0.2.1", port): "refused", // "outside" has no such listener
		"198.51.100.1:80":                   "timeout", // and forwards nothing
	} {
		k.in(func() {
			conn, err := dialer.DialContext(t.Context(), "tcp", to)
			if err == nil {
				_ = conn.Close()
			}
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %q", to, err, want)
			}
		})
	}
	select {
	case <-accepted:
		t.Error("a machine has reached this host")
	default:
	}
	for f := watch.read(quiet); f != nil; f = watch.read(quiet) {
		if f[12] == 8 && f[13] == 0 || f[12] == 8 && f[13] == 6 && string(f[38:42]) == "\xc6\x33\x64\x01" {
			t.Errorf("\"outside\" has sent %x", f)
		}
	}
}

// udhcpcScript writes down what the client was told.
const udhcpcScript = `#!/bin/sh
env >"$(dirname "$0")/$1"
`

func TestLinuxDHCP(t *testing.T) {
	mac := segment.MAC("test", "k")
	s := start(t, segment.Config{Leases: leases(mac, "192.0.2.77"), DNS: addrs("192.0.2.53")})
	k, other := linux(t, s, "k"), linux(t, s, "other")
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte(udhcpcScript), 0o755); err != nil {
		t.Fatal(err)
	}
	busybox := need.Tool(t, "busybox")
	ask := func(k *kernel, more ...string) string {
		out := k.run(append([]string{busybox, "udhcpc", "-i", "eth0", "-s", script, "-n", "-q", "-f", "-t", "10", "-T", "1"}, more...)...)
		told, err := os.ReadFile(filepath.Join(dir, "bound"))
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return "\n" + string(told)
	}
	told := ask(k)
	for _, want := range []string{"ip=192.0.2.77", "subnet=255.255.255.0", "router=192.0.2.1", "dns=192.0.2.53", "serverid=192.0.2.1", "lease=2592000"} {
		if !strings.Contains(told, "\n"+want+"\n") {
			t.Errorf("it was not told %q: %s", want, told)
		}
	}
	address := func(told string) string {
		_, rest, _ := strings.Cut(told, "\nip=")
		ip, _, _ := strings.Cut(rest, "\n")
		return ip
	}
	// A machine without a lease, which wants the other's address, but gets one
	// that it keeps.
	first := address(ask(other, "-r", "192.0.2.77"))
	if first == "192.0.2.77" || first == "" {
		t.Errorf("another machine got %q", first)
	}
	if again := address(ask(other)); again != first {
		t.Errorf("it got %q, and then %q", first, again)
	}
	k.address(address(told) + "/24")
	k.run(need.Tool(t, "ping"), "-c", "1", "-W", "5", "192.0.2.1")
}
