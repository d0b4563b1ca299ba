package preflight

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// Problem is something that this machine lacks, and the line that mends it.
type Problem struct {
	Severity diag.Severity
	What     string
	Mend     string // for people: one line, a command most often
}

// MachineError is what keeps this machine from baking.
type MachineError struct{ Problems []Problem }

// Error lists what is missing.
func (e *MachineError) Error() string {
	var all []string
	for _, p := range e.Problems {
		if p.Severity == diag.Error {
			all = append(all, p.What)
		}
	}
	return "checking this machine: " + strings.Join(all, "; ")
}

// Hint has a line for each problem.
func (e *MachineError) Hint() string {
	var all []string
	for _, p := range e.Problems {
		if p.Severity == diag.Error && !slices.Contains(all, p.Mend) {
			all = append(all, p.Mend)
		}
	}
	return strings.Join(all, "\n")
}

// program is what a bake runs or reads, and the Debian package that has it.
type program struct {
	name string // in PATH and the sbin folders, or an absolute path of a file
	pkg  string
}

// list is a file of its own, because scripts read it too.
//
//go:embed programs.txt
var list string

// forUsers is needed by those who are not root alone.
const forUsers = "newuidmap"

// programs reads the list.
func programs() []program {
	var out []program
	for line := range strings.Lines(list) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] != "#" {
			out = append(out, program{fields[0], fields[1]})
		}
	}
	return out
}

// Machine finds what this machine lacks to bake a cluster's image.
func Machine(c *cluster.Cluster, h Host, rooms []Room) []Problem {
	var out []Problem
	out = append(out, missing(h)...)
	if compiles(c) && !h.Has("go") {
		out = append(out, Problem{
			What: "the program go is not installed, which compiles Kubernetes",
			Mend: "install Go 1.21 or newer from https://go.dev/dl (it fetches the locked version by itself); on Debian 13: apt-get install golang-go",
		})
	}
	if !h.Root {
		out = append(out, namespaces(h)...)
	}
	return append(out, space(h, rooms)...)
}

// compiles reports whether a component is built from its source.
func compiles(c *cluster.Cluster) bool {
	return slices.ContainsFunc(c.Def.ImageComponents(), func(n cluster.NamedComponent) bool { return n.Source == cluster.SourceGo })
}

// missing lists programs and the one line that installs them.
func missing(h Host) []Problem {
	var names, packages []string
	for _, p := range programs() {
		if p.name == forUsers && h.Root || h.Has(p.name) {
			continue
		}
		names = append(names, p.name)
		if !slices.Contains(packages, p.pkg) {
			packages = append(packages, p.pkg)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []Problem{{
		What: "not installed: " + strings.Join(names, ", "),
		Mend: "as root: apt-get install --no-install-recommends " + strings.Join(packages, " "),
	}}
}

// subordinate is how many user ids a root file system needs: those of 16 bits.
const subordinate = 65536

// namespaces checks what keeps a normal user from having a user namespace, in
// which mmdebstrap works.
func namespaces(h Host) []Problem {
	var out []Problem
	forbid := func(what, mend string) { out = append(out, Problem{What: what, Mend: "as root: " + mend}) }
	if h.Setting("kernel/unprivileged_userns_clone") == "0" {
		forbid("this kernel gives user namespaces to root alone", "sysctl -w kernel.unprivileged_userns_clone=1")
	}
	if h.Setting("user/max_user_namespaces") == "0" {
		forbid("this kernel allows no user namespaces", "sysctl -w user.max_user_namespaces=15000")
	}
	if h.Setting("kernel/apparmor_restrict_unprivileged_userns") == "1" && !h.Has("/etc/apparmor.d/mmdebstrap") {
		forbid("AppArmor keeps programs of users from user namespaces", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0")
	}
	var lacks []string
	for _, kind := range []string{"uid", "gid"} {
		if !granted(h.Read("/etc/sub"+kind), h.User, h.UID) {
			lacks = append(lacks, "/etc/sub"+kind)
		}
	}
	if len(lacks) > 0 {
		first := unused(h.Read("/etc/subuid") + "\n" + h.Read("/etc/subgid"))
		forbid(fmt.Sprintf("no %d ids for the user %s in %s", subordinate, h.User, strings.Join(lacks, " and ")),
			fmt.Sprintf("usermod --add-subuids %[1]d-%[2]d --add-subgids %[1]d-%[2]d %[3]s", first, first+subordinate-1, h.User))
	}
	return out
}

// unused is the first id behind all ranges that somebody has: two users with
// the same ids could reach into each other's files.
func unused(text string) int64 {
	next := int64(100000) // as useradd begins (login.defs(5), SUB_UID_MIN)
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 {
			continue
		}
		first, err := strconv.ParseInt(f[1], 10, 64)
		count, cerr := strconv.ParseInt(f[2], 10, 64)
		if err == nil && cerr == nil && first+count <= 1<<32-1-subordinate {
			next = max(next, first+count)
		}
	}
	return next
}

// granted looks for a range that is large enough (subuid(5): user or id, first
// id, count).
func granted(text, user string, uid int) bool {
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) != 3 || f[0] != user && f[0] != strconv.Itoa(uid) {
			continue
		}
		if n, err := strconv.ParseInt(f[2], 10, 64); err == nil && n >= subordinate {
			return true
		}
	}
	return false
}
