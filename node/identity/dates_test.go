package identity

import (
	"crypto/x509"
	"slices"
	"testing"
	"time"
)

func TestCheckDates(t *testing.T) {
	start := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	end := start.AddDate(1, 0, 0)
	for name, want := range map[string]struct {
		now               time.Time
		unset             bool
		problems, warning []string
	}{
		"before": {now: start.Add(-time.Second), warning: []string{"it: it starts on 2026-11-20 09:00 UTC, and the clock says 2026-11-20 08:59 UTC"}},
		"first":  {now: start},
		"last":   {now: end.Add(-soon)},
		"soon":   {now: end.Add(-soon + time.Second), warning: []string{"it: it ends on 2027-11-20 09:00 UTC, in 29 days: do so"}},
		"ended":  {now: end, problems: []string{"it: it ended on 2027-11-20 09:00 UTC, and the clock says 2027-11-20 09:00 UTC: do so"}},
		"unset":  {now: end, unset: true},
	} {
		t.Run(name, func(t *testing.T) {
			c := &check{now: want.now, clockSet: !want.unset}
			c.checkDates("it", &x509.Certificate{NotBefore: start, NotAfter: end}, "do so")
			if !slices.Equal(c.Problems, want.problems) || !slices.Equal(c.Warnings, want.warning) {
				t.Errorf("got problems %q, warnings %q; want %q, %q", c.Problems, c.Warnings, want.problems, want.warning)
			}
		})
	}
}

func TestImageID(t *testing.T) {
	for text, want := range map[string]string{
		"console=ttyS0 ingot.cluster=0123456789abcdef ro": "0123456789ab",
		"ingot.cluster=../../x":                           "",
		"ro":                                              "",
	} {
		root := t.TempDir()
		put(t, root, "proc/cmdline", text)
		if got := imageID(root); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	root := t.TempDir()
	put(t, root, "proc/cmdline", "ingot.cluster=0123456789abcdef")
	put(t, root, "usr/lib/os-release", "ID=debian\nIMAGE_ID=\"lab\"\nIMAGE_VERSION=\"0a1b\"\n")
	if got := imageID(root); got != "lab-0a1b" {
		t.Errorf("got %q", got)
	}
}
