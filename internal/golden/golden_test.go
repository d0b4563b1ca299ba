package golden

import (
	"os"
	"path/filepath"
	"testing"
)

// recorder takes the verdicts of a test within a test.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Fatalf(string, ...any) { r.failed = true }
func (r *recorder) Helper()               {}

func TestCheckAndUpdate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "file")
	set := func(on bool) { *update = on }
	was := *update
	t.Cleanup(func() { set(was) })

	set(true)
	Check(t, path, []byte("a\n<b>\nold\n<e>\nz\n"))
	Section(t, path, "<b>\n", "<e>\n", "new\n")
	set(false)
	if data, err := os.ReadFile(path); err != nil || string(data) != "a\n<b>\nnew\n<e>\nz\n" {
		t.Errorf("after updates: %q, %v", data, err)
	}
	Section(t, path, "<b>\n", "<e>\n", "new\n")
	for name, check := range map[string]func(testing.TB){
		"other content": func(t testing.TB) { Check(t, path, []byte("other")) },
		"no file":       func(t testing.TB) { Check(t, path+"x", []byte("other")) },
		"other section": func(t testing.TB) { Section(t, path, "<b>\n", "<e>\n", "newer\n") },
	} {
		r := &recorder{TB: t}
		check(r)
		if !r.failed {
			t.Errorf("%s: no failure", name)
		}
	}
}
