package cluster

import "testing"

// Places of fields can be asked for after loading, too.
func TestWhere(t *testing.T) {
	c, _, err := Load("../clusters/prod/cluster.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"nodes[1].address": "../clusters/prod/cluster.yaml:16:71",
		"nodes[1].zone[3]": "../clusters/prod/cluster.yaml:16:56",
		"pki.recipients":   "../clusters/prod/cluster.yaml:4:1", // not given: the nearest thing that is
	} {
		if got := c.Where(path).String(); got != want {
			t.Errorf("%s is at %s, want %s", path, got, want)
		}
	}
}
