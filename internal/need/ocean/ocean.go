// Package ocean is a small DigitalOcean for tests: the part of the API that
// Ingot calls, with things that change while nobody asks, on loopback. It keeps
// state and nothing more; whether requests and answers are as DigitalOcean's own
// description has them, package prism checks.
package ocean

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Token is the one that the API takes.
const Token = "dop_v1_0123456789abcdef"

// Ocean is one account. Its fields may be changed before it is used, and the
// maps read afterwards.
type Ocean struct {
	t  testing.TB
	mu sync.Mutex

	next      int
	Images    map[int]*Thing
	Droplets  map[int]*Thing
	Firewalls map[string]*Thing
	VPCs      map[string]*Thing
	Keys      map[int]*Thing
	Records   map[int]*Thing
	Tags      map[string]bool
	Reserved  map[string]int // address -> id of its Droplet, or 0
	Zone      string
	Imported  map[string]string // image's name -> SHA-256 sum of what was fetched

	Refuse  string         // why imports fail; empty for none
	Slow    int            // looks until something has changed
	PerPage int            // at most this many things in an answer
	Limits  map[string]int // kind -> how many there may be
}

// Thing is something in the account: its JSON, and what it waits for.
type Thing struct {
	Body    map[string]any
	url     string
	looks   int
	actions []*action
}

type action struct {
	id                   int
	kind, region, status string
	looks                int
	done                 func()
}

// New makes an empty account.
func New(t testing.TB) *Ocean {
	return &Ocean{
		t: t, next: 1000, Images: map[int]*Thing{}, Droplets: map[int]*Thing{}, Firewalls: map[string]*Thing{}, VPCs: map[string]*Thing{},
		Keys: map[int]*Thing{}, Records: map[int]*Thing{}, Tags: map[string]bool{}, Reserved: map[string]int{}, Imported: map[string]string{},
		Slow: 1, PerPage: 200, Limits: map[string]int{},
	}
}

func (o *Ocean) id() int {
	o.next++
	return o.next
}

// ServeHTTP implements [http.Handler].
func (o *Ocean) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+Token {
		reply(w, http.StatusUnauthorized, wrong("unauthorized", "Unable to authenticate you"))
		return
	}
	body := map[string]any{}
	if r.ContentLength > 0 {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			reply(w, http.StatusBadRequest, wrong("bad_request", err.Error()))
			return
		}
	}
	path := strings.Split(strings.Trim(strings.TrimPrefix(r.URL.Path, "/v2"), "/"), "/")
	code, answer := o.answer(r, path, body)
	reply(w, code, answer)
}

func reply(w http.ResponseWriter, code int, answer any) {
	w.Header().Set("Ratelimit-Limit", "5000")
	w.Header().Set("Ratelimit-Remaining", "4999")
	w.Header().Set("Ratelimit-Reset", "1444931833")
	if answer == nil {
		w.WriteHeader(code)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // the client that broke off knows
}

func wrong(id, message string) map[string]any { return map[string]any{"id": id, "message": message} }

func missing() (int, any) {
	return http.StatusNotFound, wrong("not_found", "The resource you were accessing could not be found.")
}

func unprocessable(format string, args ...any) (int, any) {
	return http.StatusUnprocessableEntity, wrong("unprocessable_entity", fmt.Sprintf(format, args...))
}

func (o *Ocean) answer(r *http.Request, path []string, body map[string]any) (int, any) {
	switch path[0] {
	case "regions":
		return o.list(r, "regions", regions())
	case "images":
		return o.images(r, path[1:], body)
	case "snapshots":
		return o.snapshots(r)
	case "droplets":
		return o.droplets(r, path[1:], body)
	case "firewalls":
		return o.named(r, "firewall", o.Firewalls, path[1:], body)
	case "vpcs":
		return o.named(r, "vpc", o.VPCs, path[1:], body)
	case "tags":
		return o.tags(r, path[1:], body)
	case "account":
		return o.keys(r, path[2:], body)
	case "reserved_ips":
		return o.reserved(r, path[1:], body)
	case "domains":
		return o.domains(r, path[1:], body)
	}
	return missing()
}

// Open are the regions that are.
var Open = []string{"fra1", "ams3", "nyc3"}

func regions() []any {
	out := []any{}
	for _, slug := range []string{"ams2", "ams3", "fra1", "nyc3"} {
		out = append(out, map[string]any{
			"slug": slug, "name": slug, "available": slices.Contains(Open, slug), "features": []string{"metadata"},
			"sizes": []string{"s-1vcpu-1gb", "s-2vcpu-4gb"},
		})
	}
	return out
}

// list answers with a page.
func (o *Ocean) list(r *http.Request, key string, all []any) (int, any) {
	page, size := number(r, "page", 1), min(number(r, "per_page", 20), o.PerPage)
	from, to := min((page-1)*size, len(all)), min(page*size, len(all))
	links := map[string]any{}
	if to < len(all) {
		at := func(n int) string { return "http://" + r.Host + r.URL.Path + "?page=" + strconv.Itoa(n) }
		links["pages"] = map[string]any{"next": at(page + 1), "last": at((len(all) + size - 1) / size)}
	}
	return http.StatusOK, map[string]any{key: append([]any{}, all[from:to]...), "links": links, "meta": map[string]any{"total": len(all)}}
}

func number(r *http.Request, key string, otherwise int) int {
	if n, err := strconv.Atoi(r.URL.Query().Get(key)); err == nil && n > 0 {
		return n
	}
	return otherwise
}

// bodies are the things of a map that are wanted, in the order of their keys.
func bodies[K interface{ ~int | ~string }](m map[K]*Thing, wanted func(map[string]any) bool) []any {
	out := []any{}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if wanted == nil || wanted(m[k].Body) {
			out = append(out, m[k].Body)
		}
	}
	return out
}

func tagged(r *http.Request) func(map[string]any) bool {
	tag := r.URL.Query().Get("tag_name")
	return func(b map[string]any) bool {
		tags, _ := b["tags"].([]string)
		return tag == "" || slices.Contains(tags, tag)
	}
}

// words are the strings of a list in a request.
func words(v any) []string {
	out := []string{}
	list, _ := v.([]any)
	for _, s := range list {
		out = append(out, fmt.Sprint(s))
	}
	return out
}

func (o *Ocean) remember(tags []string) {
	for _, t := range tags {
		o.Tags[t] = true
	}
}

const created = "2026-11-22T10:00:00Z"
