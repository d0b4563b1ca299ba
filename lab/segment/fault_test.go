package segment_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/lab/segment"
)

// sees returns the ports between which frames go.
func sees(wires map[string]*wire) []string {
	var got []string
	for from, w := range wires {
		f := addressed(frame(from, from, 60), "ff:ff:ff:ff:ff:ff")
		w.write(f)
		for to, other := range wires {
			if to != from && other.read(quiet) != nil {
				got = append(got, from+to)
			}
		}
	}
	slices.Sort(got)
	return got
}

func TestFaults(t *testing.T) {
	s := start(t, segment.Config{})
	wires := map[string]*wire{}
	for _, name := range []string{"a", "b", "c"} {
		wires[name] = plug(t, s, name)
	}
	all := "ab ac ba bc ca cb"
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	for _, step := range []struct {
		what string
		do   func()
		want string
	}{
		{"whole", func() {}, all},
		{"a is cut", func() { ok(s.Cut("a")) }, "bc cb"},
		{"b too", func() { ok(s.Cut("b")) }, ""},
		{"a is healed", func() { s.Heal("a") }, "ac ca"},
		{"all are healed", func() { s.Heal() }, all},
		{"a and the others", func() { ok(s.Partition([]string{"a"}, []string{"b", "c"})) }, "bc cb"},
		{"c sees both", func() { ok(s.Partition([]string{"a"}, []string{"b"})) }, "ac bc ca cb"},
		{"c is in both", func() { ok(s.Partition([]string{"a", "c"}, []string{"b", "c"})) }, "ac bc ca cb"},
		{"and c is cut", func() { ok(s.Cut("c")) }, ""},
		{"a is not cut, the rest stays", func() { s.Heal("a") }, ""},
		{"only the partition", func() { s.Heal("c") }, "ac bc ca cb"},
		{"no partition", func() { ok(s.Partition()) }, all},
	} {
		step.do()
		if got := strings.Join(sees(wires), " "); got != step.want {
			t.Errorf("%s: got %q, want %q", step.what, got, step.want)
		}
	}
	if err := s.Cut("x"); err == nil || !strings.Contains(err.Error(), `"x"`) || !strings.Contains(err.Error(), "outside, a, b, c") {
		t.Errorf("unknown port: %v", err)
	}
	if err := s.Partition([]string{"a"}, []string{"y"}); err == nil || !strings.Contains(err.Error(), `"y"`) {
		t.Errorf("unknown port: %v", err)
	}
	if got := strings.Join(sees(wires), " "); got != all {
		t.Errorf("after errors: got %q, want %q", got, all)
	}
}

// TestCutOutside has connections that outlive a short split.
func TestCutOutside(t *testing.T) {
	s := start(t, segment.Config{})
	boot(t, s, "a", "192.0.2.10/24").echo(80)
	conn := mustDial(t, s, "tcp", "192.0.2.10:80")
	says(t, conn, "whole")
	if err := s.Cut(segment.Outside); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("split")); err != nil {
		t.Error(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(quiet))
	if n, err := conn.Read(make([]byte, 5)); err == nil {
		t.Errorf("%d bytes came through", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), quiet)
	defer cancel()
	if conn, err := s.DialContext(ctx, "tcp", "192.0.2.10:80"); err == nil {
		t.Error("connected through a split")
		_ = conn.Close()
	}
	s.Heal()
	_ = conn.SetDeadline(time.Now().Add(soon))
	got := make([]byte, 5)
	if _, err := conn.Read(got); err != nil || string(got) != "split" {
		t.Errorf("after healing: %q, %v", got, err)
	}
	says(t, mustDial(t, s, "tcp", "192.0.2.10:80"), "healed")
}
