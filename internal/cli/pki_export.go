package cli

import (
	"github.com/ingot-k8s/ingot/pki"
	"github.com/spf13/cobra"
)

func (a *app) pkiExportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export CLUSTER FOLDER [NODE...]",
		Short: "Write certificates and keys as ordinary files",
		Long: "Writes the certificates of the authorities into FOLDER, and for each NODE a folder with its certificates\n" +
			"and its private keys in the clear (mode 0600). A file that is not from an export is never replaced.",
		Args:              cobra.MinimumNArgs(2),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(_ *cobra.Command, args []string) error {
			nodes := args[2:]
			_, store, err := a.open(args[0], nodes)
			if err != nil {
				return err
			}
			if err := store.Export(args[1], nodes...); err != nil {
				return notIssued(err, args[0])
			}
			a.print("%s", args[1])
			return nil
		},
	}
}

func (a *app) pkiSignerConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "signer-config CLUSTER",
		Short: "Print the configuration of a cfssl server that signs for a cluster",
		Long: "Prints the signing profiles that a cfssl server (cfssl serve or multirootca) needs to sign for the cluster,\n" +
			"so that the authorities' keys can stay on another machine. See pki.remote of the definition.",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeCluster(false),
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := a.load(args[0])
			if err != nil {
				return err
			}
			text, err := pki.SignerConfig(c)
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}
