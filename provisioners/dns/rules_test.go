package dns_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
	"github.com/ingot-k8s/ingot/provisioners/dns"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
)

// TestAddresses runs what the unit runs, twice and back, in a network of its
// own, with rules beside it that drop new connections to Services as kube-proxy
// does.
func TestAddresses(t *testing.T) {
	netns := need.Netns(t, 1)[0]
	ip, nft := need.Tool(t, "ip"), need.Tool(t, "nft")
	l := dns.Layer(sample.Cluster(t, "prod"))
	rules := filepath.Join(t.TempDir(), "rules")
	if err := os.WriteFile(rules, sample.File(t, l, "/usr/lib/ingot/coredns/notrack.nft"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := func(args ...string) error {
		out, err := exec.Command(ip, append([]string{"netns", "exec", netns}, args...)...).CombinedOutput()
		if err != nil {
			t.Logf("%q: %v: %s", args, err, out)
		}
		return err
	}
	commands := regexp.MustCompile(`(?m)^Exec(Start|Stop)=(-?)(/\S+) (.*)$`).FindAllStringSubmatch(l.Units[0].Content, -1)
	if len(commands) < 5 {
		t.Fatalf("found %d commands", len(commands))
	}
	run := func(kind string) {
		t.Helper()
		for _, m := range commands {
			if m[1] != kind {
				continue
			}
			program := map[string]string{"/usr/bin/ip": ip, "/usr/sbin/nft": nft}[m[3]]
			if program == "" {
				t.Fatalf("%s is neither ip nor nft", m[3])
			}
			// Not every kernel that runs tests has dummy interfaces.
			args := strings.Fields(strings.NewReplacer("/usr/lib/ingot/coredns/notrack.nft", rules, "type dummy", "type bridge").Replace(m[4]))
			if err := in(append([]string{program}, args...)...); err != nil && m[2] == "" {
				t.Errorf("%s: %v", m[0], err)
			}
		}
	}
	ask := []string{need.Tool(t, "python3"), "-c", "import socket as s\na=('10.96.0.10',53)\nq=s.socket(s.AF_INET,s.SOCK_DGRAM);q.bind(a)\n" +
		"c=s.socket(s.AF_INET,s.SOCK_DGRAM);c.settimeout(1);c.sendto(b'x',a)\nq.settimeout(1);d,f=q.recvfrom(9);q.sendto(d,f);c.recv(9)\n"}
	if err := in(nft, "add table ip proxy; add chain ip proxy out { type filter hook output priority 0; }; "+
		"add rule ip proxy out ct state new ip daddr 10.96.0.0/16 drop"); err != nil {
		t.Fatal(err)
	}
	run("Start")
	run("Start")
	if err := in(ask...); err != nil {
		t.Error("the machine does not reach its own DNS")
	}
	if err := in(nft, "delete table inet ingot_dns"); err != nil {
		t.Fatal(err)
	}
	if err := in(ask...); err == nil {
		t.Error("without the rules it is reached too, so this test finds nothing")
	}
	run("Start")
	run("Stop")
	if err := in(ask...); err == nil {
		t.Error("the address is left when the unit has stopped")
	}
}
