package clusterjson_test

import (
	"bytes"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
)

func example() clusterjson.Cluster {
	return clusterjson.Cluster{
		APIVersion: clusterjson.Version, Kind: clusterjson.Kind,
		Name: "lab", Domain: "lab.example.com", Kubernetes: "v1.36.3", Provisioning: "ignition", MeshInterface: "mesh0",
		MeshCIDRs:   []netip.Prefix{netip.MustParsePrefix("10.42.0.0/16")},
		Authorities: map[string]string{"kubernetes": strings.Repeat("0a", 32), "etcd": strings.Repeat("b1", 32)},
		Nodes: []clusterjson.Node{
			{Name: "lab0", Index: 1, Roles: []string{"controller", "worker"}, Addresses: []netip.Addr{netip.MustParseAddr("10.42.0.1")}},
			{Name: "spare0", Index: 2, Roles: []string{"worker"}, Spare: true, Addresses: []netip.Addr{netip.MustParseAddr("10.42.0.2")}},
		},
	}
}

const exampleText = `{
 "apiVersion": "ingot/v1",
 "kind": "Image",
 "name": "lab",
 "domain": "lab.example.com",
 "kubernetes": "v1.36.3",
 "provisioning": "ignition",
 "meshInterface": "mesh0",
 "meshCIDRs": [
  "10.42.0.0/16"
 ],
 "authorities": {
  "etcd": "b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1",
  "kubernetes": "0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a0a"
 },
 "nodes": [
  {"name":"lab0","index":1,"roles":["controller","worker"],"addresses":["10.42.0.1"]},
  {"name":"spare0","index":2,"roles":["worker"],"spare":true,"addresses":["10.42.0.2"]}
 ]
}
`

func TestEncode(t *testing.T) {
	c := example()
	c.APIVersion, c.Kind = "", ""
	got, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(exampleText, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParse(t *testing.T) {
	withMore := strings.Replace(exampleText, `"name": "lab"`, `"later": 1, "name": "lab"`, 1)
	for _, text := range []string{exampleText, withMore} {
		got, err := clusterjson.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		want := example()
		if diff := cmp.Diff(&want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
			cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n, ok := got.Node("spare0"); !ok || n.Index != 2 || !n.Has("worker") || n.Has("controller") {
			t.Errorf("node spare0: got %+v, %v", n, ok)
		}
		if _, ok := got.Node("lab9"); ok {
			t.Error("found a node that is not there")
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct{ old, new, want string }{
		"version":   {`ingot/v1`, `ingot/v9`, `apiVersion "ingot/v9"`},
		"kind":      {`"Image"`, `"Node"`, `kind "Node"`},
		"name":      {`"name": "lab"`, `"name": ""`, "neither may be empty"},
		"sum":       {"0a0a", "0A0a", "is not a SHA-256"},
		"index":     {`"index":2`, `"index":0`, `node "spare0"`},
		"twice":     {`"spare0"`, `"lab0"`, "twice"},
		"type":      {`"index":2`, `"index":"2"`, "cannot unmarshal"},
		"address":   {`"10.42.0.2"`, `"10.42.0.300"`, "10.42.0.300"},
		"truncated": {"\n ]\n}\n", "", "unexpected EOF"},
		"more":      {"]\n}\n", "]\n}\n{}", "behind its end"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(exampleText, c.old, c.new, 1)
			if text == exampleText {
				t.Fatal("nothing was changed")
			}
			_, err := clusterjson.Parse([]byte(text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := clusterjson.Parse(make([]byte, clusterjson.MaxSize+1)); err == nil {
		t.Error("a file of more than MaxSize was read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(exampleText))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := clusterjson.Parse(data)
		if err != nil {
			return
		}
		once, err := c.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := clusterjson.Parse(once)
		if err != nil {
			t.Fatalf("reading what was written: %v\n%s", err, once)
		}
		twice, err := again.Encode()
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("written again it differs (%v):\n%s\n%s", err, once, twice)
		}
	})
}
