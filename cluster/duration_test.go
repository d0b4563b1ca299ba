package cluster_test

import (
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
)

const day = 24 * time.Hour

func TestParseDuration(t *testing.T) {
	for _, tc := range []struct {
		text string
		want time.Duration
		back string
	}{
		{"0s", 0, "0s"},
		{"90m", 90 * time.Minute, "1h30m"},
		{"1h30m", 90 * time.Minute, "1h30m"},
		{"2h", 2 * time.Hour, "2h"},
		{"10m", 10 * time.Minute, "10m"},
		{"100ms", 100 * time.Millisecond, "100ms"},
		{"24h", day, "1d"},
		{"30d", 30 * day, "30d"},
		{"30d12h", 30*day + 12*time.Hour, "30d12h"},
		{"365d", 365 * day, "1y"},
		{"10y", 3650 * day, "10y"},
		{"1y1d1h1m1s", 366*day + time.Hour + time.Minute + time.Second, "1y1d1h1m1s"},
		{"292y", 292 * 365 * day, "292y"},
	} {
		got, err := cluster.ParseDuration(tc.text)
		if err != nil || got.Std() != tc.want {
			t.Errorf("%q: %v, %v; want %v", tc.text, got, err, tc.want)
			continue
		}
		if got.String() != tc.back {
			t.Errorf("%q is written as %q, want %q", tc.text, got, tc.back)
		}
		if text, err := got.MarshalText(); err != nil || string(text) != tc.back {
			t.Errorf("%q is marshalled as %q, %v", tc.text, text, err)
		}
		if again, err := cluster.ParseDuration(got.String()); err != nil || again != got {
			t.Errorf("%q reads back as %v, %v", got, again, err)
		}
	}
	for _, bad := range []string{"", "5", "-1h", "-1d", "1d-1h", "y", "d", "1.5d", "1 d", "1h1d", "1d1y", "+1d", "300y", "292y365d", "65536y", "∞", "1w", "1h "} {
		if got, err := cluster.ParseDuration(bad); err == nil {
			t.Errorf("%q reads as %v", bad, got)
		}
	}
}
