package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/ingot-k8s/ingot/ignition"
	"github.com/spf13/cobra"
)

func (a *app) inspectCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Say what a config ISO or user data would do, without its secrets",
		Long: "Looks into a config ISO, an Ignition or cloud-config user data, or guestinfo values, of Ingot or of others:\n" +
			"who would find it, what they would write, which certificates are in it, and what is wrong with it.\n" +
			"Secrets are never shown.",
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			found, err := inspectFile(args[0], time.Now())
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(found)
			}
			return found.Write(a.stdout)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as JSON")
	return cmd
}

// inspectFile looks into a regular file, or a drive.
func inspectFile(path string, now time.Time) (found *ignition.Inspection, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() && info.Mode()&os.ModeDevice == 0 {
		return nil, fmt.Errorf("inspecting %q: neither a file nor a drive", path)
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	found, err = ignition.Inspect(f, size, now)
	if err != nil {
		return nil, fmt.Errorf("inspecting %q: %w", path, err)
	}
	return found, nil
}
