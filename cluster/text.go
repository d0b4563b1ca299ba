package cluster

import (
	"strconv"
	"strings"
)

// plural is a number with its noun: "1 node", "2 nodes".
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

// splitComma cuts a list that is written in one string.
func splitComma(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// oneLine reports whether a value can stand on a line of a configuration file.
func oneLine(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u0085' }) < 0
}
