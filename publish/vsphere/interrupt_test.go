package vsphere

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// clean is the inventory after a run without trouble.
func clean(t *testing.T, model func() *simulator.Model) (state []string, calls int) {
	t.Helper()
	w := newWorld(t, model())
	w.publish(t)
	return w.state(t), len(w.Calls())
}

// finish publishes again, and wants the inventory to be as after a run without
// trouble: nothing missing, and nothing left over.
func (w *world) finish(t *testing.T, wanted []string) {
	t.Helper()
	w.Settle()
	w.Forget(nil)
	w.publish(t)
	want(t, "the inventory after another run", w.state(t), wanted)
}

// TestTrouble has each call of a run go wrong in each way, and then runs again.
func TestTrouble(t *testing.T) {
	ways := map[string]func(cancel, next func()){
		"interrupted during": func(cancel, next func()) { cancel(); next() },
		"interrupted after":  func(cancel, next func()) { next(); cancel() },
		"answer lost":        func(_, next func()) { next(); panic(http.ErrAbortHandler) },
	}
	for kind, model := range models() {
		wanted, calls := clean(t, model)
		for way, meddle := range ways {
			for k := 1; k <= calls; k++ {
				t.Run(fmt.Sprintf("%s/%s/%d", kind, way, k), func(t *testing.T) {
					t.Parallel()
					w := newWorld(t, model())
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					w.Forget(func(n int, _ string, _ http.ResponseWriter, next func()) {
						if n == k {
							meddle(cancel, next)
						} else {
							next()
						}
					})
					s, err := w.destination(t).Publish(ctx)
					if err == nil && !strings.HasPrefix(way, "interrupted") {
						t.Error("the run did not fail")
					}
					if ctx.Err() != nil && err != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("got %v, want an interruption", err)
					}
					if len(s.Calls) < k {
						t.Errorf("the summary has %d calls, and number %d was made", len(s.Calls), k)
					}
					w.finish(t, wanted)
				})
			}
		}
	}
}

// TestFaults has the server refuse each procedure with a fault of its own kind.
func TestFaults(t *testing.T) {
	for kind, model := range models() {
		wanted, _ := clean(t, model)
		w := newWorld(t, model())
		calls := slices.Compact(slices.Sorted(slices.Values(methodsOf(w.publish(t)))))
		for _, name := range calls {
			t.Run(kind+"/"+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, model())
				if name == "POST" || name == "PUT" { // no procedures
					w.refuse(t, name, wanted)
					return
				}
				fault := &types.NoPermission{Object: &types.ManagedObjectReference{Type: "Folder", Value: "group-v3"}, PrivilegeId: "VirtualMachine.Some.Privilege"}
				w.Model.Service.AddFaultRule(&simulator.FaultInjectionRule{
					MethodName: name, ObjectType: "*", ObjectName: "*", Probability: 1, FaultType: simulator.FaultTypeCustom,
					Fault: fault, Message: "no", MaxCount: 1, Enabled: true,
				})
				err := w.fails(t.Context(), t)
				for _, part := range []string{w.Address(), name, "NoPermission: the user lacks the privilege VirtualMachine.Some.Privilege on Folder:group-v3"} {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("got %v, want %s in it", err, part)
					}
				}
				w.Model.Service.ClearFaultRules()
				w.finish(t, wanted)
			})
		}
	}
}

// refuse has the server refuse a file.
func (w *world) refuse(t *testing.T, method string, wanted []string) {
	w.Forget(func(_ int, name string, rw http.ResponseWriter, next func()) {
		if name != method {
			next()
			return
		}
		http.Error(rw, "the datastore is full", http.StatusInsufficientStorage)
	})
	if err := w.fails(t.Context(), t); !strings.Contains(err.Error(), "507 Insufficient Storage") {
		t.Errorf("got %v, want what the server said", err)
	}
	w.finish(t, wanted)
}
