// Package preflight finds, before any work is done, what would go wrong later:
// what a target would not take or would do otherwise than the definition means
// ([Targets], [Disk]), and what this machine lacks ([Machine]).
package preflight

import (
	"errors"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// Check is [Targets] and [Machine] in one. The report has what was found in
// the definition, warnings included; the error is *diag.ReportError,
// *MachineError, or both joined.
func Check(c *cluster.Cluster, h Host, rooms []Room) (*diag.Report, error) {
	report := Targets(c)
	problems := Machine(c, h, rooms)
	var machine error
	for _, p := range problems {
		if p.Severity == diag.Error {
			machine = &MachineError{Problems: problems}
			continue
		}
		report.Warnf(diag.Pos{}, "", "%s; %s", p.What, p.Mend)
	}
	return report, errors.Join(report.Err(), machine)
}
