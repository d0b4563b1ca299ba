package ignition

import (
	"encoding/base64"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/ignition/bundle"
	"go.yaml.in/yaml/v3"
)

// cloudConfig inspects a cloud-config. It walks the tree of the document,
// because nothing says that a foreign one has the right types everywhere.
func (in *inspector) cloudConfig(data []byte) {
	var document yaml.Node
	if err := yaml.Unmarshal(data, &document); err != nil || len(document.Content) == 0 {
		in.warn("the cloud-config is not YAML: cloud-init applies nothing of it")
		return
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		in.warn("the cloud-config is not a map of keys: cloud-init applies nothing of it")
		return
	}
	if left := maxContent; !fits(root, &left, 0) {
		in.warn("the cloud-config has more than %d bytes with its aliases in place, and is not looked into", maxContent)
		return
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := text(root.Content[i]), root.Content[i+1]
		switch key {
		case "write_files":
			for _, f := range items(value) {
				if in.full() {
					break
				}
				in.cloudFile(f)
			}
		case "users":
			for _, u := range items(value) {
				in.cloudUser(u)
			}
		case "runcmd", "bootcmd":
			for _, c := range items(value) {
				in.Commands = append(in.Commands, command(c))
			}
		case "hostname", "fqdn", "prefer_fqdn_over_hostname", "preserve_hostname":
		default:
			in.Other = append(in.Other, short(key))
		}
	}
	slices.Sort(in.Other)
	in.cloudUnits()
}

// cloudUnits recognises units among the files, and by the commands which of
// them are enabled.
func (in *inspector) cloudUnits() {
	for _, f := range in.applied {
		dir, name := path.Split(f.Path)
		if dir != "/etc/systemd/system/" {
			continue
		}
		enabled := slices.ContainsFunc(in.Commands, func(c string) bool {
			return strings.HasPrefix(c, "systemctl enable ") && strings.HasSuffix(c, " "+name)
		})
		in.Units = append(in.Units, UnitInfo{Name: name, Enabled: enabled, Size: f.Size})
	}
}

// maxDepth is how deep a document may be with its aliases in place, which may
// lead back to where they stand. The parser itself allows half of it.
const maxDepth = 20000

// fits takes the size of a document, with aliases in place, off what is left
// in bytes, and reports whether that was enough.
func fits(n *yaml.Node, left *int, depth int) bool {
	*left -= 1 + len(n.Value)
	if *left < 0 || depth > maxDepth {
		return false
	}
	if n.Kind == yaml.AliasNode {
		return fits(n.Alias, left, depth+1)
	}
	for _, child := range n.Content {
		if !fits(child, left, depth+1) {
			return false
		}
	}
	return true
}

// text is the content of a scalar; of anything else, nothing.
func text(n *yaml.Node) string {
	if n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// items are the entries of a list.
func items(n *yaml.Node) []*yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content[:min(len(n.Content), maxListed)]
}

// field is the value of a key in a map, nil if there is none.
func field(n *yaml.Node, key string) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n == nil || n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func (in *inspector) cloudFile(n *yaml.Node) {
	info := FileInfo{Path: text(field(n, "path")), Source: "config", Owner: text(field(n, "owner"))}
	if info.Path == "" {
		in.warn("write_files has an entry without a path")
		return
	}
	if info.Owner == "" {
		info.Owner = rootOwner
	}
	info.Mode = "0644" // cloud-init's default
	if mode := text(field(n, "permissions")); mode != "" {
		info.Mode = fmt.Sprintf("%04s", strings.TrimPrefix(mode, "0o"))
	}
	if len(info.Mode) > 5 || strings.Trim(info.Mode, "01234567") != "" {
		in.warn("file %q: its permissions are not octal", info.Path)
		info.Mode = ""
	}
	content := field(n, "content")
	data := []byte(text(content))
	if content != nil && content.Tag == "!!binary" {
		data = fromBase64(string(data))
	}
	var err error
	switch encoding := strings.ToLower(strings.TrimSpace(text(field(n, "encoding")))); encoding {
	case "", "text/plain":
	case "b64", "base64":
		data = fromBase64(string(data))
	case "gz", "gzip":
		data, err = bundle.Decompress(data, maxConfig)
	case "gz+b64", "gz+base64", "gzip+b64", "gzip+base64":
		data, err = bundle.Decompress(fromBase64(string(data)), maxConfig)
	default:
		in.warn("file %q: encoding %q is unknown to cloud-init, which takes it for text", info.Path, short(encoding))
	}
	if err != nil || data == nil {
		in.warn("file %q: its content cannot be decoded", info.Path)
		return
	}
	in.apply(info, data)
}

// fromBase64 gives nil for what is none.
func fromBase64(s string) []byte {
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		return nil
	}
	return data
}

func (in *inspector) cloudUser(n *yaml.Node) {
	info := UserInfo{Name: text(field(n, "name"))}
	if info.Name == "" {
		info.Name = text(n) // "default" stands for the image's own user
	}
	var keys []string
	for _, key := range []string{"ssh_authorized_keys", "ssh-authorized-keys"} {
		for _, k := range items(field(n, key)) {
			keys = append(keys, text(k))
		}
	}
	info.Keys = fingerprints(keys)
	for _, g := range items(field(n, "groups")) {
		info.Groups = append(info.Groups, short(text(g)))
	}
	if g := text(field(n, "groups")); g != "" {
		info.Groups = append(info.Groups, short(g))
	}
	for _, key := range []string{"passwd", "hashed_passwd", "plain_text_passwd"} {
		if p := text(field(n, key)); p != "" {
			info.Password = redacted(len(p))
		}
	}
	in.Users = append(in.Users, info)
}

// unitCommand is a command of systemctl about units, which has room for nothing
// secret: set-environment has, and so has what follows in a line for a shell.
var unitCommand = regexp.MustCompile(`^systemctl (?:daemon-reload|(?:enable|disable|start|stop|restart|reload|mask|unmask)(?: --(?:now|no-block))*(?: [A-Za-z0-9@._-]+\.(?:service|socket|target|timer|mount|path|slice))+)$`)

// programName is what programs are called; anything else may be a setting of
// the environment, or the start of a line for a shell.
var programName = regexp.MustCompile(`^[A-Za-z0-9._+-]{1,32}$`)

// command shows a command of systemctl about units as it is. Of any other it
// shows the program: arguments often hold tokens and passwords.
func command(n *yaml.Node) string {
	var words []string
	for _, w := range items(n) {
		words = append(words, text(w))
	}
	if len(words) == 0 {
		words = strings.Fields(text(n))
	}
	if len(words) == 0 {
		return "nothing"
	}
	line := strings.Join(words, " ")
	if len(line) < 200 && unitCommand.MatchString(line) {
		return line
	}
	program := path.Base(words[0])
	if !programName.MatchString(program) {
		return redacted(len(line))
	}
	if len(words) == 1 {
		return program
	}
	return program + " " + redacted(len(line)-len(words[0]))
}
