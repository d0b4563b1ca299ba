package cli

import (
	"github.com/ingot-k8s/ingot/pki"
	"github.com/spf13/cobra"
)

func (a *app) pkiRBACCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rbac",
		Short: "Print the manifest that gives certificates their rights",
		Long: "Prints Kubernetes objects that give admins, kube-apiserver towards the kubelets, and cluster DNS their\n" +
			"rights. Apply it once to a new cluster, with a kubeconfig of ingot kubeconfig --break-glass.",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(pki.RBAC)
			return err
		},
	}
}
