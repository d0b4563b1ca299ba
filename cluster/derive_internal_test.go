package cluster

import (
	"bytes"
	"net/netip"
	"reflect"
	"testing"
)

func TestNth(t *testing.T) {
	for _, tc := range []struct {
		prefix string
		i      int
		want   string
	}{
		{"10.42.0.0/16", 0, "10.42.0.0"},
		{"10.42.0.0/16", 1, "10.42.0.1"},
		{"10.42.0.0/16", 256, "10.42.1.0"},
		{"10.42.0.0/16", 65535, "10.42.255.255"},
		{"10.42.0.0/16", 65536, ""},
		{"10.42.1.2/16", 3, "10.42.0.3"},
		{"10.42.0.128/25", 5, "10.42.0.133"},
		{"255.255.255.0/24", 256, ""},
		{"fd42::/64", 10, "fd42::a"},
		{"fd42::/64", 65536, "fd42::1:0"},
		{"fd42::/120", 256, ""},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ff00/120", 256, ""},
	} {
		a, ok := nth(netip.MustParsePrefix(tc.prefix), tc.i)
		if got := a.String(); ok != (tc.want != "") || ok && got != tc.want {
			t.Errorf("address %d of %s: %s, %v; want %q", tc.i, tc.prefix, got, ok, tc.want)
		}
	}
}

func TestPodRange(t *testing.T) {
	for _, tc := range []struct {
		prefix string
		i      int
		want   string
	}{
		{"10.244.0.0/16", 1, "10.244.1.0/24"},
		{"10.244.0.0/16", 255, "10.244.255.0/24"},
		{"10.244.0.0/16", 256, ""},
		{"10.244.16.0/20", 15, "10.244.31.0/24"},
		{"10.244.16.0/20", 16, ""},
		{"10.0.0.0/8", 5500, "10.21.124.0/24"},
		{"10.244.3.0/24", 0, "10.244.3.0/24"},
		{"10.244.3.0/24", 1, ""},
		{"10.244.3.0/25", 0, ""},
		{"fd44::/48", 1, "fd44:0:0:1::/64"},
		{"fd44::/48", 65535, "fd44:0:0:ffff::/64"},
		{"fd44::/48", 65536, ""},
		{"fd44::/16", 65536, "fd44:0:1::/64"},
		{"fd44::/64", 1, ""},
		{"fd44::/65", 0, ""},
	} {
		p, ok := podRange(netip.MustParsePrefix(tc.prefix), tc.i)
		if got := p.String(); ok != (tc.want != "") || ok && got != tc.want {
			t.Errorf("range %d of %s: %s, %v; want %q", tc.i, tc.prefix, got, ok, tc.want)
		}
	}
}

func TestLastAddr(t *testing.T) {
	for prefix, want := range map[string]string{
		"10.42.0.0/16": "10.42.255.254", "10.42.0.0/30": "10.42.0.2", "10.42.0.8/29": "10.42.0.14", "0.0.0.0/0": "255.255.255.254",
		"fd42::/64": "fd42::ffff:ffff:ffff:ffff", "fd42::/127": "fd42::1",
	} {
		if got := lastAddr(netip.MustParsePrefix(prefix)).String(); got != want {
			t.Errorf("last address of %s: %s, want %s", prefix, got, want)
		}
	}
}

func TestRoom(t *testing.T) {
	for _, tc := range []struct {
		name, mesh, pods string
		want             room
	}{
		{"pods are fewer", "10.42.0.0/16", "10.244.0.0/16", room{254, 254}}, // no .0 and .255
		{"mesh is smaller", "10.42.0.0/28", "10.0.0.0/9", room{13, 13}},     // the last one is virtual
		{"as many as there may be", "10.42.0.0/16", "10.128.0.0/9", room{5458, 5500}},
		{"IPv6 has no .255", "fd42::/64", "fd44::/48", room{5500, 5500}},
		{"none", "10.42.0.0/31", "10.244.0.0/16", room{}},
	} {
		mesh := netip.MustParsePrefix(tc.mesh)
		r := ranges{mesh: []netip.Prefix{mesh}, pods: []netip.Prefix{netip.MustParsePrefix(tc.pods)}, vip: lastAddr(mesh)}
		if got := r.room(); got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, got, tc.want)
		}
	}
}

// TestDefaultsOnce: applying the defaults twice is the same as once, and
// leaves what is given.
func TestDefaultsOnce(t *testing.T) {
	var once Definition
	ApplyDefaults(&once)
	twice := once
	ApplyDefaults(&twice)
	if !reflect.DeepEqual(once, twice) {
		t.Errorf("once %+v, twice %+v", once, twice)
	}
	given := Definition{Image: Image{Targets: []string{"metal"}}, Mesh: Mesh{Port: 1}}
	ApplyDefaults(&given)
	if given.Mesh.Port != 1 || given.Image.Kernel != "generic" || len(given.Image.Targets) != 1 {
		t.Errorf("port %d, image %+v", given.Mesh.Port, given.Image)
	}
}

// FuzzLedger: a ledger that is read is written as one that reads the same.
func FuzzLedger(f *testing.F) {
	for _, seed := range []string{"", "a: 1\nb: 2\n", "# c\n\r\na:1\n", "\xef\xbb\xbfa: 1", "a: 1\na: 1\n", "<<<<<<< x\n", "a: 0x1", "a: +1", "null: 5500"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := parseIndexes(data)
		if err != nil {
			if x != nil {
				t.Fatalf("both %v and %v", x, err)
			}
			return
		}
		back, err := parseIndexes(x.Encode())
		if err != nil || !reflect.DeepEqual(x, back) || !bytes.Equal(x.Encode(), back.Encode()) {
			t.Fatalf("%v reads back as %v, %v", x, back, err)
		}
	})
}
