package labels_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ingot-k8s/ingot/node/kubeapi"
	"github.com/ingot-k8s/ingot/node/labels"
	"github.com/ingot-k8s/ingot/provisioners/identity/clusterjson"
)

func TestWanted(t *testing.T) {
	c := &clusterjson.Cluster{Labels: map[string]string{"team": "a", "disk": "any"}}
	got := labels.Wanted(c, &clusterjson.Node{
		Roles: []string{"controller", "edge"}, Zone: "fra1", Labels: map[string]string{"disk": "ssd"},
	})
	want := map[string]string{
		"team": "a", "disk": "ssd", "topology.kubernetes.io/zone": "fra1",
		"node-role.kubernetes.io/controller": "", "node-role.kubernetes.io/control-plane": "", "node-role.kubernetes.io/edge": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestChange(t *testing.T) {
	const worker = "node-role.kubernetes.io/worker"
	wanted := map[string]string{"disk": "ssd", worker: ""}
	noted := map[string]string{labels.Annotation: "disk," + worker}
	for name, c := range map[string]struct {
		labels, annotations map[string]string
		want                string // of Text; empty for no change
	}{
		"right":         {map[string]string{"disk": "ssd", worker: "", "theirs": "x"}, noted, ""},
		"right, unsaid": {map[string]string{"disk": "ssd", worker: ""}, nil, "notes which labels are Ingot's"},
		"new":           {nil, nil, "+disk=ssd +" + worker + "="},
		"other value":   {map[string]string{"disk": "hdd", worker: ""}, noted, "+disk=ssd"},
		"role of before": {
			map[string]string{"disk": "ssd", worker: "", "node-role.kubernetes.io/edge": "", "node-role.kubernetes.io/gpu": ""}, noted,
			"-node-role.kubernetes.io/edge",
		},
		"left the definition": {
			map[string]string{"disk": "ssd", worker: "", "team": "a", "theirs": "x"}, map[string]string{labels.Annotation: "disk,team," + worker},
			"-team",
		},
		"left it, and gone": {
			map[string]string{"disk": "ssd", worker: ""}, map[string]string{labels.Annotation: "disk,team," + worker},
			"notes which labels are Ingot's",
		},
	} {
		t.Run(name, func(t *testing.T) {
			object := &kubeapi.Meta{Name: "n", Labels: c.labels, Annotations: c.annotations}
			p := labels.Change(object, wanted)
			if (p == nil) != (c.want == "") {
				t.Fatalf("got %+v", p)
			}
			if p == nil {
				return
			}
			if got := labels.Text(p); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			apply(object, p)
			if again := labels.Change(object, wanted); again != nil {
				t.Errorf("done, it wants %q", labels.Text(again))
			}
		})
	}
}

// apply does what the API does with a patch.
func apply(object *kubeapi.Meta, p *kubeapi.Patch) {
	merge := func(to map[string]string, changes map[string]*string) map[string]string {
		out := map[string]string{}
		for k, v := range to {
			out[k] = v
		}
		for k, v := range changes {
			if v == nil {
				delete(out, k)
			} else {
				out[k] = *v
			}
		}
		return out
	}
	object.Labels, object.Annotations = merge(object.Labels, p.Labels), merge(object.Annotations, p.Annotations)
}
