package configiso

import (
	"strconv"
	"time"
)

// recordStamp is t as a directory record states it: one byte each for the years
// since 1900, month, day, hour, minute, second, and the offset from UTC in
// quarters of an hour, here always 0 (9.1.5).
func recordStamp(t time.Time) []byte {
	t = t.UTC()
	return []byte{
		byte(t.Year() - firstYear), byte(t.Month()), byte(t.Day()),
		byte(t.Hour()), byte(t.Minute()), byte(t.Second()), 0,
	}
}

// volumeStampLength is the length of a date and time in a descriptor (8.4.26.1).
const volumeStampLength = 17

const volumeStampLayout = "20060102150405"

// volumeStamp is t as a descriptor states it: digits down to hundredths of a
// second, here always 00, and the offset from UTC as in a directory record.
func volumeStamp(t time.Time) []byte {
	return append([]byte(t.UTC().Format(volumeStampLayout)), '0', '0', 0)
}

// parseVolumeStamp is the reverse for stamps of any offset. Stamps that are
// unset or make no sense become the zero time: nobody's machine reads them, so
// they are no reason to refuse a volume.
func parseVolumeStamp(b []byte) time.Time {
	quarters := int(int8(b[16]))
	t, err := time.Parse(volumeStampLayout, string(b[:14]))
	if err != nil || quarters < -48 || quarters > 52 {
		return time.Time{}
	}
	hundredths, err := strconv.ParseUint(string(b[14:16]), 10, 8)
	if err != nil {
		return time.Time{}
	}
	return t.Add(time.Duration(hundredths)*10*time.Millisecond - time.Duration(quarters)*15*time.Minute)
}
