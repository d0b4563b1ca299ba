package ignition

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// finish judges what was gathered, and drops the contents.
func (in *inspector) finish() *Inspection {
	in.checkDoubles()
	in.certificates()
	for i := range in.applied {
		f := &in.applied[i]
		f.Secret = isSecret(*f)
		in.checkFile(f)
		if f.Path == factsPath {
			in.facts(f.data)
		}
		in.Files = append(in.Files, f.FileInfo)
	}
	slices.SortStableFunc(in.Files, func(a, b FileInfo) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortStableFunc(in.Certificates, func(a, b CertInfo) int { return cmp.Compare(a.Path, b.Path) })
	in.tidy()
	return &in.Inspection
}

// facts reads whose identity it is.
func (in *inspector) facts(data []byte) {
	var f struct{ Kind, Cluster, Name string }
	if json.Unmarshal(data, &f) == nil && f.Kind == FactsKind {
		in.Cluster, in.Node = f.Cluster, f.Name
	}
}

// checkDoubles finds files that are written twice.
func (in *inspector) checkDoubles() {
	seen := map[string]bool{}
	for _, f := range in.applied {
		if seen[f.Path] {
			in.warn("file %q is there twice", short(f.Path))
		}
		seen[f.Path] = true
	}
}

// checkFile finds keys that others may read. It takes a mode that is not given
// for the tools' default, which others may read.
func (in *inspector) checkFile(f *appliedFile) {
	mode, err := strconv.ParseUint(f.Mode, 8, 32)
	if f.Mode == "" {
		mode, err = 0o644, nil
	}
	if holdsKey(*f) && (err != nil || mode&0o077 != 0) && !groupOnly(f, mode) {
		in.warn("%s: it holds a private key, and others can read it (mode %s)", f.Path, cmp.Or(f.Mode, "not given"))
	}
}

// holdsKey reports whether a file has private keys in it.
func holdsKey(f appliedFile) bool {
	return f.Path == bundlePath || bytes.Contains(f.data, []byte("PRIVATE KEY-----")) || bytes.Contains(f.data, []byte("AGE-SECRET-KEY-1"))
}

// groupOnly allows what is meant for a group of its own, not of all users.
func groupOnly(f *appliedFile, mode uint64) bool {
	_, group, ok := strings.Cut(f.Owner, ":")
	return ok && group != "root" && group != "users" && mode&0o037 == 0
}

// tidy makes texts of foreign inputs fit to be printed: on one line each, and
// not too long.
func (in *inspector) tidy() {
	in.Label, in.Cluster, in.Node = short(in.Label), short(in.Cluster), short(in.Node)
	if i := in.Instance; i != nil {
		i.ID, i.Hostname, i.Zone = short(i.ID), short(i.Hostname), short(i.Zone)
	}
	for i := range in.Files {
		f := &in.Files[i]
		f.Path, f.Mode, f.Owner, f.Source = line(f.Path), short(f.Mode), short(f.Owner), short(f.Source)
	}
	for i := range in.Units {
		in.Units[i].Name = line(in.Units[i].Name)
	}
	for i := range in.Users {
		u := &in.Users[i]
		u.Name = short(u.Name)
		for k := range u.Groups {
			u.Groups[k] = short(u.Groups[k])
		}
	}
	for i := range in.Certificates {
		c := &in.Certificates[i]
		c.Path, c.Subject, c.Issuer = line(c.Path), line(c.Subject), line(c.Issuer)
		for k := range c.DNSNames {
			c.DNSNames[k] = line(c.DNSNames[k])
		}
	}
	for i := range in.Commands {
		in.Commands[i] = line(in.Commands[i])
	}
	for i := range in.Warnings {
		in.Warnings[i] = line(in.Warnings[i])
	}
	if len(in.Other) > maxOther {
		in.Other = append(in.Other[:maxOther], "and "+strconv.Itoa(len(in.Other)-maxOther)+" more")
	}
	in.Warnings = slices.Compact(in.Warnings)
	if len(in.Warnings) > maxWarnings {
		in.Warnings = append(in.Warnings[:maxWarnings], "and "+strconv.Itoa(len(in.Warnings)-maxWarnings)+" more")
	}
}

// How many warnings, and parts that are not looked into, are worth reading.
const (
	maxWarnings = 200
	maxOther    = 100
)

// line is as [short], for texts that may be longer, such as paths.
func line(s string) string {
	runes := []rune(s)
	var b strings.Builder
	for len(runes) > 0 && b.Len() < 512 {
		n := min(len(runes), 64)
		b.WriteString(short(string(runes[:n])))
		runes = runes[n:]
	}
	if len(runes) > 0 {
		b.WriteString("...")
	}
	return b.String()
}
