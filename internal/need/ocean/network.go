package ocean

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"
)

// named serves things that have a UUID: firewalls and VPCs.
func (o *Ocean) named(r *http.Request, kind string, all map[string]*Thing, path []string, body map[string]any) (int, any) {
	if len(path) == 0 && r.Method == http.MethodGet {
		return o.list(r, kind+"s", bodies(all, nil))
	}
	if len(path) > 0 && all[path[0]] == nil {
		return missing()
	}
	if kind == "firewall" && r.Method != http.MethodGet && r.Method != http.MethodDelete {
		for _, tag := range words(body["tags"]) {
			if !o.Tags[tag] {
				return unprocessable("tag %q does not exist", tag)
			}
		}
	}
	switch r.Method {
	case http.MethodPost:
		id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", o.id())
		body["id"], body["created_at"] = id, created
		code := http.StatusAccepted
		if kind == "vpc" {
			code = http.StatusCreated
			body["default"], body["urn"] = false, "do:vpc:"+id
			if body["ip_range"] == nil {
				body["ip_range"] = "10.114.0.0/20"
			}
		} else {
			body["status"], body["pending_changes"] = "succeeded", []any{}
		}
		all[id] = &Thing{Body: body}
		return code, map[string]any{kind: body}
	case http.MethodPut:
		for k, v := range body {
			all[path[0]].Body[k] = v
		}
	case http.MethodDelete:
		for _, d := range o.Droplets {
			if kind == "vpc" && d.Body["vpc_uuid"] == path[0] {
				return http.StatusForbidden, wrong("forbidden", "Can not delete VPC with members")
			}
		}
		delete(all, path[0])
		return http.StatusNoContent, nil
	}
	return http.StatusOK, map[string]any{kind: all[path[0]].Body}
}

// tagBody is a tag. Nobody here asks how much has it.
func tagBody(name string) map[string]any {
	none := map[string]any{"count": 0}
	return map[string]any{"name": name, "resources": map[string]any{
		"count": 0, "droplets": none, "images": none, "volumes": none, "volume_snapshots": none, "databases": none,
	}}
}

func (o *Ocean) tags(r *http.Request, path []string, body map[string]any) (int, any) {
	switch {
	case len(path) == 0 && r.Method == http.MethodPost:
		o.Tags[fmt.Sprint(body["name"])] = true
		return http.StatusCreated, map[string]any{"tag": tagBody(fmt.Sprint(body["name"]))}
	case len(path) == 0:
		all := []any{}
		for name := range o.Tags {
			all = append(all, tagBody(name))
		}
		slices.SortFunc(all, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
		return o.list(r, "tags", all)
	case !o.Tags[path[0]]:
		return missing()
	case len(path) > 1:
		list, _ := body["resources"].([]any)
		for _, v := range list {
			id, _ := strconv.Atoi(text(v.(map[string]any)["resource_id"]))
			img, ok := o.Images[id]
			if !ok {
				return missing()
			}
			if tags := img.Body["tags"].([]string); !slices.Contains(tags, path[0]) {
				img.Body["tags"] = append(tags, path[0])
			}
		}
		return http.StatusNoContent, nil
	case r.Method == http.MethodDelete:
		delete(o.Tags, path[0])
		return http.StatusNoContent, nil
	}
	return http.StatusOK, map[string]any{"tag": tagBody(path[0])}
}

func (o *Ocean) keys(r *http.Request, path []string, body map[string]any) (int, any) {
	if len(path) == 0 {
		if r.Method == http.MethodPost {
			key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text(body["public_key"])))
			if err != nil {
				return unprocessable("Key invalid")
			}
			id := o.id()
			body["id"], body["fingerprint"] = id, ssh.FingerprintLegacyMD5(key)
			o.Keys[id] = &Thing{Body: body}
			return http.StatusCreated, map[string]any{"ssh_key": body}
		}
		return o.list(r, "ssh_keys", bodies(o.Keys, nil))
	}
	for id, k := range o.Keys {
		if path[0] != strconv.Itoa(id) && path[0] != k.Body["fingerprint"] {
			continue
		}
		if r.Method == http.MethodDelete {
			delete(o.Keys, id)
			return http.StatusNoContent, nil
		}
		return http.StatusOK, map[string]any{"ssh_key": k.Body}
	}
	return missing()
}

func (o *Ocean) domains(r *http.Request, path []string, body map[string]any) (int, any) {
	switch {
	case len(path) < 2 || path[0] != o.Zone:
		return missing()
	case len(path) == 2 && r.Method == http.MethodPost:
		id := o.id()
		body["id"] = id
		o.Records[id] = &Thing{Body: body}
		return http.StatusCreated, map[string]any{"domain_record": body}
	case len(path) == 2:
		return o.list(r, "domain_records", bodies(o.Records, nil))
	}
	id, _ := strconv.Atoi(path[2])
	if o.Records[id] == nil {
		return missing()
	}
	switch r.Method {
	case http.MethodDelete:
		delete(o.Records, id)
		return http.StatusNoContent, nil
	case http.MethodPut, http.MethodPatch:
		maps.Copy(o.Records[id].Body, body)
	}
	return http.StatusOK, map[string]any{"domain_record": o.Records[id].Body}
}
