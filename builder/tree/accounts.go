package tree

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ingot-k8s/ingot/provisioners/layer"
)

// Accounts are the four files of users and groups of a base: passwd, group,
// shadow and gshadow.
type Accounts struct {
	Users   string `json:"users"`
	Groups  string `json:"groups"`
	Shadow  string `json:"shadow"`
	Gshadow string `json:"gshadow"`
}

// accounts reads the files of accounts of a tree.
func (t entries) accounts() (*Accounts, error) {
	a := &Accounts{}
	for _, f := range a.files() {
		e, ok := t[f.path]
		if !ok || e.Kind != KindFile {
			return nil, fmt.Errorf("the base has no file %s", f.path)
		}
		text, err := e.read()
		if err != nil {
			return nil, err
		}
		*f.text = string(text)
	}
	return a, nil
}

// accountFile is one of the files, and where its text is.
type accountFile struct {
	path string
	text *string
}

func (a *Accounts) files() []accountFile {
	return []accountFile{{"/etc/passwd", &a.Users}, {"/etc/group", &a.Groups}, {"/etc/shadow", &a.Shadow}, {"/etc/gshadow", &a.Gshadow}}
}

// Add gives the accounts with those of layers. The new ones have no password
// (!*, as systemd-sysusers writes it), no shell and no home. date is when their
// passwords were changed, by days. An error lists all names and ids that are
// taken by others.
func (a *Accounts) Add(users []layer.User, date time.Time) (*Accounts, error) {
	out := *a
	var wrong []error
	for _, u := range users {
		if err := out.free(u); err != nil {
			wrong = append(wrong, err)
			continue
		}
		out.Users += fmt.Sprintf("%s:x:%d:%d:%s:/nonexistent:/usr/sbin/nologin\n", u.Name, u.ID, u.ID, u.Comment)
		out.Groups += fmt.Sprintf("%s:x:%d:\n", u.Name, u.ID)
		out.Shadow += fmt.Sprintf("%s:!*:%d::::::\n", u.Name, date.Unix()/(24*60*60))
		out.Gshadow += fmt.Sprintf("%s:!*::\n", u.Name)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	return &out, nil
}

// free says who has the name or the id of a user already.
func (a *Accounts) free(u layer.User) error {
	for _, old := range []struct{ what, text string }{{"user", a.Users}, {"group", a.Groups}} {
		for f := range records(old.text) {
			if len(f) > 2 && (f[0] == u.Name || f[2] == strconv.Itoa(u.ID)) {
				return fmt.Errorf("user %s (%d): there is the %s %s (%s) already", u.Name, u.ID, old.what, f[0], f[2])
			}
		}
	}
	return nil
}

// user and group give the number of a name, or of a number itself. Empty means
// root.
func (a *Accounts) user(name string) (int, error) { return lookup("user", name, a.Users) }

func (a *Accounts) group(name string) (int, error) { return lookup("group", name, a.Groups) }

func lookup(what, name, text string) (int, error) {
	if name == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(name, 10, 31); err == nil {
		return int(n), nil
	}
	for f := range records(text) {
		if f[0] == name && len(f) > 2 {
			return strconv.Atoi(f[2])
		}
	}
	return 0, fmt.Errorf("there is no %s %q", what, name)
}

// records gives the fields of each line.
func records(text string) func(yield func([]string) bool) {
	return func(yield func([]string) bool) {
		for line := range strings.Lines(text) {
			if f := strings.Split(strings.TrimSuffix(line, "\n"), ":"); !yield(slices.Clip(f)) {
				return
			}
		}
	}
}
