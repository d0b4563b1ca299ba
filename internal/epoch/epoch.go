// Package epoch is the one clock of everything Ingot writes. It is read once,
// at the edge, and passed down; no writer asks for the time of day.
package epoch

import (
	"fmt"
	"strconv"
	"time"
)

// Variable is the environment variable that sets the clock, as defined at
// https://reproducible-builds.org/specs/source-date-epoch/.
const Variable = "SOURCE_DATE_EPOCH"

// maxSeconds is 9999-12-31T23:59:59Z, the last second that RFC 3339 and X.509
// can express.
const maxSeconds = 253402300799

// FromEnv returns the time that SOURCE_DATE_EPOCH names in decimal seconds
// since 1970, or the fallback where lookup (normally os.LookupEnv) does not
// find it. The result is in UTC and whole seconds. A variable that is set but
// is not a number from 0 to 253402300799 is an error, never ignored.
func FromEnv(lookup func(string) (string, bool), fallback time.Time) (time.Time, error) {
	value, ok := lookup(Variable)
	if !ok {
		return fallback.UTC().Truncate(time.Second), nil
	}
	seconds, err := strconv.ParseUint(value, 10, 63)
	if err != nil || seconds > maxSeconds {
		return time.Time{}, fmt.Errorf("reading %s: %q is not a number of seconds since 1970 (0 to %d)",
			Variable, value, int64(maxSeconds))
	}
	return time.Unix(int64(seconds), 0).UTC(), nil
}
