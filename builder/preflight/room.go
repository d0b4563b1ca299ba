package preflight

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/internal/diag"
)

// Room is a folder and how many bytes a bake is about to write into it.
type Room struct {
	Dir   string // it need not be there yet
	Bytes int64
	What  string // such as "the cache"
}

// space compares what is about to be written with what is free, for each file
// system: folders on the same one share it. It is a warning: what is cached is
// not written again.
func space(h Host, rooms []Room) []Problem {
	type disk struct {
		free, need int64
		what       []string
	}
	disks := map[uint64]*disk{}
	var order []uint64
	for _, r := range rooms {
		id, free, ok := free(h, r.Dir)
		if !ok {
			continue // not to be known
		}
		if disks[id] == nil {
			disks[id] = &disk{free: free}
			order = append(order, id)
		}
		disks[id].need += r.Bytes
		disks[id].what = append(disks[id].what, fmt.Sprintf("%s (%s)", r.What, r.Dir))
	}
	var out []Problem
	for _, id := range order {
		d := disks[id]
		if d.free >= d.need {
			continue
		}
		out = append(out, Problem{
			Severity: diag.Warning,
			What:     fmt.Sprintf("a bake from nothing writes about %d MB for %s, and %d MB are free", d.need/1e6, strings.Join(d.what, " and "), d.free/1e6),
			Mend:     "ingot cache prune frees some, or set XDG_CACHE_HOME and TMPDIR to folders on another disk",
		})
	}
	return out
}

// free asks for the folder, or for the nearest one above it that is there.
func free(h Host, dir string) (id uint64, bytes int64, ok bool) {
	for {
		if id, bytes, ok = h.Free(dir); ok || dir == filepath.Dir(dir) {
			return id, bytes, ok
		}
		dir = filepath.Dir(dir)
	}
}
