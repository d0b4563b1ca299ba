package cli

import (
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/lab"
	"github.com/spf13/cobra"
)

func (a *app) labStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status CLUSTER",
		Short: "Say how a lab and its cluster are",
		Long: "Shows each machine: whether it is on, how far its boot is, what it says of mesh, etcd and API, and whether the\n" +
			"API has the node Ready; then how to reach it all, and what is missing.\n" +
			"Exit status 0: healthy; 3: not; 1: the lab is not up.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, client, err := a.labOf(args[0])
			if err != nil {
				return err
			}
			status, err := client.Status(cmd.Context())
			if err != nil {
				return labError(c, err)
			}
			return a.labStatus(c, status, asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "say it as JSON")
	return cmd
}

// labState is what --json prints.
type labState struct {
	*lab.Status
	Healthy  bool          `json:"healthy"`
	Problems []lab.Problem `json:"problems"`
}

func newLabState(s *lab.Status) labState {
	problems := s.Problems()
	if problems == nil {
		problems = []lab.Problem{}
	}
	return labState{Status: s, Healthy: len(problems) == 0, Problems: problems}
}

func (a *app) labStatus(c *cluster.Cluster, s *lab.Status, asJSON bool) error {
	if asJSON {
		if err := a.printJSON(newLabState(s)); err != nil {
			return err
		}
	} else {
		a.printLab(s)
	}
	if problems := s.Problems(); len(problems) > 0 {
		return &checkError{message: "cluster " + c.Def.Name + " is not healthy: " + plural(len(problems), "problem")}
	}
	return nil
}

func (a *app) printLab(s *lab.Status) {
	a.print("%s", strings.TrimRight(s.Table(), "\n"))
	a.print("")
	a.print("image       %s", s.Image)
	pace := ""
	if s.Slow > 1 {
		pace = fmt.Sprintf(", clocks %d times slower", s.Slow)
	}
	a.print("network     %s, %s%s", s.Network, s.Accel, pace)
	if s.Kubeconfig != "" {
		a.print("kubeconfig  %s", s.Kubeconfig)
	}
	a.print("API         %s", s.API)
	for _, m := range s.Machines {
		if m.Power != lab.PowerNever {
			line := m.Name + "  " + m.Address
			if m.SSH != "" {
				line += ", SSH at " + m.SSH
			}
			a.print("%s, console in %s", line, m.Log)
		}
	}
	for _, note := range s.Notes {
		a.print("note: %s", note)
	}
	for _, p := range s.Problems() {
		a.print("missing: %s", p)
	}
}
