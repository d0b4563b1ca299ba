package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/pki"
	"github.com/spf13/cobra"
)

func (a *app) pkiStatusCommand() *cobra.Command {
	var asJSON bool
	var within string
	cmd := &cobra.Command{
		Use:   "status CLUSTER",
		Short: "List every certificate with purpose, names and days left",
		Long: "Lists every certificate of the key store: whose it is, what for, its names and addresses, and the days it\n" +
			"has left. No private key is opened. With --fail-within the exit status is 3 when a certificate ends within\n" +
			"that time, is missing or damaged: for a daily check.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			var limit cluster.Duration
			if within != "" {
				var err error
				if limit, err = cluster.ParseDuration(within); err != nil {
					return &usageError{command: cmd.CommandPath(), err: fmt.Errorf("--fail-within: %w", err)}
				}
			}
			_, store, err := a.open(args[0], nil)
			if err != nil {
				return err
			}
			now := time.Now()
			rows, err := store.Status(now)
			if err != nil {
				return err
			}
			if err := a.printStatus(rows, asJSON); err != nil {
				return err
			}
			if within == "" {
				return nil
			}
			return failWithin(rows, now, limit)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	cmd.Flags().StringVar(&within, "fail-within", "", "exit status 3 if any certificate ends within this time, such as 30d")
	return cmd
}

func (a *app) printStatus(rows []pki.Row, asJSON bool) error {
	if asJSON {
		return a.printJSON(rows)
	}
	lines := []string{"HOLDER\tCERTIFICATE\tUSAGE\tAUTHORITY\tDAYS LEFT\tSTATE\tNAMES AND ADDRESSES"}
	for _, r := range rows {
		state, left := string(r.State), "-"
		if r.Reason != "" {
			state += ": " + r.Reason
		}
		if !r.NotAfter.IsZero() {
			left = strconv.Itoa(r.DaysLeft)
		}
		lines = append(lines, strings.Join([]string{
			r.Holder, r.Name, string(r.Usage), string(r.Authority), left, state, strings.Join(r.SANs, " "),
		}, "\t"))
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	if _, err := io.WriteString(w, strings.Join(lines, "\n")+"\n"); err != nil {
		return err
	}
	return w.Flush()
}

// failWithin answers whether everything lasts longer than limit; zero asks for what has ended.
func failWithin(rows []pki.Row, now time.Time, limit cluster.Duration) error {
	var bad []string
	for _, r := range rows {
		switch {
		case r.State == pki.Undefined:
		case r.State == pki.Missing, r.State == pki.Damaged:
			bad = append(bad, fmt.Sprintf("%s %s: %s", r.Holder, r.Name, r.State))
		case r.NotAfter.Sub(now) <= limit.Std():
			bad = append(bad, fmt.Sprintf("%s %s: %d days left", r.Holder, r.Name, r.DaysLeft))
		}
	}
	if len(bad) == 0 {
		return nil
	}
	const most = 5
	text := strings.Join(bad[:min(most, len(bad))], "; ")
	if len(bad) > most {
		text += "; ..."
	}
	return &checkError{fmt.Sprintf("%s within %s: %s", plural(len(bad), "certificate"), limit, text)}
}
