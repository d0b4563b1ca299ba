package cli

import (
	"github.com/ingot-k8s/ingot/pki"
	"github.com/spf13/cobra"
)

func (a *app) pkiRBACCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rbac",
		Short: "Print the manifest that gives certificates their rights",
		Long: "Prints Kubernetes objects that give admins and cluster DNS their rights. Controllers of an image of Ingot\n" +
			"apply it by themselves; to others, apply it once, with a kubeconfig of ingot kubeconfig --break-glass.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(pki.RBAC)
			return err
		},
	}
}
