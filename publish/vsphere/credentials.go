package vsphere

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// Variables of the environment, as VMware's own tools have them. A credentials
// file has lines of the same names.
const (
	UserVariable     = "GOVC_USERNAME"
	PasswordVariable = "GOVC_PASSWORD"
)

// Credentials let in at the server.
type Credentials struct {
	User     string
	Password string
}

// String keeps a password out of messages.
func (c Credentials) String() string { return c.User + ":(not shown)" }

// GoString is [Credentials.String].
func (c Credentials) GoString() string { return c.String() }

func (c Credentials) check() error {
	for _, v := range []struct{ name, value string }{{UserVariable, c.User}, {PasswordVariable, c.Password}} {
		if v.value == "" {
			return &MissingCredentialsError{Variable: v.name}
		}
	}
	return nil
}

// MissingCredentialsError is for a user or password that nobody gave.
type MissingCredentialsError struct{ Variable string }

func (e *MissingCredentialsError) Error() string { return "there is no " + e.Variable }

// Advice is for the person at the terminal.
func (e *MissingCredentialsError) Advice() string {
	return "set " + UserVariable + " and " + PasswordVariable + ", or name a file with them by --credentials-file"
}

// CredentialsFromEnv are those of the environment.
func CredentialsFromEnv(getenv func(string) string) Credentials {
	return Credentials{User: getenv(UserVariable), Password: getenv(PasswordVariable)}
}

// maxCredentials bounds a credentials file, in bytes.
const maxCredentials = 64 << 10

// ReadCredentials reads a file of lines NAME=VALUE, which only its owner may
// read. Empty lines and those that begin with # are passed over, and so are
// other names; a value may be in quotes.
func ReadCredentials(path string) (Credentials, error) {
	c, err := readCredentials(path)
	if err != nil {
		return Credentials{}, fmt.Errorf("reading credentials: %w", err)
	}
	return c, nil
}

func readCredentials(path string) (Credentials, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Credentials{}, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return Credentials{}, fmt.Errorf("%s has mode %04o: others may read it; want 0600", path, mode)
	}
	data, err := atomicfile.ReadFile(path, maxCredentials)
	if err != nil {
		return Credentials{}, err
	}
	values := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, value, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if !ok {
			return Credentials{}, fmt.Errorf("%s:%d: want NAME=VALUE", path, n) // the line may be a password
		}
		values[strings.TrimSpace(name)] = unquote(strings.TrimSpace(value))
	}
	if lines.Err() != nil {
		return Credentials{}, errors.New(path + " has a line that is too long")
	}
	c := CredentialsFromEnv(func(name string) string { return values[name] })
	if err := c.check(); err != nil {
		return Credentials{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// unquote takes one pair of quotes away.
func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
