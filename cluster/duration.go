package cluster

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span in the definition: Go's notation (90m, 8760h) with
// two more units, d for 24 hours and y for 365 days, such as 10y or 30d12h.
type Duration time.Duration

const (
	day  = 24 * time.Hour
	year = 365 * day
)

// ParseDuration reads the notation of [Duration]. Negative spans are refused.
func ParseDuration(s string) (Duration, error) {
	rest, total := s, time.Duration(0)
	for _, u := range []struct {
		suffix string
		unit   time.Duration
	}{{"y", year}, {"d", day}} {
		head, tail, ok := strings.Cut(rest, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(head, 10, 16)
		if err != nil || time.Duration(n) > (1<<63-1-total)/u.unit {
			return 0, fmt.Errorf("%q is not a duration (such as 10y, 30d, 12h, 500ms)", s)
		}
		total, rest = total+time.Duration(n)*u.unit, tail
	}
	if rest != "" || total == 0 {
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || d > 1<<63-1-total {
			return 0, fmt.Errorf("%q is not a duration (such as 10y, 30d, 12h, 500ms)", s)
		}
		total += d
	}
	return Duration(total), nil
}

// String gives the shortest notation that [ParseDuration] reads back to the same value.
func (d Duration) String() string {
	rest := time.Duration(d)
	var b strings.Builder
	if y := rest / year; y > 0 {
		fmt.Fprintf(&b, "%dy", y)
		rest -= y * year
	}
	if n := rest / day; n > 0 {
		fmt.Fprintf(&b, "%dd", n)
		rest -= n * day
	}
	if rest > 0 || b.Len() == 0 {
		s := rest.String()
		s = strings.TrimSuffix(s, "m0s") + map[bool]string{true: "m"}[strings.HasSuffix(s, "m0s")]
		s = strings.TrimSuffix(s, "h0m") + map[bool]string{true: "h"}[strings.HasSuffix(s, "h0m")]
		b.WriteString(s)
	}
	return b.String()
}

// Std gives the span as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// MarshalText writes the notation that [ParseDuration] reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the notation of [ParseDuration].
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err == nil {
		*d = v
	}
	return err
}
