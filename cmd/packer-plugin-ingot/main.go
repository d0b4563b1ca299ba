// Command packer-plugin-ingot is Ingot for Packer, which starts it by itself:
// see docs/packer.
package main

import (
	"fmt"
	"os"

	"github.com/ingot-k8s/ingot/internal/packerplugin"
)

func main() {
	if err := packerplugin.Set().Run(); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "error:", err) // where else could it be told?
		os.Exit(1)
	}
}
