package pki

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"
)

// benchRun is a run on the small cluster, ready to issue.
func benchRun(b *testing.B) *run {
	b.Helper()
	f := newFixture(b, small)
	f.ensure()
	r, err := f.begin(b.Context(), nil)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

// BenchmarkNode issues and stores all of a node but its mesh key, which takes
// ten times as long as the rest: see BenchmarkMeshKey.
func BenchmarkNode(b *testing.B) {
	for _, name := range []string{"m0", "w0"} {
		b.Run(map[string]string{"m0": "controller", "w0": "worker"}[name], func(b *testing.B) {
			r := benchRun(b)
			n, _ := r.s.c.Node(name)
			requests := NodeRequests(r.s.c, n)
			h, err := r.s.readNode(name)
			if err != nil {
				b.Fatal(err)
			}
			sec, err := r.s.open(h)
			if err != nil {
				b.Fatal(err)
			}
			reasons := map[string]string{}
			for _, q := range requests {
				reasons[q.Name] = "benchmark"
			}
			for b.Loop() {
				if err := r.renew(b.Context(), h, sec, requests, reasons); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMeshKey makes the bare RSA key.
func BenchmarkMeshKey(b *testing.B) {
	for b.Loop() {
		if _, err := rsa.GenerateKey(rand.Reader, 2048); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReview looks at a worker that needs nothing, as every run does.
func BenchmarkReview(b *testing.B) {
	r := benchRun(b)
	n, _ := r.s.c.Node("w0")
	for b.Loop() {
		if changes, err := r.node(b.Context(), n); err != nil || len(changes) > 0 {
			b.Fatal(changes, err)
		}
	}
}

// BenchmarkMaterial decrypts and checks all of a node.
func BenchmarkMaterial(b *testing.B) {
	for _, name := range []string{"m0", "w0"} {
		b.Run(map[string]string{"m0": "controller", "w0": "worker"}[name], func(b *testing.B) {
			r := benchRun(b)
			for b.Loop() {
				if _, err := r.s.Material(name); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
