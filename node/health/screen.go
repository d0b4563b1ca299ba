package health

import (
	"fmt"
	"strings"
	"time"
)

// Screen is the report for people, one line for each part and one below it
// where something is to be done.
func (r *Report) Screen() string {
	var b strings.Builder
	if r.Node != "" {
		fmt.Fprintf(&b, "%s of cluster %s (%s), up for %s\n", r.Node, r.Cluster, strings.Join(r.Roles, ", "), span(r.Uptime))
	}
	for _, c := range r.Checks {
		fmt.Fprintf(&b, "  %-8s%-13s%s", c.State, c.Name, c.Text)
		if c.Seconds >= 1 {
			fmt.Fprintf(&b, " (for %s)", span(c.Seconds))
		}
		b.WriteString("\n")
		if c.Do != "" {
			fmt.Fprintf(&b, "  %21s%s\n", "", "> "+c.Do)
		}
	}
	if r.Healthy {
		b.WriteString("healthy\n")
	} else {
		b.WriteString("not healthy: " + strings.Join(r.bad(), ", ") + "\n")
	}
	return b.String()
}

// bad names the parts that are not ok, each with its state.
func (r *Report) bad() []string {
	var out []string
	for _, c := range r.Checks {
		if c.State != OK {
			out = append(out, c.Name+" "+string(c.State))
		}
	}
	return out
}

// span writes a time of so many seconds in its two largest units.
func span(seconds float64) string {
	d := time.Duration(seconds) * time.Second
	days := int(d.Hours()) / 24
	switch {
	case days > 0:
		return fmt.Sprintf("%dd%dh", days, int(d.Hours())%24)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%ds", int(d.Seconds()))
}
