package cli_test

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestExport runs the program as before Terraform; e2e/terraform goes on from
// there with Terraform itself.
func TestExport(t *testing.T) {
	p := params(filepath.Join("testdata", "export"))
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		if err := setup(env); err != nil {
			return err
		}
		for _, name := range []string{"sea", "both"} {
			if err := fakeBake(env.WorkDir, name); err != nil {
				return err
			}
		}
		return nil
	}
	testscript.Run(t, p)
}
