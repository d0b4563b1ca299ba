package node_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/node/edge"
	"github.com/ingot-k8s/ingot/node/kubeapi"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
)

const floating = "198.51.100.100"

// edgeHook is a hook that gives a network namespace the address, and notes what
// it was asked for.
const edgeHook = `#!/bin/sh
set -eu
echo "$INGOT_NODE $1" >>@LOG@
echo "of $INGOT_CLUSTER at $INGOT_NODE_ADDRESS"
printf 'no end of line' >&2
case $1 in
take) [ ! -e "$0.fails" ] && ip address replace "$INGOT_FLOATING_ADDRESS/32" dev lo ;;
release) ip address del "$INGOT_FLOATING_ADDRESS/32" dev lo 2>/dev/null || : ;;
esac
`

// edges are two edges in network namespaces, with the built program and a
// balancer that leads to one API.
type edges struct {
	log   string // of the hooks
	noAPI atomic.Bool
	nodes []*edgeNode
}

type edgeNode struct {
	*edges
	name, netns, root, program string
	sick                       atomic.Bool // its kube-proxy
	process                    *exec.Cmd
	said                       *bytes.Buffer
}

// newEdges makes them. dial leads to the API.
func newEdges(t *testing.T, dial func() (net.Conn, error)) *edges {
	t.Helper()
	e := &edges{log: filepath.Join(t.TempDir(), "log")}
	program := filepath.Join(t.TempDir(), "ingot-node")
	build(t, "../cmd/ingot-node", program)
	names := []string{"lab1", "edge-0"}
	for i, netns := range need.Netns(t, len(names)) {
		n := &edgeNode{edges: e, name: names[i], netns: netns, root: labMachine(t, t, names[i]), program: program}
		data, err := os.ReadFile(filepath.Join(n.root, clusterjson.Path))
		must(t, err)
		c, err := clusterjson.Parse(data)
		must(t, err)
		c.FloatingAddress = netip.MustParseAddr(floating)
		data, err = c.Encode()
		must(t, err)
		write(t, n.root, clusterjson.Path, 0o644, data)
		write(t, n.root, edge.HookPath, 0o755, []byte(strings.ReplaceAll(edgeHook, "@LOG@", e.log)))
		must(t, os.MkdirAll(filepath.Join(n.root, "run/ingot"), 0o755))
		e.balance(n.listen(t, "127.0.0.1:7443"), dial)
		n.proxy(t)
		e.nodes = append(e.nodes, n)
	}
	return e
}

// balance leads from a listener to the API, while there is one.
func (e *edges) balance(l net.Listener, dial func() (net.Conn, error)) {
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			go e.pipe(from, dial)
		}
	}()
}

func (e *edges) pipe(from net.Conn, dial func() (net.Conn, error)) {
	defer func() { _ = from.Close() }()
	if e.noAPI.Load() {
		return
	}
	to, err := dial()
	if err != nil {
		return
	}
	defer func() { _ = to.Close() }()
	go func() {
		for !e.noAPI.Load() {
			time.Sleep(100 * time.Millisecond)
		}
		_, _ = from.Close(), to.Close() // what a balancer does whose last server went
	}()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // until one of them has closed
			_, _ = way[0].Close(), way[1].Close()
		})
	}
	both.Wait()
}

// proxy answers for kube-proxy.
func (n *edgeNode) proxy(t *testing.T) {
	t.Helper()
	serve(t, n.listen(t, "127.0.0.1:10256"), nil, func(w http.ResponseWriter, _ *http.Request) {
		if n.sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}

func (n *edgeNode) listen(t *testing.T, address string) net.Listener {
	t.Helper()
	var l net.Listener
	var err error
	within(t, n.netns, func() { l, err = net.Listen("tcp", address) })
	must(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func serve(t *testing.T, l net.Listener, conf *tls.Config, handler http.HandlerFunc) {
	t.Helper()
	server := &http.Server{TLSConfig: conf, Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() { // ended by Close
		if conf != nil {
			_ = server.ServeTLS(l, "", "")
		} else {
			_ = server.Serve(l)
		}
	}()
	t.Cleanup(func() { _ = server.Close() })
}

// start starts the service, as systemd would.
func (n *edgeNode) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command("ip", "netns", "exec", n.netns, n.program, "edge", "--root", n.root)
	n.said = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = n.said, n.said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	must(t, cmd.Start())
	n.process = cmd
	t.Cleanup(func() {
		n.end(syscall.SIGKILL)
		if t.Failed() {
			t.Logf("%s says: %s", n.name, n.said)
		}
	})
}

// end ends the service, and gives what it said.
func (n *edgeNode) end(s syscall.Signal) string {
	if n.process != nil {
		_ = n.process.Process.Signal(s) // it may have ended
		_ = n.process.Wait()
		n.process = nil
	}
	return n.said.String()
}

// has reports whether the node's namespace has the address.
func (n *edgeNode) has(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("ip", "-n", n.netns, "address", "show", "to", floating).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return len(out) > 0
}

// becomes waits until the hooks were asked for exactly this, since it last
// waited.
func (e *edges) becomes(t *testing.T, want ...string) {
	t.Helper()
	var got []string
	for began := time.Now(); time.Since(began) < 3*time.Minute; time.Sleep(200 * time.Millisecond) {
		data, err := os.ReadFile(e.log)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if got = strings.Split(strings.TrimSpace(string(data)), "\n"); slices.Equal(got, want) {
			must(t, os.Remove(e.log))
			return
		}
	}
	t.Fatalf("the hooks were asked for %q, want %q", got, want)
}

// still holds that the hooks were asked for nothing.
func (e *edges) still(t *testing.T, d time.Duration) {
	t.Helper()
	time.Sleep(d)
	if data, err := os.ReadFile(e.log); err == nil {
		t.Errorf("the hooks were asked for %q", data)
	}
}

// at holds who has the address.
func (e *edges) at(t *testing.T, want string) {
	t.Helper()
	await(t, "the address at "+want, func() (string, bool) {
		var got []string
		for _, n := range e.nodes {
			if n.has(t) {
				got = append(got, n.name)
			}
		}
		return fmt.Sprint(got), slices.Equal(got, strings.Fields(want))
	})
}

// moves goes through what happens to edges.
func (e *edges) moves(t *testing.T) {
	t.Helper()
	a, b := e.nodes[0], e.nodes[1]
	a.start(t)
	e.becomes(t, "lab1 take")
	b.start(t)
	e.becomes(t, "edge-0 release") // it may be there from an earlier process
	e.at(t, "lab1")

	a.sick.Store(true)
	e.becomes(t, "lab1 release", "edge-0 take")
	e.at(t, "edge-0")
	a.sick.Store(false)

	b.end(syscall.SIGKILL)
	e.becomes(t, "lab1 take") // after the Lease's time
	e.at(t, "lab1 edge-0")    // nobody has told the dead machine
	b.start(t)
	e.becomes(t, "edge-0 release")
	e.at(t, "lab1")

	e.noAPI.Store(true)
	e.still(t, edge.Duration+4*edge.Period)
	e.noAPI.Store(false)
	e.still(t, 4*edge.Period)
	e.at(t, "lab1")

	a.end(syscall.SIGKILL) // and is started again: it still has the Lease
	a.start(t)
	e.becomes(t, "lab1 take")

	write(t, b.root, edge.HookPath+".fails", 0o644, nil)
	said := a.end(syscall.SIGTERM)
	e.becomes(t, "lab1 release", "edge-0 take", "edge-0 release")
	if !strings.Contains(said, "ingot-node: hook: of lab at 192.0.2.11\n") || !strings.Contains(said, "ingot-node: hook: no end of line\n") {
		t.Errorf("what the hook said is not in the journal: %s", said)
	}
	e.at(t, "")
	a.start(t)
	e.becomes(t, "lab1 take")
	e.at(t, "lab1")
	await(t, "the note", func() (string, bool) {
		s, err := edge.Read(a.root)
		return fmt.Sprintf("%+v, %v", s, err), s == edge.State{Here: true, Holder: "lab1"}
	})
	for _, n := range e.nodes {
		n.end(syscall.SIGTERM)
	}
	e.becomes(t, "lab1 release")
	e.at(t, "")
}

// TestEdge: the real program, with real hooks and signals, at what answers for
// the API.
func TestEdge(t *testing.T) {
	if testing.Short() {
		t.Skip("takes two minutes")
	}
	need.Root(t)
	need.Tool(t, "ip")
	root := labMachine(t, t, "lab0")
	api := &leaseAPI{t: t, object: map[string]any{"metadata": map[string]any{"resourceVersion": "1", "labels": map[string]any{"theirs": "stays"}}}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	pair, err := tls.LoadX509KeyPair(root+"/etc/kubernetes/pki/apiserver.crt", root+"/etc/kubernetes/pki/apiserver.key")
	must(t, err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(readFile(t, root, "/etc/kubernetes/pki/ca.crt")))
	serve(t, l, &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert, ClientCAs: pool,
	}, api.serve)
	newEdges(t, func() (net.Conn, error) { return net.Dial("tcp", l.Addr().String()) }).moves(t)
	if meta := api.object["metadata"].(map[string]any); fmt.Sprint(meta["labels"]) != "map[theirs:stays]" {
		t.Errorf("of the metadata is left: %v", meta)
	}
}

// leaseAPI is kube-apiserver's part in it: one Lease, which is changed by merge
// patches (RFC 7386) that name the version that they were made from.
type leaseAPI struct {
	t      *testing.T
	mu     sync.Mutex
	object map[string]any
}

func (a *leaseAPI) serve(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	answer := func(status int, object any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(object) // the client may be gone
	}
	who := r.TLS.PeerCertificates[0].Subject.CommonName
	switch {
	case r.URL.Path != "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/ingot-edge" || who != "system:kube-proxy":
		answer(http.StatusForbidden, map[string]string{"message": who + " may not"})
	case r.Method == http.MethodGet:
		answer(http.StatusOK, a.object)
	case r.Method == http.MethodPatch && r.Header.Get("Content-Type") == "application/merge-patch+json":
		var change map[string]any
		if err := json.NewDecoder(r.Body).Decode(&change); err != nil {
			answer(http.StatusBadRequest, nil)
			return
		}
		meta := a.object["metadata"].(map[string]any)
		version := meta["resourceVersion"].(string)
		if change["metadata"].(map[string]any)["resourceVersion"] != version {
			answer(http.StatusConflict, map[string]string{"message": "the object has been modified"})
			return
		}
		merge(a.object, change)
		number, _ := strconv.Atoi(version)
		meta["resourceVersion"] = strconv.Itoa(number + 1)
		answer(http.StatusOK, a.object)
	default:
		answer(http.StatusMethodNotAllowed, nil)
	}
}

func merge(to, change map[string]any) {
	for key, value := range change {
		inner, isMap := value.(map[string]any)
		old, wasMap := to[key].(map[string]any)
		switch {
		case value == nil:
			delete(to, key)
		case isMap && wasMap:
			merge(old, inner)
		default:
			to[key] = value
		}
	}
}

// TestEdgeKubernetes: the same at a real kube-apiserver and etcd, with the
// rights of the image's manifest and no more.
func TestEdgeKubernetes(t *testing.T) {
	c := newController(t)
	c.start(t)
	await(t, "the API", func() (string, bool) {
		out, err := c.kubectl(t, "", "get", "--raw", "/readyz")
		return out, err == nil
	})
	manifest, err := os.ReadFile("../provisioners/nodecare/edge.yaml")
	must(t, err)
	write(t, c.root, "/usr/lib/ingot/addons/01-edge.yaml", 0o644, manifest)
	apply := func() {
		if text, ok := c.ingot(t, "addons", "--once"); !ok {
			t.Fatal(text)
		}
	}
	await(t, "the add-ons", func() (string, bool) { return c.ingot(t, "addons", "--once") })
	dial := func() (conn net.Conn, err error) {
		within(t, c.netns, func() { conn, err = net.Dial("tcp", "127.0.0.1:6443") })
		return conn, err
	}
	e := newEdges(t, dial)
	e.moves(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = l.Close() }() // nothing is left to do
	e.balance(l, dial)
	mayNoMore(t, c.root, l.Addr().String())

	// A controller that applies its manifests again takes nothing from the holder.
	e.nodes[0].start(t)
	e.becomes(t, "lab1 take")
	apply()
	e.still(t, 4*edge.Period)
	const holder = "jsonpath={.spec.holderIdentity} {.spec.leaseDurationSeconds}"
	if out, err := c.kubectl(t, "", "-n", edge.Namespace, "get", "lease", edge.Name, "-o", holder); err != nil || out != "lab1 30" {
		t.Errorf("the Lease: %v: %s", err, out)
	}
	e.nodes[0].end(syscall.SIGTERM)
}

// mayNoMore: the certificate may change that Lease, no other and nothing else
// of it; the kubelet's may not; and a version that is not the Lease's is refused.
func mayNoMore(t *testing.T, root, address string) {
	t.Helper()
	for _, q := range []struct {
		credential, namespace, name, version string
		want                                 int
	}{
		{"proxy", edge.Namespace, edge.Name, "1", http.StatusConflict},
		{"proxy", edge.Namespace, "other", "1", http.StatusForbidden},
		{"proxy", "kube-node-lease", "lab0", "1", http.StatusForbidden},
		{"kubelet-client", edge.Namespace, edge.Name, "1", http.StatusForbidden},
		{"dns", edge.Namespace, edge.Name, "1", http.StatusForbidden},
	} {
		client := kubeapi.New(kubeapi.Config{Root: root, Address: address, Credential: q.credential})
		_, err := client.PatchLease(t.Context(), q.namespace, q.name, &kubeapi.Lease{Version: q.version, Holder: "x", Duration: edge.Duration})
		var status *kubeapi.StatusError
		if !errors.As(err, &status) || status.Code != q.want {
			t.Errorf("%s at %s/%s: %v, want %d", q.credential, q.namespace, q.name, err, q.want)
		}
	}
}
