// Package definition is the cluster definition in Packer's templates: how a
// template names one, and the data source that gives what follows from it.
package definition

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/diag"
)

// file is the name of a definition in its folder.
const file = "cluster.yaml"

// Load reads the definition that a template names by its file or its folder,
// and gives the warnings about it. An error has all problems, each with file,
// line and column, and the line itself.
func Load(path string) (*cluster.Cluster, []string, error) {
	if path == "" {
		return nil, nil, errors.New(`"cluster" must name the folder of a cluster definition, or its file`)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, file)
	}
	c, report, err := cluster.Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf(`%w; "cluster" names the folder of a definition, or its file, from where packer runs`, err)
	}
	if err != nil {
		return nil, nil, Explained(err)
	}
	return c, Warnings(report), nil
}

// Warnings lists the warnings of a report.
func Warnings(r *diag.Report) []string {
	if r == nil {
		return nil
	}
	var out []string
	for _, p := range r.Problems {
		if p.Severity == diag.Warning {
			out = append(out, p.String())
		}
	}
	return out
}

// Explained adds to an error what a terminal would show with it: the lines that
// it is about, or advice. Packer shows errors as they are.
func Explained(err error) error {
	var bad *diag.ReportError
	if errors.As(err, &bad) {
		var text strings.Builder
		if werr := bad.Report.Write(&text); werr == nil {
			return &explained{err: err, text: strings.TrimRight(text.String(), "\n")}
		}
	}
	var advice interface{ Hint() string }
	if errors.As(err, &advice) {
		return &explained{err: err, text: fmt.Sprintf("%v\nhint: %s", err, advice.Hint())}
	}
	var told interface{ Advice() string }
	if errors.As(err, &told) {
		return &explained{err: err, text: fmt.Sprintf("%v\nhint: %s", err, option.ReplaceAllStringFunc(told.Advice(), argument))}
	}
	return err
}

// option is an option of the command line in advice.
var option = regexp.MustCompile(`--[a-z][a-z0-9-]*`)

// argument is an option as templates have it.
func argument(option string) string {
	return strings.ReplaceAll(strings.TrimPrefix(option, "--"), "-", "_")
}

// explained is an error with more words.
type explained struct {
	err  error
	text string
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }
