// Package boot_test bakes images and boots them in QEMU, as machines of every
// kind that can be had there. It takes minutes, and runs only where
// INGOT_E2E_DIR names a folder to work in, which "make e2e" sets. What is in
// the folder is kept, so that the next run bakes nothing that did not change.
package boot_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/e2e/internal/variant"
)

// world is what the tests have in common.
type world struct {
	*variant.Folder
	// slots is how many machines run at once.
	slots chan struct{}

	ignition  *variant.Variant // an image with Ignition
	cloudInit *variant.Variant // the same with cloud-init
	bootISO   *variant.Variant // the first with all drivers, on ISOs that start
	stranger  *variant.Variant // another cluster, of which there is no image
}

// newWorld is a world without clusters.
func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{Folder: variant.Open(t), slots: make(chan struct{}, 2)}
}

// alone has one controller in a definition, so that the control plane comes up
// on a machine that has no peers.
func alone(def variant.Definition) {
	for i, n := range def["nodes"].([]any) {
		if i > 0 {
			n.(variant.Definition)["roles"] = []string{"worker", "edge"}
		}
	}
}

// talkative has the consoles show all that the kernel says: the power is cut at
// lines of it.
func talkative(def variant.Definition) {
	system := def["system"].(variant.Definition)
	system["kernelArgs"] = append(system["kernelArgs"].([]any), "loglevel=7")
}

// slot waits until one machine more may run. It is given back after the
// machines of the test have ended.
func (w *world) slot(t *testing.T) {
	t.Helper()
	w.slots <- struct{}{}
	t.Cleanup(func() { <-w.slots })
}

// seconds prints a duration.
func seconds(d time.Duration) string { return fmt.Sprintf("%.0f s", d.Seconds()) }
