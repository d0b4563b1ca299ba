package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/lab"
)

// nodes are the machines of the definition; all have all roles.
var nodes = []string{"lab0", "lab1", "lab2"}

// TestCluster brings a cluster up and breaks it, one step after the other.
func TestCluster(t *testing.T) {
	s := newSuite(t)
	s.basis("up", s.up)
	s.step("mesh", s.mesh)
	s.step("etcd", s.etcd)
	s.step("nodes", s.nodesAsDefined)
	s.step("API", s.everyAPI)
	s.basis("workload", s.workloadRuns)
	s.step("services", s.services)
	s.step("outside", s.closedOutside)
	s.step("access", s.access)
	s.basis("client", s.startClient)
	s.step("split", s.split)
	s.step("floating address", s.floating)
	s.step("leave and join", s.leaveAndJoin)
	s.step("power cut of one", s.powerCutOfOne)
	s.basis("power cut of all", s.powerCutOfAll)
	s.step("new disk and spare", s.newDiskAndSpare)
	s.step("wrong machines", s.wrongMachines)
	s.step("clone", s.clone)
	s.step("report", s.report)
}

// up waits until the cluster is there.
func (s *suite) up(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*stepTime)
	defer cancel()
	if err := s.lab.WaitHealthy(ctx); err != nil {
		t.Fatal(err)
	}
	status := s.lab.Status()
	for _, m := range status.Machines {
		if m.Power == lab.PowerOn {
			t.Logf("%s: Ready %.0f s after its power was turned on", m.Name, m.ReadyAt.Sub(m.Since).Seconds())
			s.upload(t, m.Name)
		}
	}
}

// mesh: every node reaches every other's address in the mesh.
func (s *suite) mesh(t *testing.T) {
	for _, from := range nodes {
		for _, to := range nodes {
			if from == to {
				continue
			}
			// The kubelet listens there, and asks who it is.
			code, _, err := s.ask(t.Context(), from, net.JoinHostPort(s.addressOf(to).String(), "10250"), "/healthz", s.as(t, from, kubeCA, ""))
			if err != nil || code != http.StatusUnauthorized {
				t.Errorf("%s to %s: %d, %v", from, to, code, err)
			}
		}
	}
}

// etcd: three healthy members, which speak TLS with those of their authority
// alone.
func (s *suite) etcd(t *testing.T) {
	said := s.run(t, nodes[0], etcdctl+"endpoint health --cluster")
	if n := strings.Count(said, "is healthy"); n != len(nodes) {
		t.Errorf("%d members are healthy:\n%s", n, said)
	}
	member := net.JoinHostPort(s.addressOf(nodes[1]).String(), "2379")
	if code, _, err := s.ask(t.Context(), nodes[0], member, "/version", s.as(t, nodes[0], etcdCA, "/etc/etcd/pki/server")); err != nil || code != http.StatusOK {
		t.Errorf("with a certificate of the authority: %d, %v", code, err)
	}
	if code, _, err := s.ask(t.Context(), nodes[0], member, "/version", nil); err == nil && code == http.StatusOK {
		t.Errorf("without TLS: %d", code)
	}
	foreign := s.as(t, nodes[0], etcdCA, "/etc/kubernetes/pki/kubelet-client")
	if code, _, err := s.ask(t.Context(), nodes[0], member, "/version", foreign); err == nil {
		t.Errorf("with a certificate of another authority: %d", code)
	}
	if code, _, err := s.ask(t.Context(), nodes[0], member, "/version", s.as(t, nodes[0], etcdCA, "")); err == nil {
		t.Errorf("without a certificate: %d", code)
	}
}

// object is what is read of objects of the API.
type object struct {
	Metadata struct {
		Name   string            `json:"name"`
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		NodeInfo struct {
			KubeletVersion string `json:"kubeletVersion"`
		} `json:"nodeInfo"`
		PodIP      string `json:"podIP"`
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

func (o *object) ready() bool {
	for _, c := range o.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// list lists objects.
func (s *suite) list(ctx context.Context, args ...string) ([]object, error) {
	said, err := s.kubectl(ctx, append([]string{"get", "-o", "json"}, args...)...)
	if err != nil {
		return nil, err
	}
	var out struct {
		Items []object `json:"items"`
	}
	return out.Items, json.Unmarshal([]byte(said), &out)
}

// nodesAsDefined: versions and labels are those of the definition, and no unit
// has failed.
func (s *suite) nodesAsDefined(t *testing.T) {
	for _, node := range nodes {
		if failed := s.run(t, node, "systemctl list-units --failed --plain --no-legend"); failed != "" {
			t.Errorf("%s: failed units:\n%s", node, failed)
		}
	}
	zones := map[string]string{}
	for i := range s.def.Nodes {
		zones[s.def.Nodes[i].Name] = s.def.Nodes[i].Spec.Zone
	}
	// The controllers set the labels of roles, some time after the API is there.
	s.eventually(t, "nodes as defined", func(ctx context.Context) error {
		list, err := s.list(ctx, "nodes")
		if err != nil {
			return err
		}
		if len(list) != len(nodes) {
			return fmt.Errorf("%d nodes", len(list))
		}
		for _, n := range list {
			want := map[string]string{
				"example.com/lab": "yes", "topology.kubernetes.io/zone": zones[n.Metadata.Name],
				"node-role.kubernetes.io/controller": "", "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/edge": "",
			}
			for key, value := range want {
				if got, ok := n.Metadata.Labels[key]; !ok || got != value {
					return fmt.Errorf("%s: label %s is %q, want %q", n.Metadata.Name, key, got, value)
				}
			}
			if got := n.Status.NodeInfo.KubeletVersion; got != s.def.Def.Kubernetes.Version || !n.ready() {
				return fmt.Errorf("%s: kubelet %s, Ready %t", n.Metadata.Name, got, n.ready())
			}
		}
		return nil
	})
}

// everyAPI: each controller, the local endpoint of each node, and the virtual
// address, seen from each node, and from outside by kubectl.
func (s *suite) everyAPI(t *testing.T) {
	if said, err := s.kubectl(t.Context(), "auth", "can-i", "*", "*"); err != nil || strings.TrimSpace(said) != "yes" {
		t.Errorf("the admin from outside: %q, %v", said, err)
	}
	_, admin := s.admin(t)
	api := s.def.Def.API
	for _, from := range nodes {
		addresses := []string{net.JoinHostPort("127.0.0.1", strconv.Itoa(api.LocalPort)), net.JoinHostPort(s.def.VIP.String(), strconv.Itoa(api.Port))}
		for _, to := range nodes {
			addresses = append(addresses, net.JoinHostPort(s.addressOf(to).String(), strconv.Itoa(api.Port)))
		}
		for _, address := range addresses {
			code, body, err := s.ask(t.Context(), from, address, "/readyz", admin)
			if err != nil || code != http.StatusOK || body != "ok" {
				t.Errorf("from %s to %s: %d, %q, %v", from, address, code, body, err)
			}
		}
	}
}

// pods waits for the workload's three pods on as many nodes as are given.
func (s *suite) pods(t *testing.T, where ...string) []object {
	t.Helper()
	var pods []object
	s.eventually(t, "three pods on "+strings.Join(where, ", "), func(ctx context.Context) error {
		list, err := s.list(ctx, "pods", "--namespace=web", "--selector=app=web")
		if err != nil {
			return err
		}
		pods = slices.DeleteFunc(list, func(p object) bool { return !p.ready() })
		on := map[string]bool{}
		for _, p := range pods {
			on[p.Spec.NodeName] = true
		}
		for _, node := range where {
			if !on[node] {
				return fmt.Errorf("no pod is ready on %s; on %v", node, on)
			}
		}
		if len(pods) != 3 || len(on) != len(where) {
			return fmt.Errorf("%d pods are ready, on %v", len(pods), on)
		}
		return nil
	})
	return pods
}

// workloadRuns: what the add-ons brought runs, spread over the nodes, and is
// reached from outside.
func (s *suite) workloadRuns(t *testing.T) {
	s.pods(t, nodes...)
	for i := range s.def.Nodes {
		if n := &s.def.Nodes[i]; !n.Spare {
			s.eventually(t, "NodePort at "+n.Name, func(ctx context.Context) error { return s.web(ctx, n.Spec.Address) })
		}
	}
}

// inPod runs the workload's program in a pod.
func (s *suite) inPod(ctx context.Context, pod *object, want string, args ...string) error {
	said, err := s.kubectl(ctx, append([]string{"--namespace=web", "exec", pod.Metadata.Name, "--", "/workload"}, args...)...)
	if err == nil && !regexp.MustCompile(want).MatchString(said) {
		err = fmt.Errorf("it says %q", said)
	}
	if err != nil {
		return fmt.Errorf("%s on %s: %q: %w", pod.Metadata.Name, pod.Spec.NodeName, args, err)
	}
	return nil
}

// services: the pods find and reach each other.
func (s *suite) services(t *testing.T) {
	pods := s.pods(t, nodes...)
	domain := s.def.Def.Kubernetes.ClusterDomain
	for i := range pods {
		pod, other := &pods[i], &pods[(i+1)%len(pods)]
		inPod := func(want string, args ...string) {
			t.Helper()
			if err := s.inPod(t.Context(), pod, want, args...); err != nil {
				t.Error(err)
			}
		}
		// The node is Ready before its DNS has read all Services.
		s.eventually(t, "DNS at "+pod.Spec.NodeName, func(ctx context.Context) error {
			return s.inPod(ctx, pod, `^10\.96\.`, "resolve", "web")
		})
		inPod(`^10\.96\.0\.1\n$`, "resolve", "kubernetes.default.svc."+domain)
		inPod(`^web-\S+ lab\d\n$`, "get", "http://web.web.svc."+domain+"/")
		// A megabyte goes in packets as large as the mesh takes them.
		inPod(`^1000000 bytes\n$`, "get", "http://"+net.JoinHostPort(other.Status.PodIP, "8080")+"/bytes/1000000")
		if said, err := s.kubectl(t.Context(), "--namespace=web", "logs", pod.Metadata.Name); err != nil || !strings.HasPrefix(said, "serving as "+pod.Metadata.Name+" on "+pod.Spec.NodeName) {
			t.Errorf("logs of %s: %q, %v", pod.Metadata.Name, said, err)
		}
		// Nodes reach the pods of others.
		for _, from := range nodes {
			if code, _, err := s.ask(t.Context(), from, net.JoinHostPort(pod.Status.PodIP, "8080"), "/", nil); err != nil || code != http.StatusOK {
				t.Errorf("from %s to pod %s on %s: %d, %v", from, pod.Status.PodIP, pod.Spec.NodeName, code, err)
			}
		}
	}
	s.portForward(t, pods[0].Metadata.Name)
}

// portForward reaches a pod through the API.
func (s *suite) portForward(t *testing.T, pod string) {
	ctx, cancel := context.WithTimeout(t.Context(), shellTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.made.kubectl, "--kubeconfig", s.lab.Kubeconfig(), "--namespace=web", "port-forward", "pod/"+pod, ":8080")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = cmd.Wait() // it was ended
	}()
	line := make([]byte, 200)
	n, err := out.Read(line)
	m := regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+) -> 8080`).FindSubmatch(line[:n])
	if m == nil {
		t.Fatalf("port-forward says %q, %v", line[:n], err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+string(m[1])+"/", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // the status is what matters
	if resp.StatusCode != http.StatusOK {
		t.Errorf("port-forward: %s", resp.Status)
	}
}

// report tells what the machines use.
func (s *suite) report(t *testing.T) {
	s.client.end()
	s.client.nothingLost(t)
	t.Logf("API writes: %s", &s.client.writes)
	t.Logf("Service:    %s", &s.client.web)
	for _, m := range s.lab.Status().Machines {
		if m.Power == lab.PowerOn {
			t.Logf("%s:\n%s", m.Name, s.run(t, m.Name, "free -m; df -h /var | tail -n 1; uptime; ps -eo rss,time,comm --sort=-rss | head -n 12"))
		}
	}
	t.Logf("all steps:\n%s\nin all %.0f s", strings.Join(s.results, "\n"), time.Since(s.began).Seconds())
}
