package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// escape is Ctrl-], which telnet has for the same.
const escape = 0x1d

func (a *app) labConsoleCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "console CLUSTER NODE",
		Short: "Sit at the serial console of a machine",
		Long: "Connects this terminal with the first serial port of a machine: what it said last, what it says, and what you\n" +
			"type. Ctrl-] leaves it. Several can be connected at once. Nobody can log in there, for there are no passwords.",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: a.completeCluster(true),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, client, err := a.labOf(args[0], args[1])
			if err != nil {
				return err
			}
			stream, err := client.Console(cmd.Context(), args[1])
			if err != nil {
				return labError(c, err)
			}
			return a.sit(cmd.Context(), stream, args[1])
		},
	}
}

// sit passes bytes between the terminal and a console until the machine ends,
// the escape is typed, or the input ends.
func (a *app) sit(ctx context.Context, stream io.ReadWriteCloser, name string) error {
	defer func() { _ = stream.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = stream.Close() })
	defer stop()
	if f, ok := a.stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		a.say("console of %s; Ctrl-] leaves it", name)
		old, err := term.MakeRaw(int(f.Fd()))
		if err != nil {
			return err
		}
		defer func() { _ = term.Restore(int(f.Fd()), old) }()
	}
	left := make(chan error, 1)
	go func() { left <- typed(stream, a.stdin) }()
	said := make(chan error, 1)
	go func() {
		_, err := io.Copy(a.stdout, stream)
		said <- err
	}()
	var err error
	select {
	case err = <-left:
	case err = <-said:
		a.say("\r\nthe machine is off")
	}
	if errors.Is(err, net.ErrClosed) {
		err = ctx.Err()
	}
	return err
}

// typed copies what is typed, up to the escape.
func typed(to io.Writer, from io.Reader) error {
	if from == nil {
		return nil
	}
	buffer := make([]byte, 256)
	for {
		n, err := from.Read(buffer)
		text, _, leave := bytes.Cut(buffer[:n], []byte{escape})
		if _, err := to.Write(text); err != nil || leave {
			return err
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
