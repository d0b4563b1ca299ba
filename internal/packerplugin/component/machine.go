package component

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/ingot-k8s/ingot/internal/apply"
)

// machine is the machine behind a communicator of Packer.
type machine struct {
	comm    packersdk.Communicator
	elevate []string
}

var _ apply.Machine = (*machine)(nil)

// maxSaid bounds what an error has of what a program said, in bytes.
const maxSaid = 4 << 10

// Run implements apply.Machine.
func (m *machine) Run(ctx context.Context, in io.Reader, out io.Writer, argv ...string) error {
	var said bytes.Buffer
	cmd := &packersdk.RemoteCmd{Command: line(append(append([]string(nil), m.elevate...), argv...)), Stdin: in, Stdout: out, Stderr: &said}
	if out == nil {
		cmd.Stdout = io.Discard
	}
	if err := m.comm.Start(ctx, cmd); err != nil {
		return fmt.Errorf("running %q on the machine: %w", argv[0], err)
	}
	done := make(chan int, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case <-ctx.Done():
		return ctx.Err() // the builder ends the connection, and with it the program
	case status := <-done:
		if status != 0 {
			text := said.String()
			return fmt.Errorf("running %q on the machine: exit status %d: %s", argv[0], status, strings.TrimSpace(text[max(0, len(text)-maxSaid):]))
		}
		return nil
	}
}

// line is a line of a shell that runs a program with these very arguments.
func line(argv []string) string {
	var out []string
	for _, a := range argv {
		out = append(out, "'"+strings.ReplaceAll(a, "'", `'\''`)+"'")
	}
	return strings.Join(out, " ")
}
