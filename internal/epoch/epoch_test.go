package epoch_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/epoch"
)

func lookup(t *testing.T, value string, set bool) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if name != "SOURCE_DATE_EPOCH" {
			t.Errorf("looked up %q", name)
		}
		return value, set
	}
}

func TestFromEnv(t *testing.T) {
	berlin := time.FixedZone("CET", 3600)
	fallback := time.Date(2026, 11, 21, 14, 0, 1, 999, berlin)
	for _, tc := range []struct {
		name  string
		value string
		set   bool
		want  string
	}{
		{"not set", "", false, "2026-11-21T13:00:01Z"},
		{"set", "1700000000", true, "2023-11-14T22:13:20Z"},
		{"zero", "0", true, "1970-01-01T00:00:00Z"},
		{"last second", "253402300799", true, "9999-12-31T23:59:59Z"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := epoch.FromEnv(lookup(t, tc.value, tc.set), fallback)
			if err != nil {
				t.Fatal(err)
			}
			if got.Location() != time.UTC {
				t.Errorf("location %v, want UTC", got.Location())
			}
			if s := got.Format(time.RFC3339Nano); s != tc.want {
				t.Errorf("got %s, want %s", s, tc.want)
			}
		})
	}
}

func TestFromEnvMalformed(t *testing.T) {
	for _, value := range []string{
		"", " ", "now", "-1", "+1", "1.5", "1e9", "0x10", "1_000", " 1", "1\n",
		"253402300800", "99999999999999999999", "2026-11-21",
	} {
		got, err := epoch.FromEnv(lookup(t, value, true), time.Now())
		if err == nil {
			t.Errorf("%q: accepted as %v", value, got)
			continue
		}
		if !got.IsZero() {
			t.Errorf("%q: a time, %v, beside the error", value, got)
		}
		if !strings.Contains(err.Error(), "SOURCE_DATE_EPOCH") {
			t.Errorf("%q: %q does not name the variable", value, err)
		}
	}
}
