package ocean

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// State is a line for all that the account has, in order, without numbers and
// times, which differ from run to run.
func (o *Ocean) State() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	add := func(kind string, b map[string]any, keys ...string) {
		line := kind
		for _, k := range keys {
			text, err := json.Marshal(b[k])
			if err != nil {
				panic(err) // of JSON that was decoded
			}
			line += " " + k + "=" + string(text)
		}
		out = append(out, line)
	}
	for _, i := range o.Images {
		add("image", i.Body, "name", "type", "status", "regions", "tags")
	}
	for _, d := range o.Droplets {
		add("droplet", d.Body, "name", "status", "size_slug", "tags", "user_data")
	}
	for _, f := range o.Firewalls {
		add("firewall", f.Body, "name", "tags", "inbound_rules")
	}
	for _, v := range o.VPCs {
		add("vpc", v.Body, "name", "ip_range", "description")
	}
	for _, k := range o.Keys {
		add("key", k.Body, "name", "fingerprint")
	}
	for _, r := range o.Records {
		add("record", r.Body, "type", "name")
	}
	for ip, id := range o.Reserved {
		if d := o.Droplets[id]; d != nil {
			out = append(out, fmt.Sprint("reserved ", ip, " ", d.Body["name"]))
		}
	}
	for tag := range o.Tags {
		if tag != "ingot" && !strings.HasPrefix(tag, "ingot-") { // other clusters have them, too
			out = append(out, "tag "+tag)
		}
	}
	slices.Sort(out)
	return out
}

// Foreign is what is not of the tests' cluster.
func (o *Ocean) Foreign() string {
	var out []string
	for _, line := range o.State() {
		if !strings.Contains(line, "sea") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}
