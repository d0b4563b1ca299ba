package pki

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"

	"go.yaml.in/yaml/v3"
)

// MergeKubeconfig puts the entries of ours, as [Kubeconfig] writes it, into an
// existing kubeconfig. Entries of the same names are replaced; a context keeps
// its further settings, such as the namespace. Everything else stays, unknown
// fields and comments too, and so does current-context, unless it is not set.
func MergeKubeconfig(existing, ours []byte) ([]byte, error) {
	add, err := parseKubeconfig(ours)
	if err != nil {
		return nil, fmt.Errorf("merging kubeconfig: the new one: %w", err)
	}
	doc, err := parseKubeconfig(existing)
	if errors.Is(err, io.EOF) { // nothing, or comments only
		return afterComments(existing, ours)
	}
	if err != nil {
		return nil, fmt.Errorf("merging kubeconfig: the existing one: %w", err)
	}
	to, from := doc.Content[0], add.Content[0]
	for _, list := range []struct{ key, value string }{
		{"clusters", "cluster"}, {"users", "user"}, {"contexts", "context"},
	} {
		if err := mergeList(to, from, list.key, list.value); err != nil {
			return nil, fmt.Errorf("merging kubeconfig: the existing one: %w", err)
		}
	}
	if current := valueOf(to, "current-context"); current == nil {
		setValue(to, "current-context", valueOf(from, "current-context"))
	} else if current.Value == "" || current.Tag == "!!null" {
		*current = *valueOf(from, "current-context")
	}
	merged, err := encodeYAML(doc)
	if err != nil {
		return nil, err
	}
	// An anchor may have stood in what was replaced.
	if _, err := parseKubeconfig(merged); err != nil {
		return nil, fmt.Errorf("merging kubeconfig: the existing one: its anchors are in the way: %w", err)
	}
	return merged, nil
}

// afterComments puts ours below a file that has nothing but comments.
func afterComments(comments, ours []byte) ([]byte, error) {
	comments = bytes.TrimSpace(comments)
	if len(comments) == 0 {
		return ours, nil
	}
	merged := slices.Concat(comments, []byte("\n"), ours)
	// What YAML takes for the end of a line, and so of a comment, is more than
	// the newline of text files.
	if _, err := parseKubeconfig(merged); err != nil {
		return nil, fmt.Errorf("merging kubeconfig: the existing one: nothing can be put below its comments: %w", err)
	}
	return merged, nil
}

// parseKubeconfig reads one document that is a kubeconfig.
func parseKubeconfig(data []byte) (*yaml.Node, error) {
	d := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	if err := d.Decode(&doc); err != nil {
		return nil, fmt.Errorf("not YAML: %w", err)
	}
	switch err := d.Decode(&more); {
	case err == nil:
		return nil, errors.New("more than one YAML document")
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("not YAML: %w", err)
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, errors.New("not a kubeconfig: its top level is not a mapping")
	}
	// client-go takes a file without kind, so it may be one.
	if kind := valueOf(root, "kind"); kind != nil && kind.Value != "Config" {
		return nil, fmt.Errorf("not a kubeconfig: kind is %q, not %q", kind.Value, "Config")
	}
	return &doc, nil
}

// mergeList puts the one entry of a list of ours into the list of the same
// key, in the place of the first entry of its name; further ones go.
func mergeList(to, from *yaml.Node, key, value string) error {
	entry := valueOf(from, key).Content[0]
	name := valueOf(entry, "name").Value
	list := valueOf(to, key)
	switch {
	case list == nil:
		list = &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
		setValue(to, key, list)
	case list.Kind == yaml.ScalarNode && list.Tag == "!!null":
		*list = yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	case list.Kind != yaml.SequenceNode:
		return fmt.Errorf("line %d: %s is not a list", list.Line, key)
	}
	if len(list.Content) == 0 {
		list.Style = 0 // "[]" would put the entry on one line
	}
	var kept []*yaml.Node
	placed := false
	for _, e := range list.Content {
		if n := valueOf(e, "name"); n == nil || n.Value != name {
			kept = append(kept, e)
			continue
		}
		if placed {
			continue
		}
		replaceEntry(e, entry, value)
		kept, placed = append(kept, e), true
	}
	if !placed {
		kept = append(kept, entry)
	}
	list.Content = kept
	return nil
}

// replaceEntry takes over our settings. Of clusters and users nothing else may
// stay, such as insecure-skip-tls-verify or a token.
func replaceEntry(old, ours *yaml.Node, value string) {
	was, is := valueOf(old, value), valueOf(ours, value)
	if value != "context" || was == nil || was.Kind != yaml.MappingNode {
		setValue(old, value, is)
		return
	}
	for i := 0; i+1 < len(is.Content); i += 2 {
		setValue(was, is.Content[i].Value, is.Content[i+1])
	}
}

// valueOf finds the value of a key in a mapping; nil if there is none.
func valueOf(m *yaml.Node, key string) *yaml.Node {
	if m.Kind == yaml.AliasNode {
		m = m.Alias
	}
	if m.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			return m.Content[i+1]
		}
	}
	return nil
}

// setValue replaces or adds the value of a key in a mapping.
func setValue(m *yaml.Node, key string, value *yaml.Node) {
	for i := 0; i+1 < len(m.Content); i += 2 {
		if m.Content[i].Value == key {
			m.Content[i+1] = value
			return
		}
	}
	m.Content = append(m.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, value)
}

func base64Text(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
