package leak

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"testing"
)

// BenchmarkScan scans the tree in INGOT_TEST_TREE, a tar file, with the values
// of two hundred secrets.
func BenchmarkScan(b *testing.B) {
	file := os.Getenv("INGOT_TEST_TREE")
	if file == "" {
		b.Skip("set INGOT_TEST_TREE to the tar of a tree")
	}
	data, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	var c Config
	for i := range 200 {
		value := make([]byte, 32)
		_, _ = rand.Read(value) // never fails
		c.Secrets = append(c.Secrets, Secret{fmt.Sprint(i), value})
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := Scan(b.Context(), bytes.NewReader(data), c); err != nil {
			b.Fatal(err)
		}
	}
}
