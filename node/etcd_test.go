package node_test

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/node"
)

func TestEtcdCommandLine(t *testing.T) {
	lab, edge := labMachine(t, t, "lab0"), labMachine(t, t, "edge-0")
	for line, want := range map[string]struct {
		status int
		stderr string
	}{
		"etcd stop":                       {2, `unknown words ["stop"] (status [--json], leave, join)`},
		"etcd leave now":                  {2, "unknown words"},
		"etcd leave --json":               {2, "unknown words"},
		"etcd status --json now":          {2, "is too much"},
		"etcd --root " + edge:             {1, "ingot-node: etcd: reading /etc/ingot/node.json: node edge-0 is no controller"},
		"etcd --root " + edge + " status": {1, "is no controller"},
		"etcd --root " + lab + " leave":   {1, "ingot-node: etcd: asking etcd of this node: "},
		"etcd --root " + lab + " join":    {1, "this node has not left"},
	} {
		t.Run(strings.NewReplacer(lab, "LAB", edge, "EDGE").Replace(line), func(t *testing.T) {
			if status, stdout, stderr := run(t, strings.Fields(line)...); status != want.status || stdout != "" || !strings.Contains(stderr, want.stderr) {
				t.Errorf("got status %d, stdout %q, stderr %q; want %+v", status, stdout, stderr, want)
			}
		})
	}
}

// TestEtcdStatus: what it says where nothing runs. The lab's addresses are not
// on the machine that tests it.
func TestEtcdStatus(t *testing.T) {
	root := labMachine(t, t, "lab0")
	status, stdout, stderr := run(t, "etcd", "--root", root, "status")
	if status != 1 || stderr != "" || !strings.HasPrefix(stdout, "lab0 is no member of etcd\n") || !strings.Contains(stdout, "\netcd of this node: ") {
		t.Errorf("status %d, %q, %q", status, stdout, stderr)
	}
	status, stdout, _ = run(t, "etcd", "--root", root, "status", "--json")
	if status != 1 || !strings.Contains(stdout, `"role": "none"`) || !strings.Contains(stdout, `"members": []`) {
		t.Errorf("as JSON: status %d, %q", status, stdout)
	}
}

// TestEtcdNotify: systemd hears that etcd may start once that is on the disk,
// and not before; and the consoles what is waited for.
func TestEtcdNotify(t *testing.T) {
	root := labMachine(t, t, "lab0")
	socket := filepath.Join(t.TempDir(), "notify")
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	t.Setenv("NOTIFY_SOCKET", socket)
	hear := func() string {
		b := make([]byte, 4096)
		must(t, listener.SetReadDeadline(time.Now().Add(30*time.Second)))
		n, err := listener.Read(b)
		must(t, err)
		return string(b[:n])
	}
	begin := func() (end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan int)
		var said bytes.Buffer
		go func() {
			m := node.Machine{Now: time.Now, Runner: refuseToRun{t}}
			ended <- m.Run(ctx, &said, &said, []string{"etcd", "--root", root})
		}()
		return func() {
			cancel()
			if status := <-ended; status != 0 {
				t.Errorf("status %d: %s", status, said.String())
			}
		}
	}
	settings := filepath.Join(root, "run/ingot/etcd.env")

	end := begin()
	if got := hear(); !strings.HasPrefix(got, "STATUS=etcd: cannot listen at the peers' port of etcd yet: ") {
		t.Errorf("without data, it said %q", got)
	}
	end()
	if _, err := os.Stat(settings); err == nil {
		t.Error("etcd would start")
	}
	if got := readFile(t, root, "/dev/ttyS0"); !strings.Contains(got, "ingot-node: etcd: cannot listen at the peers' port") {
		t.Errorf("the console has %q", got)
	}

	write(t, root, "/var/lib/etcd/member/wal/0000000000000000-0000000000000000.wal", 0o600, []byte("a log"))
	end = begin()
	if got := hear(); got != "STATUS=etcd: it has data: it comes back as the member that it was" {
		t.Errorf("with data, it said %q", got)
	}
	if got := hear(); got != "READY=1" {
		t.Errorf("then %q", got)
	}
	text, err := os.ReadFile(settings)
	if want := "ETCD_INITIAL_CLUSTER_STATE=existing\nETCD_INITIAL_CLUSTER=lab0=https://10.42.0.1:2380\n"; err != nil || !strings.HasPrefix(string(text), want) {
		t.Errorf("settings: %v: %s", err, text)
	}
	end()
}
