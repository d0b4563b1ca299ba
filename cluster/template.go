package cluster

import (
	_ "embed" // for the text of the template
	"fmt"
	"strconv"
	"strings"
)

//go:embed template.yaml
var templateText string

// Template gives the commented definition that a new cluster of that name
// starts from: valid as it stands, with every setting that has a default shown
// as a comment. The name is checked as that of a definition is.
func Template(name string) ([]byte, error) {
	if problem := labelProblem(name, maxClusterName); problem != "" {
		return nil, fmt.Errorf("making a definition: name %s", problem)
	}
	quoted := name
	if name == "null" { // the one label that YAML does not take for a word
		quoted = strconv.Quote(name)
	}
	return []byte(strings.NewReplacer("@NAME@", name, "@QUOTED@", quoted).Replace(templateText)), nil
}
