package ocean

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
)

func (o *Ocean) droplets(r *http.Request, path []string, body map[string]any) (int, any) {
	if len(path) == 0 {
		if r.Method == http.MethodPost {
			return o.createDroplet(body)
		}
		return o.list(r, "droplets", bodies(o.Droplets, tagged(r)))
	}
	id, _ := strconv.Atoi(path[0])
	d, ok := o.Droplets[id]
	switch {
	case !ok:
		return missing()
	case len(path) > 1 && r.Method == http.MethodPost:
		return o.actDroplet(d, id, body)
	case len(path) > 1:
		return o.actions(r, d, id, "droplet")
	case r.Method == http.MethodDelete:
		d.Body["status"], d.looks = "archive", 0
		return http.StatusNoContent, nil
	}
	d.looks++
	switch {
	case d.Body["status"] == "new" && d.looks > o.Slow:
		d.Body["status"] = "active"
		d.Body["networks"] = networks(id)
	case d.Body["status"] == "archive" && d.looks > o.Slow:
		delete(o.Droplets, id)
		for ip, owner := range o.Reserved {
			if owner == id {
				o.Reserved[ip] = 0
			}
		}
		return missing()
	}
	return http.StatusOK, map[string]any{"droplet": d.Body}
}

// networks are addresses of the range for examples (RFC 5737), which nobody
// reaches.
func networks(id int) map[string]any {
	return map[string]any{"v6": []any{}, "v4": []any{
		map[string]any{"ip_address": fmt.Sprintf("10.19.0.%d", id%250+1), "netmask": "255.255.0.0", "gateway": "10.19.0.1", "type": "private"},
		map[string]any{"ip_address": fmt.Sprintf("203.0.113.%d", id%250+1), "netmask": "255.255.255.0", "gateway": "203.0.113.1", "type": "public"},
	}}
}

func (o *Ocean) createDroplet(body map[string]any) (int, any) {
	number, _ := body["image"].(float64)
	img, ok := o.Images[int(number)]
	region, _ := body["region"].(string)
	switch {
	case !ok || img.Body["status"] != "available" || !slices.Contains(img.Body["regions"].([]string), region):
		return unprocessable("the image is not available in %s", region)
	case o.Limits["droplet"] > 0 && len(o.Droplets) >= o.Limits["droplet"]:
		return unprocessable("creating this/these droplet(s) will exceed your droplet limit")
	}
	id := o.id()
	tags := words(body["tags"])
	o.remember(tags)
	slug := fmt.Sprint(body["size"])
	o.Droplets[id] = &Thing{Body: map[string]any{
		"id": id, "name": body["name"], "memory": 4096, "vcpus": 2, "disk": 80, "locked": false, "status": "new", "created_at": created,
		"features": []string{}, "backup_ids": []int{}, "snapshot_ids": []int{}, "next_backup_window": nil, "image": img.Body, "volume_ids": []string{},
		"size_slug": slug, "networks": map[string]any{"v4": []any{}, "v6": []any{}}, "region": regionBody(region), "tags": tags,
		"vpc_uuid": text(body["vpc_uuid"]), "user_data": text(body["user_data"]), "size": map[string]any{
			"slug": slug, "memory": 4096, "vcpus": 2, "disk": 80, "transfer": 4, "price_monthly": 24, "price_hourly": 0.03, "regions": []string{region},
			"available": true, "description": "Basic",
		},
	}}
	return http.StatusAccepted, map[string]any{"droplet": o.Droplets[id].Body, "links": map[string]any{"actions": []any{}}}
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

func regionBody(slug string) map[string]any {
	for _, r := range regions() {
		if b := r.(map[string]any); b["slug"] == slug {
			return b
		}
	}
	return nil
}

func (o *Ocean) actDroplet(d *Thing, id int, body map[string]any) (int, any) {
	for _, a := range d.actions {
		if a.status == "in-progress" {
			return unprocessable("Droplet already has a pending event.")
		}
	}
	kind := fmt.Sprint(body["type"])
	a := o.act(d, kind, "fra1", func() {
		if kind == "power_off" {
			d.Body["status"] = "off"
			return
		}
		snap := o.id()
		o.Images[snap] = &Thing{Body: map[string]any{
			"id": snap, "name": body["name"], "type": "snapshot", "distribution": "Unknown", "slug": nil, "public": false,
			"regions": []string{"fra1"}, "created_at": created, "min_disk_size": 25, "size_gigabytes": 1.5, "tags": []string{}, "status": "available",
			"error_message": "",
		}}
		d.Body["snapshot_ids"] = append(d.Body["snapshot_ids"].([]int), snap)
	})
	return http.StatusCreated, map[string]any{"action": a.body(id, "droplet")}
}

func (o *Ocean) reserved(r *http.Request, path []string, body map[string]any) (int, any) {
	owner, ok := o.Reserved[path[0]]
	switch {
	case !ok:
		return missing()
	case r.Method == http.MethodPost:
		return o.actReserved(path[0], body)
	case len(path) == 3: // one action: each is done when somebody looks
		id, _ := strconv.Atoi(path[2])
		a := &action{id: id, kind: "assign_ip", status: "completed", region: "fra1"}
		return http.StatusOK, map[string]any{"action": a.body(owner, "reserved_ip")}
	}
	ip := map[string]any{"ip": path[0], "region": regionBody("fra1"), "locked": false, "droplet": nil, "project_id": "746c6152-2fa2-11ed-92d3-27aaa54e4988"}
	if d, ok := o.Droplets[owner]; ok {
		ip["droplet"] = d.Body
	}
	return http.StatusOK, map[string]any{"reserved_ip": ip}
}

func (o *Ocean) actReserved(address string, body map[string]any) (int, any) {
	kind := text(body["type"])
	id := o.Reserved[address]
	if kind == "unassign" {
		o.Reserved[address] = 0
	} else {
		number, _ := body["droplet_id"].(float64)
		id = int(number)
		d, ok := o.Droplets[id]
		if !ok || d.Body["status"] != "active" {
			return unprocessable("Droplet already has a pending event.")
		}
		o.Reserved[address], kind = id, "assign_ip"
	}
	a := &action{id: o.id(), kind: kind, status: "in-progress", region: "fra1"}
	return http.StatusCreated, map[string]any{"action": a.body(id, "reserved_ip")}
}
