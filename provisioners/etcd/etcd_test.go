package etcd_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/provisioners/etcd"
	"github.com/ingot-k8s/ingot/provisioners/internal/sample"
)

func TestLayer(t *testing.T) { sample.Golden(t, etcd.Layer) }

func TestUnit(t *testing.T) {
	l := etcd.Layer(sample.Cluster(t, "prod"))
	sample.Verify(t, l)
	sample.Exposure(t, l, "etcd.service", 1.5)
	sample.Exposure(t, l, etcd.KeeperUnit, 5.0)
}

// TestSeam: what is decided at boot stands after the identity's settings, and
// must be there.
func TestSeam(t *testing.T) {
	unit := etcd.Layer(sample.Cluster(t, "lab")).Units[0].Content
	want := "\nEnvironmentFile=/etc/etcd/etcd.env\nEnvironmentFile=/run/ingot/etcd.env\n"
	if !strings.Contains(unit, want) {
		t.Errorf("the unit has no %q:\n%s", want, unit)
	}
}

// TestNothingLeftToFillIn: systemd's own words with @ are names of groups of
// system calls and instances, in lower case.
func TestNothingLeftToFillIn(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("golden files: %v, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if left := regexp.MustCompile(`@[A-Z]+@`).FindAll(data, -1); left != nil {
			t.Errorf("%s: %q", file, left)
		}
	}
}
