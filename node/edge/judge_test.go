package edge

import (
	"strings"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/node/kubeapi"
)

// TestJudge: two good answers in a row count, and three bad ones.
func TestJudge(t *testing.T) {
	for answers, want := range map[string]string{
		"+-++-+--+---+-++": "???++++++++----+",
		"---+":             "??--",
		"+--+-+++":         "??????++",
	} {
		var j judge
		var got strings.Builder
		for _, a := range answers {
			got.WriteByte("?+-"[j.next(a == '+')])
		}
		if got.String() != want {
			t.Errorf("%s: got %q, want %q", answers, got.String(), want)
		}
	}
}

// TestRow: a record is free when it was seen not to change for long enough, in
// looks that are near each other.
func TestRow(t *testing.T) {
	lease := func(renewed string) *kubeapi.Lease {
		return &kubeapi.Lease{Holder: "a", Renewed: renewed, Duration: Duration}
	}
	look := func(r *row, at int, l *kubeapi.Lease) bool {
		r.add(l, time.Unix(int64(at), 0))
		return r.free(l)
	}
	var r row
	if l := (&kubeapi.Lease{}); !look(&r, 0, l) {
		t.Error("nobody has it, and it is not free")
	}
	for at := 10; at < 40; at += 5 {
		if look(&r, at, lease("1")) {
			t.Errorf("free after %d s", at-10)
		}
	}
	if !look(&r, 40, lease("1")) {
		t.Error("not free after 30 s")
	}
	if look(&r, 41, lease("2")) {
		t.Error("free when it was renewed")
	}
	for at := 46; at < 70; at += 5 {
		look(&r, at, lease("2"))
	}
	if look(&r, 66+11, lease("2")) {
		t.Error("free though nobody looked for 11 s")
	}
	for at := 82; at < 107; at += 5 {
		if look(&r, at, lease("2")) {
			t.Errorf("free %d s after that", at-77)
		}
	}
	if !look(&r, 107, lease("2")) {
		t.Error("not free 30 s after that")
	}
	longer := lease("3")
	longer.Duration = 2 * Duration
	look(&r, 110, longer)
	for at := 115; at < 170; at += 5 {
		if look(&r, at, longer) {
			t.Errorf("free %d s after it was taken for 60 s", at-110)
		}
	}
	if !look(&r, 170, longer) {
		t.Error("not free after 60 s")
	}
}
