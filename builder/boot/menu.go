package boot

import (
	"fmt"
	"strings"
)

// console is the beginning of every config. Strangers at the console cannot
// change the kernel line: there are superusers, and none of them is anybody.
const console = `set default=0
set superusers=""
export superusers
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
`

const written = "# Written by ingot.\n"

// grubConfig boots the only entry there is.
func grubConfig(args []string) string {
	return written + "set timeout=1\n" + console + entry{"ingot", "/ingot/vmlinuz", "/ingot/initrd", args}.String()
}

// entry is a line of the menu. The paths have no blanks.
type entry struct {
	title           string
	kernel, initrds string
	args            []string
}

func (e entry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "menuentry '%s' --unrestricted {\n\techo 'ingot: loading the kernel'\n\tlinux %s", e.title, e.kernel)
	for _, arg := range e.args {
		b.WriteString(" '" + arg + "'")
	}
	fmt.Fprintf(&b, "\n\techo 'ingot: loading the initrd'\n\tinitrd %s\n}\n", e.initrds)
	return b.String()
}

// bootArg says on a kernel line that the machine was started from a boot ISO,
// and what it is to do.
const bootArg = "ingot.boot="

// modes are what a boot ISO can do, in the order of its menu.
var modes = []struct{ name, title string }{
	{"auto", "ingot: as the identity says"},
	{"run", "ingot: run from this medium"},
	{"install", "ingot: install on a disk"},
	{"rescue", "ingot: rescue shell"},
}

// menu is the config of a boot ISO, where it has the second initrd by the path
// given. A person has some seconds to choose.
func menu(args []string, initrd string, rescue bool) string {
	var b strings.Builder
	b.WriteString(written + "set timeout=5\n" + console)
	for _, m := range modes {
		if m.name == "rescue" && !rescue {
			continue
		}
		e := entry{m.title, "/vmlinuz", "/initrd " + initrd, append(args[:len(args):len(args)], bootArg+m.name)}
		b.WriteString(e.String())
	}
	return b.String()
}
