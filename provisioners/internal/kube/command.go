// Package kube has what the layers of Kubernetes' components share: command
// lines as systemd reads them, kubeconfigs, and the TLS settings.
package kube

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Flag is one flag of a component, without the leading dashes.
type Flag struct {
	Name  string
	value string // as it stands in a unit
}

// Set gives a flag a value. It reaches the component as it is.
func Set(name, value string) Flag { return Flag{name, escape(value)} }

// SetInt gives a flag a number.
func SetInt(name string, value int) Flag { return Flag{name, strconv.Itoa(value)} }

// SetBool gives a flag true or false.
func SetBool(name string, value bool) Flag { return Flag{name, strconv.FormatBool(value)} }

// SetEnv gives a flag the value of an environment variable of the unit, with
// which a node's identity tells what differs from machine to machine. It stays
// one argument, whatever is in it, and may be empty.
func SetEnv(name, variable string) Flag { return Flag{name, "${" + variable + "}"} }

// SetCredential gives a flag the path of a credential of the unit
// (LoadCredential= in systemd.exec(5)).
func SetCredential(name, credential string) Flag {
	return Flag{name, "${CREDENTIALS_DIRECTORY}/" + escape(credential)}
}

// Sorted makes flags of the further flags of a definition, ordered by name.
// Those of defaults hold where the definition does not give them.
func Sorted(given, defaults map[string]string) []Flag {
	all := map[string]string{}
	maps.Copy(all, defaults)
	maps.Copy(all, given)
	flags := make([]Flag, 0, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		flags = append(flags, Set(name, all[name]))
	}
	return flags
}

// FeatureGates is the flag for the definition's feature gates: none or one.
func FeatureGates(gates map[string]bool) []Flag {
	parts := make([]string, 0, len(gates))
	for _, name := range slices.Sorted(maps.Keys(gates)) {
		parts = append(parts, name+"="+strconv.FormatBool(gates[name]))
	}
	if len(parts) == 0 {
		return nil
	}
	return []Flag{Set("feature-gates", strings.Join(parts, ","))}
}

// Command is a command line for ExecStart=, a flag on each line
// (systemd.service(5), "Command lines").
func Command(program string, flags []Flag) string {
	var b strings.Builder
	b.WriteString(program)
	for _, f := range flags {
		b.WriteString(" \\\n    ")
		arg := "--" + f.Name + "=" + f.value
		if strings.ContainsAny(arg, " ';") {
			arg = `"` + arg + `"`
		}
		b.WriteString(arg)
	}
	return b.String()
}

// escape keeps systemd from reading anything into a value: specifiers,
// variables, escapes and quotes. Definitions have no control characters in
// values, but for tabs.
func escape(value string) string {
	return strings.NewReplacer("%", "%%", "$", "$$", `\`, `\\`, `"`, `\"`, "\t", `\t`).Replace(value)
}

// PortCapability is what a service needs to listen on its ports as a user of
// its own: nothing, or CAP_NET_BIND_SERVICE where one is below 1024.
func PortCapability(ports ...int) string {
	if slices.Min(ports) < 1024 {
		return "CAP_NET_BIND_SERVICE"
	}
	return ""
}
