package etcd

import (
	"testing"
	"time"
)

// TestPulse: when a member is taken for dead, and when for one that lives on
// another machine. Observations are a second apart, however long they took.
func TestPulse(t *testing.T) {
	const window, twinAfter, twinQuiet = 20 * time.Second, 30 * time.Second, 10 * time.Minute
	for name, c := range map[string]struct {
		life string        // what each observation shows: a connection, bytes, nothing, no metrics
		each time.Duration // between observations
		gone time.Duration // since the first one; 0: not within half an hour
		twin bool
	}{
		"dead":                          {life: "-", each: time.Second, gone: 20 * time.Second},
		"dead, seldom looked at":        {life: "-", each: 18 * time.Second, gone: 36 * time.Second},
		"dead, its connections stay":    {life: "ccccc-", each: time.Second, gone: 24 * time.Second},
		"dead, and a moment of life":    {life: "----------c-", each: time.Second, gone: 30 * time.Second},
		"alive":                         {life: "c", each: time.Second, twin: true},
		"alive, seldom looked at":       {life: "c", each: 40 * time.Second, twin: true},
		"alive, by what others get":     {life: "b", each: time.Second, twin: true},
		"alive, then gone":              {life: "ccccccccccccccccccccccccccccccccc-", each: time.Second, gone: 632 * time.Second, twin: true},
		"no metrics, which say nothing": {life: "?", each: time.Second},
		"metrics late":                  {life: "?????-", each: time.Second, gone: 24 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
			p := &pulse{id: 1, first: start, bytes: map[string]float64{}}
			bytes, gone := 100.0, time.Duration(0)
			for i := 0; gone == 0 && time.Duration(i)*c.each < 30*time.Minute; i++ {
				now := start.Add(time.Duration(i) * c.each)
				shows := c.life[min(i, len(c.life)-1)]
				if shows == 'b' {
					bytes++
				}
				p.note(now, []sight{{member: Member{ID: 2}, told: shows != '?', active: shows == 'c', bytes: bytes}}, twinAfter)
				if p.gone(now, window, twinQuiet) {
					gone = now.Sub(start)
				}
			}
			if gone != c.gone || p.twin != c.twin {
				t.Errorf("gone after %s, twin %v; want %s, %v", gone, p.twin, c.gone, c.twin)
			}
		})
	}
}
