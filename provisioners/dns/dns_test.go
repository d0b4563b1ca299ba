package dns_test

import (
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/provisioners/dns"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
)

func TestLayer(t *testing.T) { sample.Golden(t, dns.Layer) }

func TestUnits(t *testing.T) {
	for _, name := range []string{"prod", "ipv6"} {
		l := dns.Layer(sample.Cluster(t, name))
		sample.Verify(t, l)
		sample.Exposure(t, l, "coredns.service", 1.6)
		sample.Exposure(t, l, "ingot-dns.service", 2.6)
	}
}

func TestUpstream(t *testing.T) {
	for more, want := range map[string]string{
		"": "forward . 127.0.0.53 {",
		"dns: {upstream: [203.0.113.53, \"2001:db8::53\"]}\n": "forward . 203.0.113.53 2001:db8::53 {",
	} {
		corefile := string(sample.File(t, dns.Layer(sample.Parse(t, more)), "/usr/lib/ingot/coredns/Corefile"))
		if !strings.Contains(corefile, want) {
			t.Errorf("no %q in\n%s", want, corefile)
		}
	}
}
