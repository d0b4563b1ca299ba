package segment

import (
	"encoding/binary"
	"testing"
)

func station48(n int) mac {
	var m mac
	binary.BigEndian.PutUint32(m[2:], uint32(n))
	m[0] = localBit
	return m
}

// TestTableIsBounded has a machine that makes up addresses.
func TestTableIsBounded(t *testing.T) {
	f := newFabric()
	p, q := &port{name: "p"}, &port{name: "q"}
	f.table.keep(station48(0), p)
	for n := range 2 * maxStations {
		f.table.learn(station48(n+1), p)
	}
	if got := len(f.table.ports); got != maxStations {
		t.Errorf("%d addresses are known, want %d", got, maxStations)
	}
	f.table.learn(station48(1), q)
	if f.table.find(station48(1)) != q {
		t.Error("in a full table, an address cannot move")
	}
	f.table.learn(station48(0), q)
	if f.table.find(station48(0)) != p {
		t.Error("an address that is kept has moved")
	}
	for range maxAge + 2 {
		f.table.older()
	}
	f.table.learn(station48(5), q)
	if f.table.find(station48(5)) != q || len(f.table.ports) != 2 {
		t.Errorf("an old table has %d addresses, want 2", len(f.table.ports))
	}
}

func TestTableAges(t *testing.T) {
	f := newFabric()
	p := &port{}
	f.table.learn(station48(1), p)
	f.table.learn(station48(2), p)
	for range maxAge {
		f.table.older()
		f.table.learn(station48(2), p)
	}
	if f.table.find(station48(1)) == nil {
		t.Error("an address was forgotten too early")
	}
	f.table.older()
	if f.table.find(station48(1)) != nil || f.table.find(station48(2)) != p {
		t.Error("the silent one must be forgotten, and only it")
	}
}

func TestMAC(t *testing.T) {
	if got, want := MAC("lab", "lab0"), "da:64:11:5b:21:04"; got != want {
		t.Errorf("got %s, want %s, for ever", got, want)
	}
	seen := map[string]string{}
	for _, lab := range []string{"lab", "labx", "x"} {
		for _, machine := range []string{"lab0", "lab1", "xlab0", "0"} {
			m := MAC(lab, machine)
			if seen[m] != "" {
				t.Errorf("%s/%s and %s have the address %s", lab, machine, seen[m], m)
			}
			seen[m] = lab + "/" + machine
			if hw, err := parseMAC(m); err != nil || hw[0]&localBit == 0 {
				t.Errorf("%s: %v", m, err)
			}
		}
	}
}
