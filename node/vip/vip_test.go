package vip_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/node/vip"
)

// TestJudge: one bad answer moves nothing, three in a row do, and two good ones
// are enough to come back.
func TestJudge(t *testing.T) {
	var j vip.Judge
	const answers = "+-++ +--+---- +-++ +"
	const want = "...H HHHHHH.. ...H H"
	var got strings.Builder
	for _, a := range answers {
		switch {
		case a == ' ':
			got.WriteByte(' ')
		case j.Next(a == '+'):
			got.WriteByte('H')
		default:
			got.WriteByte('.')
		}
	}
	if got.String() != want {
		t.Errorf("got  %q\nwant %q", got.String(), want)
	}
}

const key = "-----BEGIN RSA PUBLIC KEY-----\na2V5\n-----END RSA PUBLIC KEY-----\n"

func TestFiles(t *testing.T) {
	s := vip.Settings{
		Name: "lab_1", Rank: 1, Address: netip.MustParseAddr("fd42::ff:fe"), Port: 656, MTU: 1400, Key: "/etc/tinc/mesh0/rsa_key.priv",
		Host: []byte("Address = 192.0.2.1 656\nSubnet = fd42::1/128\n" + key),
	}
	files, scripts, err := s.Files()
	if err != nil || !slices.Equal(scripts, []string{"tinc-up"}) {
		t.Fatal(scripts, err)
	}
	want := map[string]string{
		"tinc.conf": `Name = lab_1_VIP
Mode = router
Device = /dev/net/tun
Interface = ingot-vip
PrivateKeyFile = /etc/tinc/mesh0/rsa_key.priv
AddressFamily = ipv4
BindToAddress = 127.0.0.1 0
TCPOnly = yes
ConnectTo = lab_1
MaxTimeout = 5
PingInterval = 10
PingTimeout = 5
`,
		"tinc-up":         "#!/bin/sh\nset -e\nip link set \"$INTERFACE\" mtu 1400 up\nip address replace fd42::ff:fe/128 dev \"$INTERFACE\" nodad\n",
		"hosts/lab_1":     "Address = 127.0.0.1 656\n" + key,
		"hosts/lab_1_VIP": "Subnet = fd42::ff:fe/128#11\n" + key,
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, change := range map[string]func(*vip.Settings){
		"no key":     func(s *vip.Settings) { s.Host = []byte("Port = 655\n") },
		"no address": func(s *vip.Settings) { s.Address = netip.Addr{} },
		"no port":    func(s *vip.Settings) { s.Port = 0 },
		"no name":    func(s *vip.Settings) { s.Name = "" },
	} {
		bad := s
		change(&bad)
		if _, _, err := bad.Files(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
