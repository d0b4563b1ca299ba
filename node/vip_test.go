package node_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"golang.org/x/sys/unix"
)

// within does something in a network namespace: sockets stay in the one in
// which they were made.
func within(t *testing.T, netns string, do func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	must(t, err)
	defer func() { _ = home.Close() }()
	there, err := os.Open("/run/netns/" + netns)
	must(t, err)
	defer func() { _ = there.Close() }()
	must(t, unix.Setns(int(there.Fd()), unix.CLONE_NEWNET))
	defer func() {
		if err := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); err != nil {
			panic(err) // the thread is of no use any more
		}
	}()
	do()
}

// meshNode is a node of the lab in a network namespace, with the real tincd.
type meshNode struct {
	name, netns, root string
	unready           atomic.Bool // its kube-apiserver
}

// newMesh starts the mesh of the lab's controllers, each with what answers for
// its kube-apiserver.
func newMesh(t *testing.T) []*meshNode {
	t.Helper()
	need.Root(t)
	ip, tincd, dash := need.Tool(t, "ip"), need.Tool(t, "tincd"), need.Tool(t, "dash")
	var nodes []*meshNode
	for i, netns := range need.Netns(t, 3) {
		n := &meshNode{name: fmt.Sprintf("lab%d", i), netns: netns}
		n.root = labMachine(t, t, n.name)
		nodes = append(nodes, n)
		if out, err := exec.Command(ip, "-n", netns, "address", "add", fmt.Sprintf("192.0.2.1%d/24", i), "dev", "eth0").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		script, err := filepath.Abs("../provisioners/tinc/settings.sh")
		must(t, err)
		settings := exec.Command(dash, script)
		settings.Env = append(os.Environ(), "INGOT_ROOT="+n.root)
		for line := range strings.Lines(readFile(t, n.root, "/etc/ingot/node.env")) {
			settings.Env = append(settings.Env, strings.ReplaceAll(strings.TrimSpace(line), `"`, ""))
		}
		if out, err := settings.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		n.listen(t)
		background(t, "tincd of "+n.name, n.in(tincd, "--config="+n.root+"/run/ingot/tinc/mesh0", "--no-detach", "--debug=1", "--pidfile="+n.root+"/pid"))
	}
	return nodes
}

func (n *meshNode) in(argv ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", n.netns}, argv...)...)
}

// listen answers for kube-apiserver, at all addresses.
func (n *meshNode) listen(t *testing.T) {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(n.root+"/etc/kubernetes/pki/apiserver.crt", n.root+"/etc/kubernetes/pki/apiserver.key")
	must(t, err)
	var l net.Listener
	within(t, n.netns, func() { l, err = net.Listen("tcp", ":6443") })
	must(t, err)
	server := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if n.unready.Load() {
				w.WriteHeader(http.StatusInternalServerError)
			}
			_, _ = io.WriteString(w, n.name)
		}),
		ErrorLog: nil, ReadHeaderTimeout: time.Second,
	}
	go func() { _ = server.ServeTLS(l, "", "") }() // ended by Close
	t.Cleanup(func() { _ = server.Close() })
}

// vip runs the real program, and gives what ends it as systemd would.
func (n *meshNode) vip(t *testing.T, program string) (end func(syscall.Signal)) {
	t.Helper()
	var log bytes.Buffer
	cmd := n.in(program, "vip", "--root", n.root)
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	ended := false
	end = func(s syscall.Signal) {
		if ended {
			return
		}
		ended = true
		_ = syscall.Kill(cmd.Process.Pid, s) // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("vip of %s: %s", n.name, log.String())
		}
	}
	t.Cleanup(func() { end(syscall.SIGTERM) })
	return end
}

// who asks the virtual address which controller it leads to, from a node.
func (n *meshNode) who(t *testing.T) string {
	t.Helper()
	var answer string
	within(t, n.netns, func() {
		conn, err := (&net.Dialer{Timeout: 500 * time.Millisecond}).Dial("tcp", "10.42.255.254:6443")
		if err != nil {
			answer = "nobody"
			return
		}
		defer func() { _ = conn.Close() }()
		must(t, conn.SetDeadline(time.Now().Add(2*time.Second)))
		client := &http.Client{Transport: &http.Transport{DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
			c := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // which node it is, it says itself
			return c, c.Handshake()
		}}}
		resp, err := client.Get("https://vip/")
		if err != nil {
			answer = "nobody"
			return
		}
		data, _ := io.ReadAll(resp.Body) // an answer that breaks off is none of the names
		_ = resp.Body.Close()
		answer = string(data)
	})
	return answer
}

// becomes waits until the address leads to a controller, and says how long that
// took.
func (n *meshNode) becomes(t *testing.T, want string) time.Duration {
	t.Helper()
	began := time.Now()
	for time.Since(began) < 40*time.Second {
		if n.who(t) == want {
			return time.Since(began)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("from %s the virtual address does not come to lead to %s but to %s", n.name, want, n.who(t))
	return 0
}

// TestVIP: the virtual address is with the first controller whose
// kube-apiserver is ready, for all nodes, and the mesh does not notice.
func TestVIP(t *testing.T) {
	nodes := newMesh(t)
	program := filepath.Join(t.TempDir(), "ingot-node")
	build(t, "../cmd/ingot-node", program)
	if got := nodes[2].who(t); got != "nobody" {
		t.Errorf("before it is announced: %s", got)
	}
	nodes[1].vip(t, program)
	t.Logf("the second announces: %v", nodes[2].becomes(t, "lab1"))
	end := nodes[0].vip(t, program)
	t.Logf("the first takes over: %v", nodes[2].becomes(t, "lab0"))

	nodes[0].unready.Store(true)
	t.Logf("the first is not ready: %v", nodes[2].becomes(t, "lab1"))
	t.Logf("the first itself: %v", nodes[0].becomes(t, "lab1"))
	nodes[0].unready.Store(false)
	t.Logf("the first is ready again: %v", nodes[2].becomes(t, "lab0"))

	end(syscall.SIGTERM)
	if got := nodes[2].becomes(t, "lab1"); got > 3*time.Second {
		t.Errorf("from a controller that shuts down the address goes after %v", got)
	}
	if out, err := nodes[0].in("ip", "address", "show", "to", "10.42.255.254").CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("the address is left: %v: %s", err, out)
	}
	text, err := nodes[2].in("ping", "-c", "3", "-i", "0.2", "-W", "5", "10.42.0.1").CombinedOutput()
	if err != nil {
		t.Errorf("the mesh: %v: %s", err, text)
	}
}
