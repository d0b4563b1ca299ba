package ignition_test

import (
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/ignition"
)

// NetworkManager refuses a connection that has names or servers for a family
// that it has disabled: "ipv4.dns: this property is not allowed for
// 'method=disabled'" (nmcli --offline, 1.42). Then the machine has no network.
func TestKeyfileDisabledFamily(t *testing.T) {
	dns, search := []string{"192.0.2.53", "2001:db8::53"}, []string{"example.com"}
	for name, tc := range map[string]struct {
		link       cluster.Interface
		ipv4, ipv6 string
	}{
		"IPv6 alone": {
			cluster.Interface{Name: "lan0", Addresses: []string{"2001:db8::10/64"}, Gateways: []string{"2001:db8::1"}},
			"method=disabled\n", "address1=2001:db8::10/64,2001:db8::1\nmethod=manual\ndns=2001:db8::53;\ndns-search=example.com;\n",
		},
		"IPv4 alone": {
			cluster.Interface{Name: "lan0", Addresses: []string{"192.0.2.10/24"}, Routes: []cluster.Route{{To: "198.51.100.0/24", Via: "192.0.2.1"}}},
			"address1=192.0.2.10/24\nmethod=manual\ndns=192.0.2.53;\ndns-search=example.com;\nroute1=198.51.100.0/24,192.0.2.1\n",
			"method=auto\ndns=2001:db8::53;\ndns-search=example.com;\n",
		},
		"DHCP": {
			cluster.Interface{Name: "lan0", DHCP: true},
			"method=auto\ndns=192.0.2.53;\ndns-search=example.com;\n", "method=auto\ndns=2001:db8::53;\ndns-search=example.com;\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			network := &cluster.Network{Interfaces: []cluster.Interface{tc.link}, DNS: dns, Search: search}
			for _, f := range ignition.NetworkFiles(network) {
				if !strings.HasSuffix(f.Path, ".nmconnection") {
					continue
				}
				_, sections, _ := strings.Cut(string(f.Data), "\n[ipv4]\n")
				ipv4, ipv6, _ := strings.Cut(sections, "\n[ipv6]\n")
				if ipv4 != tc.ipv4 {
					t.Errorf("ipv4: got\n%swant\n%s", ipv4, tc.ipv4)
				}
				if ipv6 != tc.ipv6 {
					t.Errorf("ipv6: got\n%swant\n%s", ipv6, tc.ipv6)
				}
			}
		})
	}
}
