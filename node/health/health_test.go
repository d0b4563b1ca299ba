package health

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func fixed(f finding) func(context.Context) finding {
	return func(context.Context) finding { return f }
}

// TestRemember: for how long something is so, and whether what is not there is
// awaited or has failed, follows from the report before.
func TestRemember(t *testing.T) {
	up := func(seconds int) time.Duration { return time.Duration(seconds) * time.Second }
	good, bad := finding{state: OK, text: "fine", do: "nothing"}, finding{state: Failed, text: "gone", do: "look"}
	var r *Report
	for _, step := range []struct {
		uptime int
		says   finding
		state  State
		lasts  float64
	}{
		{20, bad, Waiting, 0}, // never there, and the machine is young
		{30, bad, Waiting, 10},
		{650, bad, Failed, 0}, // and no longer young
		{660, bad, Failed, 10},
		{670, good, OK, 0},
		{700, good, OK, 30},
		{710, bad, Failed, 0},
		{20, bad, Waiting, 0}, // another boot: the report before is not of it
		{30, good, OK, 0},
		{40, bad, Failed, 0}, // it was there: that the machine is young is no reason
		{50, finding{state: Waiting, text: "soon"}, Waiting, 0},
	} {
		r = ask(context.Background(), []probe{{"part", fixed(step.says)}}, up(step.uptime), r)
		c := r.Checks[0]
		if c.State != step.state || c.Seconds != step.lasts || r.Healthy != (step.state == OK) || (c.Do != "") != (c.State != OK && step.says.do != "") {
			t.Errorf("after %d s: %+v, healthy %v; want %s for %v s", step.uptime, c, r.Healthy, step.state, step.lasts)
		}
	}
}

// TestLine: words come in their order, and those that a node has not are left out.
func TestLine(t *testing.T) {
	probes := []probe{
		{"vip", fixed(finding{state: OK, word: "here"})}, {"dns", fixed(finding{state: OK, word: "ok"})},
		{"node", fixed(finding{state: OK, word: "Ready"})}, {"state", fixed(finding{state: OK})},
		{"api", fixed(finding{state: OK, word: "ok"})}, {"etcd", fixed(finding{state: OK, word: "3/3"})},
		{"mesh", fixed(finding{state: OK, word: "2/2"})},
	}
	r := ask(context.Background(), probes, time.Hour, nil)
	if want := "mesh=2/2 etcd=3/3 api=ok node=Ready dns=ok vip=here"; r.Line != want {
		t.Errorf("got %q, want %q", r.Line, want)
	}
	r = ask(context.Background(), probes[1:3], time.Hour, nil)
	if want := "node=Ready dns=ok"; r.Line != want {
		t.Errorf("got %q, want %q", r.Line, want)
	}
}

// TestAtOnce: parts are asked at the same time, each until its deadline.
func TestAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose time goes on when all wait
		began := time.Now()
		slow := func(ctx context.Context) finding {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("there is no deadline")
			}
			time.Sleep(200 * time.Millisecond)
			return finding{state: OK}
		}
		var probes []probe
		for range 10 {
			probes = append(probes, probe{"slow", slow})
		}
		ask(context.Background(), probes, time.Hour, nil)
		if took := time.Since(began); took != 200*time.Millisecond {
			t.Errorf("ten parts of 0.2 s took %v", took)
		}
	})
}

func TestSame(t *testing.T) {
	a := &Report{Line: "x", Checks: []Check{{Name: "a", State: OK, Seconds: 1}}}
	for want, b := range map[bool]*Report{
		true:  {Line: "x", Checks: []Check{{Name: "a", State: OK, Seconds: 9, Text: "other"}}},
		false: {Line: "x", Checks: []Check{{Name: "a", State: Failed}}},
	} {
		if a.Same(b) != want {
			t.Errorf("%+v: not %v", b, want)
		}
	}
}

func TestSpan(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0s", 59.9: "59s", 60: "1m0s", 3599: "59m59s", 3700: "1h1m", 90000: "1d1h"} {
		if got := span(seconds); got != want {
			t.Errorf("%v: got %s, want %s", seconds, got, want)
		}
	}
}
