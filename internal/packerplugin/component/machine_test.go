package component

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/internal/need"
)

// A shell gives every program the arguments that were meant.
func TestLine(t *testing.T) {
	argv := []string{"printf", `%s|`, "plain", "", "two words", "it's", `"$HOME" \ *`, "a\nb", "-n"}
	out, err := exec.CommandContext(t.Context(), need.Tool(t, "bash"), "-c", line(argv)).Output()
	if want := strings.Join(argv[2:], "|") + "|"; err != nil || string(out) != want {
		t.Errorf("got %q, want %q: %v", out, want, err)
	}
}
