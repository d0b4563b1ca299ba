package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// table is printed line by line, as things are measured.
type table struct{ out io.Writer }

func (t *table) say(format string, args ...any) {
	_, _ = fmt.Fprintf(t.out, format, args...) // a person reads along
}

// head begins a part of the table.
func (t *table) head(what, ours, peer string) {
	t.say("\n%-34s %22s %22s %7s  load  %s\n", what, ours, peer, "ratio", "aim")
}

// row compares two costs: how many times the peer's time is ours, or where the
// aim is a part of the peer's, the other way round.
func (t *table) row(what string, ours, peer figures, ratio float64, load, aim string) {
	t.say("  %-32s %22s %22s %7.2f %5s  %s\n", what, ours, peer, ratio, load, aim)
}

// alone is a row without a peer.
func (t *table) alone(what, ours, note string) { t.say("  %-32s %22s  %s\n", what, ours, note) }

// load is the average number of processes that wanted a processor in the last
// minute: proc_loadavg(5).
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
