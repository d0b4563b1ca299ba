package boot

import (
	"fmt"
	"os"
	"strings"
)

// maxRecord is the most that the kernel's log takes at once, less the
// beginning of the line, in bytes (kernel, kernel/printk/printk.c,
// PRINTKRB_RECORD_MAX).
const maxRecord = 900

// kernelLog says lines on all consoles, as the scripts of the initrd do.
type kernelLog struct{ path string }

// say says one line, in pieces where it is too long for one.
func (l *kernelLog) say(level int, text string) {
	text = strings.ReplaceAll(text, "\n", "; ")
	for first := true; first || text != ""; first = false {
		part := text
		if len(part) > maxRecord {
			part = part[:maxRecord]
		}
		text = text[len(part):]
		record := fmt.Sprintf("<%d>ingot: %s\n", level, part)
		if f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND, 0); err == nil {
			_, err = f.WriteString(record)
			if closed := f.Close(); err == nil && closed == nil {
				continue
			}
		}
		// Without it, what stderr leads to is better than nothing.
		_, _ = fmt.Fprintf(os.Stderr, "ingot: %s\n", part)
	}
}
