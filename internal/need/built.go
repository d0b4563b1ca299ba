package need

import (
	"os"
	"path/filepath"
	"testing"
)

// Built returns the path of a program that the project builds or installs for
// its tests, which a variable of the environment names. make sets it.
func Built(t testing.TB, name string) string {
	t.Helper()
	path := os.Getenv(name)
	if path == "" {
		missing(t, os.Getenv(variable) != "", "needs what $%s names: \"make test\" installs it", name)
	}
	if _, err := os.Stat(path); err != nil {
		missing(t, os.Getenv(variable) != "", "needs %s, which $%s names: \"make setup\" installs it", path, name)
	}
	return path
}

// Data continues only where a file is that is no part of the project. There is
// no machine on which it has to be.
func Data(t testing.TB, path, name string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		missing(t, false, "needs %s, which is not part of the project; $%s names it where it is elsewhere", path, name)
	}
}

// Source is the folder of the project.
func Source(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("there is no go.mod above the test")
		}
		dir = parent
	}
}
