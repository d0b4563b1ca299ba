package ocean

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func (o *Ocean) images(r *http.Request, path []string, body map[string]any) (int, any) {
	if len(path) == 0 {
		if r.Method == http.MethodPost {
			return o.createImage(body)
		}
		return o.list(r, "images", bodies(o.Images, tagged(r)))
	}
	id, _ := strconv.Atoi(path[0])
	img, ok := o.Images[id]
	switch {
	case !ok:
		return missing()
	case len(path) > 1 && r.Method == http.MethodPost:
		region, _ := body["region"].(string)
		if !slices.Contains(Open, region) {
			return unprocessable("%s is not a region", region)
		}
		a := o.act(img, "transfer", region, func() { img.Body["regions"] = append(img.Body["regions"].([]string), region) })
		return http.StatusCreated, map[string]any{"action": a.body(id, "image")}
	case len(path) > 1:
		return o.actions(r, img, id, "image")
	case r.Method == http.MethodDelete:
		delete(o.Images, id)
		for _, d := range o.Droplets { // a snapshot is one of a Droplet's
			if ids, ok := d.Body["snapshot_ids"].([]int); ok {
				d.Body["snapshot_ids"] = slices.DeleteFunc(ids, func(n int) bool { return n == id })
			}
		}
		return http.StatusNoContent, nil
	}
	o.advance(img)
	return http.StatusOK, map[string]any{"image": img.Body}
}

func (o *Ocean) createImage(body map[string]any) (int, any) {
	address, _ := body["url"].(string)
	region, _ := body["region"].(string)
	u, err := url.Parse(address)
	switch {
	case err != nil || !strings.HasSuffix(u.Path, ".img.gz"):
		return unprocessable("the URL's file type is not supported")
	case !slices.Contains(Open, region):
		return unprocessable("%s is not a region", region)
	case o.Limits["image"] > 0 && len(o.Images) >= o.Limits["image"]:
		return unprocessable("You have reached your limit of custom images")
	}
	id := o.id()
	tags := words(body["tags"])
	o.remember(tags)
	o.Images[id] = &Thing{url: address, Body: map[string]any{
		"id": id, "name": body["name"], "type": "custom", "distribution": "Unknown", "slug": nil, "public": false, "regions": []string{region},
		"created_at": created, "min_disk_size": nil, "size_gigabytes": nil, "description": body["description"], "tags": tags, "status": "NEW",
		"error_message": "",
	}}
	return http.StatusAccepted, map[string]any{"image": o.Images[id].Body}
}

// advance lets some time go by for an image.
func (o *Ocean) advance(img *Thing) {
	status := img.Body["status"]
	if status == "available" || status == "deleted" {
		return
	}
	if img.looks++; img.looks <= o.Slow {
		img.Body["status"] = "pending"
		return
	}
	if o.Refuse != "" {
		img.Body["status"], img.Body["error_message"] = "deleted", o.Refuse
		return
	}
	sum, size, err := fetch(img.url)
	if err != nil {
		img.Body["status"], img.Body["error_message"] = "deleted", err.Error()
		return
	}
	o.Imported[fmt.Sprint(img.Body["name"])] = sum
	img.Body["status"], img.Body["size_gigabytes"], img.Body["min_disk_size"] = "available", float64(size)/(1<<30), 5
}

// fetch gets an upload as the platform does: by its address alone.
func fetch(address string) (sum string, size int64, err error) {
	if address == "" {
		return "", 1, nil // one that a test put there
	}
	response, err := http.Get(address) //nolint:noctx // of a test
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return "", 0, fmt.Errorf("fetching the image: %s", response.Status)
	}
	hash := sha256.New()
	size, err = io.Copy(hash, response.Body)
	return hex.EncodeToString(hash.Sum(nil)), size, err
}

func (o *Ocean) snapshots(r *http.Request) (int, any) {
	all := []any{}
	for _, b := range bodies(o.Images, func(b map[string]any) bool { return b["type"] == "snapshot" }) {
		img := b.(map[string]any)
		all = append(all, map[string]any{
			"id": fmt.Sprint(img["id"]), "name": img["name"], "created_at": created, "regions": img["regions"], "min_disk_size": 25,
			"size_gigabytes": 1.5, "resource_id": "1", "resource_type": "droplet", "tags": img["tags"],
		})
	}
	return o.list(r, "snapshots", all)
}

// act begins an action.
func (o *Ocean) act(thing *Thing, kind, region string, done func()) *action {
	a := &action{id: o.id(), kind: kind, region: region, status: "in-progress", done: done}
	thing.actions = append(thing.actions, a)
	return a
}

func (a *action) body(id int, kind string) map[string]any {
	return map[string]any{
		"id": a.id, "status": a.status, "type": a.kind, "started_at": created, "completed_at": nil, "resource_id": id, "resource_type": kind,
		"region_slug": a.region,
	}
}

// actions lists those of a thing. They go on while one looks.
func (o *Ocean) actions(r *http.Request, thing *Thing, id int, kind string) (int, any) {
	all := []any{}
	for _, a := range thing.actions {
		if a.looks++; a.status == "in-progress" && a.looks > o.Slow {
			a.status = "completed"
			a.done()
		}
		all = append(all, a.body(id, kind))
	}
	return o.list(r, "actions", all)
}
