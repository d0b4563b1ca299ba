package ignition

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Write prints an inspection for people. Secrets show as their size alone.
func (in *Inspection) Write(w io.Writer) error {
	p := &printer{w: w}
	p.line("%s%s, %d bytes", in.Kind, optional(", label %q", in.Label), in.Size)
	if in.Node != "" {
		p.line("identity of node %s of cluster %s", in.Node, in.Cluster)
	}
	if i := in.Instance; i != nil {
		p.line("instance %s, host name %s%s", orNone(i.ID), orNone(i.Hostname), optional(", zone %s", i.Zone))
	}
	if in.Boot != "" {
		p.line("on the boot ISO: %s", in.Boot)
	}
	p.section("who applies it", len(in.Consumers), func(i int) []string {
		c := in.Consumers[i]
		return []string{map[bool]string{true: "yes", false: "no"}[c.Applies], c.Name, c.Why}
	})
	p.section("files", len(in.Files), func(i int) []string {
		f := in.Files[i]
		size := fmt.Sprintf("%d bytes", f.Size)
		if f.Secret {
			size = redacted(f.Size)
		}
		if f.Size < 0 {
			size = "fetched"
		}
		return []string{orNone(f.Mode), f.Owner, size, f.Source, f.Path}
	})
	p.section("units", len(in.Units), func(i int) []string {
		u := in.Units[i]
		return []string{u.Name, map[bool]string{true: "enabled", false: "not enabled"}[u.Enabled], fmt.Sprintf("%d bytes", u.Size)}
	})
	p.section("users", len(in.Users), func(i int) []string {
		u := in.Users[i]
		return []string{
			u.Name, orNone(strings.Join(u.Keys, ", ")),
			optional("groups %s", strings.Join(u.Groups, ",")), optional("password %s", u.Password),
		}
	})
	p.section("commands", len(in.Commands), func(i int) []string { return []string{in.Commands[i]} })
	p.section("not looked into", len(in.Other), func(i int) []string { return []string{in.Other[i]} })
	p.certificates(in.Certificates)
	p.section("warnings", len(in.Warnings), func(i int) []string { return []string{in.Warnings[i]} })
	return p.err
}

// printer keeps the first error of a writer.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// section prints a table with a heading, or nothing if it has no rows.
func (p *printer) section(heading string, rows int, row func(i int) []string) {
	if rows == 0 || p.err != nil {
		return
	}
	p.line("\n%s", heading)
	table := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	for i := range rows {
		cells := row(i)
		for len(cells) > 1 && cells[len(cells)-1] == "" {
			cells = cells[:len(cells)-1]
		}
		if _, err := fmt.Fprintln(table, "  "+strings.Join(cells, "\t")); err != nil {
			p.err = err
			return
		}
	}
	if err := table.Flush(); p.err == nil {
		p.err = err
	}
}

func (p *printer) certificates(certs []CertInfo) {
	if len(certs) == 0 {
		return
	}
	p.line("\ncertificates")
	for _, c := range certs {
		what := strings.Join(c.Usage, " and ")
		if c.Authority {
			what = "authority"
		}
		p.line("  %s", c.Path)
		p.line("    %s by %s", orNone(c.Subject), orNone(c.Issuer))
		p.line("    %s until %s, %d days left", orNone(what), c.NotAfter.Format("2006-01-02"), c.DaysLeft)
		if names := strings.Join(append(append([]string{}, c.DNSNames...), c.IPs...), " "); names != "" {
			p.line("    for %s", names)
		}
	}
}

// optional is a text around a value, or nothing without one.
func optional(format, value string) string {
	if value == "" {
		return ""
	}
	return fmt.Sprintf(format, value)
}

func orNone(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
