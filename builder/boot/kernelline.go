// Package boot composes the disk of an image from its parts: boot loaders,
// kernel, initrd, and the two verified file systems. Composing copies nothing
// and takes no time; docs/internals-boot.md says how such a disk boots.
package boot

import (
	"fmt"
	"strings"
)

// fixedArgs are on every kernel line after the hashes. Of the consoles, the last
// is the one that programs write to. Of what the kernel says, what is for
// information alone is in its log and not on the consoles: the boot waits for a
// serial line. No partition is mounted for its type, and a kernel that cannot go
// on starts again after 30 seconds.
var fixedArgs = []string{"ro", "console=tty0", "console=ttyS0,115200n8", "loglevel=6", "systemd.gpt_auto=0", "panic=30"}

// KernelLine is what the kernel is told: which file systems are the root, by
// their root hashes, and what the definition adds (system.kernelArgs).
func KernelLine(root, cluster Hash, extra []string) ([]string, error) {
	args := append([]string{"ingot.root=" + root.String(), "ingot.cluster=" + cluster.String()}, fixedArgs...)
	for _, arg := range extra {
		// GRUB puts a backslash before quotes and backslashes.
		if arg == "" || strings.ContainsFunc(arg, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`'"\`, r) }) {
			return nil, fmt.Errorf("making kernel line: argument %q has other than printable ASCII, or blanks, quotes or backslashes", arg)
		}
		if strings.HasPrefix(arg, "ingot.") {
			return nil, fmt.Errorf("making kernel line: argument %q belongs to the image", arg)
		}
		args = append(args, arg)
	}
	// A longer one is cut: COMMAND_LINE_SIZE of Linux for x86, with its zero.
	if n := len(strings.Join(args, " ")); n > 2047 {
		return nil, fmt.Errorf("making kernel line: it has %d bytes, at most 2047", n)
	}
	return args, nil
}
