// Package delivery turns a definition, with what a person's environment and
// files hold, into what the destinations of package publish take: how an account
// or a server is reached, and which image is brought there. The command line and
// the Packer plugin both call it, so that both publish the same.
package delivery

import (
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Error is an error with advice, which names options as the command line does.
type Error struct {
	err    error
	advice string
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Advice says what to do about it.
func (e *Error) Advice() string { return e.advice }

func advise(err error, format string, args ...any) error {
	return &Error{err: err, advice: fmt.Sprintf(format, args...)}
}

// maxSecret bounds a file with a token or keys, in bytes.
const maxSecret = 16 << 10

// secretOf reads a secret from a file, where one is named, or else from the
// first of the variables that is set. Its text stands in no error.
func secretOf(file string, getenv func(string) string, variables ...string) (string, error) {
	if file != "" {
		data, err := atomicfile.ReadFile(file, maxSecret)
		return strings.TrimSpace(string(data)), err
	}
	for _, name := range variables {
		if s := strings.TrimSpace(getenv(name)); s != "" {
			return s, nil
		}
	}
	return "", nil
}
