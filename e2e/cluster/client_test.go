package cluster_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// How the client tries, by the machines' clock. One request is on its way at a
// time, so that machines which are slow are not flooded.
const (
	clientPause = 100 * time.Millisecond
	clientLimit = 5 * time.Second
)

// client writes to the API and asks the Service, from outside, for as long as
// it runs, and keeps account of what failed.
type client struct {
	s        *suite
	api      *http.Client
	server   string
	counters string // URL of the object that is written

	stop context.CancelFunc
	done sync.WaitGroup

	mu           sync.Mutex
	acknowledged int // the last number that the API said it has
	writes, web  account
}

// account counts requests of one kind.
type account struct {
	tried, failed int
	last          time.Time // of the last success
	longest       time.Duration
	since         time.Duration // longest since the last look
	why           string        // of the last failure
}

// note takes the outcome of one request.
func (a *account) note(now time.Time, err error) {
	a.tried++
	if err != nil {
		a.failed++
		a.why = err.Error()
		return
	}
	if gap := now.Sub(a.last); !a.last.IsZero() {
		a.longest, a.since = max(a.longest, gap), max(a.since, gap)
	}
	a.last = now
}

func (a *account) String() string {
	text := fmt.Sprintf("%d requests, %d failed, longest gap %.1f s", a.tried, a.failed, a.longest.Seconds())
	if a.why != "" {
		text += ", last failure: " + a.why
	}
	return text
}

// kubeconfig is what is read of one.
type kubeconfig struct {
	Clusters []struct {
		Cluster struct {
			Server string `yaml:"server"`
			CA     string `yaml:"certificate-authority-data"`
		} `yaml:"cluster"`
	} `yaml:"clusters"`
	Users []struct {
		User struct {
			Certificate string `yaml:"client-certificate-data"`
			Key         string `yaml:"client-key-data"`
		} `yaml:"user"`
	} `yaml:"users"`
}

// admin is the API's URL as the admin's kubeconfig has it, and the TLS that it
// is spoken to with.
func (s *suite) admin(t *testing.T) (string, *tls.Config) {
	t.Helper()
	data, err := os.ReadFile(s.lab.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	var k kubeconfig
	if err := yaml.Unmarshal(data, &k); err != nil || len(k.Clusters) != 1 || len(k.Users) != 1 {
		t.Fatalf("%s: %v, %d clusters, %d users", s.lab.Kubeconfig(), err, len(k.Clusters), len(k.Users))
	}
	decode := func(text string) []byte {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	cert, err := tls.X509KeyPair(decode(k.Users[0].User.Certificate), decode(k.Users[0].User.Key))
	if err != nil {
		t.Fatal(err)
	}
	cfg := &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if !cfg.RootCAs.AppendCertsFromPEM(decode(k.Clusters[0].Cluster.CA)) {
		t.Fatal("the kubeconfig has no authority")
	}
	return k.Clusters[0].Cluster.Server, cfg
}

// startClient begins.
func (s *suite) startClient(t *testing.T) {
	t.Helper()
	server, cfg := s.admin(t)
	c := &client{s: s, server: server, api: &http.Client{Transport: &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}}}
	c.counters = server + "/api/v1/namespaces/web/configmaps"
	if _, err := c.do(t.Context(), http.MethodPost, c.counters, "application/json",
		`{"metadata":{"name":"counter"},"data":{"n":"0"}}`); err != nil {
		t.Fatal(err)
	}
	c.counters += "/counter"
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	c.done.Go(func() { c.loop(ctx, &c.writes, c.write) })
	c.done.Go(func() { c.loop(ctx, &c.web, c.visit) })
	s.client = c
	s.t.Cleanup(c.end)
}

// end stops the client.
func (c *client) end() {
	c.stop()
	c.done.Wait()
}

func (c *client) loop(ctx context.Context, a *account, try func(ctx context.Context, n int) error) {
	for n := 1; ctx.Err() == nil; n++ {
		limited, cancel := context.WithTimeout(ctx, c.s.paced(clientLimit))
		err := try(limited, n)
		cancel()
		if ctx.Err() != nil {
			return
		}
		c.mu.Lock()
		a.note(time.Now(), err)
		c.mu.Unlock()
		if err != nil {
			c.api.CloseIdleConnections() // as a client that comes back would
		}
		select {
		case <-ctx.Done():
		case <-time.After(c.s.paced(clientPause)):
		}
	}
}

// do is one request to the API.
func (c *client) do(ctx context.Context, method, url, kind, body string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", kind)
	resp, err := c.api.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s %s: %s: %.200s", method, url, resp.Status, data)
	}
	return string(data), nil
}

// write has the API keep a number.
func (c *client) write(ctx context.Context, n int) error {
	if _, err := c.do(ctx, http.MethodPatch, c.counters, "application/merge-patch+json", `{"data":{"n":"`+strconv.Itoa(n)+`"}}`); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acknowledged = n
	return nil
}

// visit asks the Service through a node of the definition. Which one is tried
// first goes round; another is asked where the first does not answer, as a
// client with all of their addresses would.
func (c *client) visit(ctx context.Context, n int) error {
	var last error
	nodes := c.s.def.Nodes
	for i := range nodes {
		node := &nodes[(n+i)%len(nodes)]
		if node.Spare {
			continue
		}
		if last = c.s.web(ctx, node.Spec.Address); last == nil {
			return nil
		}
	}
	return last
}

// web asks the Service at a node from outside.
func (s *suite) web(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	transport := &http.Transport{DisableKeepAlives: true, DialContext: s.lab.Segment().DialContext}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(address, strconv.Itoa(nodePort))+"/", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", address, resp.Status)
	}
	return nil
}

// nothingLost checks that the API has the last number that it acknowledged, or
// a later one that was on its way.
func (c *client) nothingLost(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	acknowledged := c.acknowledged
	c.mu.Unlock()
	c.s.eventually(t, "the counter can be read", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, c.s.paced(2*clientLimit))
		defer cancel()
		text, err := c.do(ctx, http.MethodGet, c.counters, "application/json", "")
		if err != nil {
			return err
		}
		var object struct {
			Data map[string]string `yaml:"data"`
		}
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			return err
		}
		if n, err := strconv.Atoi(object.Data["n"]); err != nil || n < acknowledged {
			t.Fatalf("the API had acknowledged %d, and has %q", acknowledged, object.Data["n"])
		}
		return nil
	})
}

// works waits until both kinds of requests succeed again, and tells of the
// longest gaps since the last call.
func (c *client) works(t *testing.T) {
	t.Helper()
	began := time.Now()
	c.s.eventually(t, "API and Service answer", func(context.Context) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		for what, a := range map[string]*account{"API": &c.writes, "Service": &c.web} {
			if !a.last.After(began) {
				return fmt.Errorf("%s: %s", what, a)
			}
		}
		return nil
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	t.Logf("longest gaps: API %.1f s, Service %.1f s", c.writes.since.Seconds(), c.web.since.Seconds())
	c.writes.since, c.web.since = 0, 0
}

// addressOf is a node's address in the mesh.
func (s *suite) addressOf(name string) netip.Addr {
	for i := range s.def.Nodes {
		if s.def.Nodes[i].Name == name {
			return s.def.Nodes[i].MeshIP()
		}
	}
	return netip.Addr{}
}
