package configiso

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestValidateLabel(t *testing.T) {
	tests := []struct{ label, want string }{
		{"config-2", ""},
		{"cidata", ""},
		{"CIDATA", ""},
		{strings.Repeat("x", 32), ""},
		{labelMarks, ""},
		{"", `label is empty (1 to 32 characters)`},
		{strings.Repeat("x", 33), `label "` + strings.Repeat("x", 33) + `" has 33 characters (1 to 32)`},
		{"config 2", `label "config 2" contains ' ' (letters, digits and #+-.:=@_)`},
		{" config-2", `contains ' '`},
		{"config-2 ", `contains ' '`},
		{"a/b", `contains '/'`},
		{"a\x00b", `contains '\x00'`},
		{"cönfig", `contains 'ö'`},
		{"a\xff", `contains '�'`},
		{"..", `label ".." starts with a dot`},
		{".hidden", `label ".hidden" starts with a dot`},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%q", test.label), func(t *testing.T) {
			v := configDrive()
			v.Label = test.label
			checkProblem(t, v, test.want)
		})
	}
}

// checkProblem validates v, which has the one given problem, or none. What has
// none can be written.
func checkProblem(t *testing.T, v Volume, want string) {
	t.Helper()
	err := v.Validate()
	switch {
	case err == nil && want == "":
		mustWrite(t, v)
	case err == nil || want == "" || !strings.Contains(err.Error(), want):
		t.Errorf("error is %v, want %s", err, want)
	case strings.Contains(err.Error(), "\n"):
		t.Errorf("more than one problem: %v", err)
	}
}

func TestValidateTime(t *testing.T) {
	for _, test := range []struct {
		time time.Time
		want string
	}{
		{time.Unix(0, 0), ""},
		{time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), ""},
		{time.Date(2155, 12, 31, 23, 59, 59, 0, time.UTC), ""},
		{time.Time{}, `time 0001-01-01T00:00:00Z cannot be recorded (years 1900 to 2155)`},
		{time.Date(2155, 12, 31, 23, 59, 59, 0, time.FixedZone("", -3600)), `time 2156-01-01T00:59:59Z cannot be recorded`},
		{time.Date(1900, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)), `time 1899-12-31T23:00:00Z cannot be recorded`},
	} {
		t.Run(test.time.String(), func(t *testing.T) {
			v := configDrive()
			v.Time = test.time
			checkProblem(t, v, test.want)
		})
	}
}

func TestValidatePath(t *testing.T) {
	x := func(n int) string { return strings.Repeat("x", n) }
	tests := []struct{ path, want string }{
		{"user_data", ""},
		{"user-data", ""},
		{"a/b/c/d/e/f/g/h", ""},
		{x(28), ""},
		{x(29), `name "` + x(29) + `" has 29 characters (1 to 28)`},
		{x(19) + ".ignition", ""},
		{x(20) + ".ignition", `has 29 characters (1 to 28)`},
		{"config.ignition2", `extension "ignition2" has 9 characters (1 to 8)`},
		{x(31) + "/f", ""},
		{x(32) + "/f", `name "` + x(32) + `" has 32 characters (1 to 31)`},
		{"conf.d.more/f", ""},
		{"a/b/c/d/e/f/g/h/i", `path is 8 folders deep (at most 7)`},
		{"", `path is empty`},
		{"/etc/passwd", `path is absolute (relative to the root of the volume)`},
		{"a//b", `path has an empty part`},
		{"a/", `path has an empty part`},
		{"./a", `path contains "."`},
		{"../a", `path contains ".."`},
		{"a/../../b", `path contains ".."`},
		{"a/..", `path contains ".."`},
		{".hidden", `name ".hidden" starts with a dot`},
		{".d/f", `name ".d" starts with a dot`},
		{"a.b.c", `file name "a.b.c" has more than one dot`},
		{"a.", `file name "a." ends with a dot`},
		{"User_data", `name "User_data" contains 'U': Linux shows names in lower case`},
		{"D/f", `name "D" contains 'D': Linux shows names in lower case`},
		{"a b", `name "a b" contains ' ' (a-z, 0-9, _- and .)`},
		{"a;1", `contains ';'`},
		{`a\b`, `contains '\\'`},
		{"a\x00", `contains '\x00'`},
		{"a\n", `contains '\n'`},
		{"ä", `contains 'ä'`},
		{"a\xff", `contains '�'`},
		{"a~1", `contains '~'`},
		{"a+b", `contains '+'`},
		{"a:b", `contains ':'`},
	}
	for _, test := range tests {
		t.Run(fmt.Sprintf("%q", test.path), func(t *testing.T) {
			want := test.want
			if want != "" {
				want = fmt.Sprintf("file %q: ", test.path)
			}
			v := configDrive()
			v.Files = append(v.Files, File{test.path, []byte("x")})
			checkProblem(t, v, want)
			checkProblem(t, v, test.want)
		})
	}
}

func TestValidateTogether(t *testing.T) {
	huge := make([]byte, maxVolume)
	many := make([]File, maxEntries)
	for i := range many {
		many[i].Path = fmt.Sprintf("d/%d", i)
	}
	tests := []struct {
		name  string
		files []File
		want  string
	}{
		{"no files", nil, `volume has no files`},
		{"twice", []File{{"a", nil}, {"b", nil}, {"a", []byte("x")}}, `file "a": path is there twice`},
		{"file and folder", []File{{"a", nil}, {"a/b", nil}}, `file "a": is a folder too, because of "a/b"`},
		{"folder and file", []File{{"a/b/c", nil}, {"a/b", nil}}, `file "a/b": is a folder too, because of "a/b/c"`},
		{"case only", []File{{"key", nil}, {"KEY", nil}}, `file "KEY": name "KEY" contains 'K'`},
		{"alike when cut", []File{{strings.Repeat("x", 28), nil}, {strings.Repeat("x", 29), nil}}, `has 29 characters`},
		{"largest", []File{{"a", nil}, {"b", huge[:maxVolume-20*sectorSize]}}, `file "b": volume would have 67110912 bytes (at most 67108864), and this file with`},
		{"just not too large", []File{{"b", huge[:maxVolume-21*sectorSize]}}, ``},
		{"too many", many, `volume has 16385 files and folders (at most 16384)`},
		{"just not too many", many[1:], ``},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			checkProblem(t, Volume{Label: "x", Time: testTime, Files: test.files}, test.want)
		})
	}
}

func TestValidateFindsAll(t *testing.T) {
	v := Volume{Files: []File{{"../a", nil}, {"B", nil}, {"c", nil}, {"c", nil}}}
	want := strings.Join([]string{
		`label is empty (1 to 32 characters)`,
		`time 0001-01-01T00:00:00Z cannot be recorded (years 1900 to 2155)`,
		`file "../a": path contains ".."`,
		`file "B": name "B" contains 'B': Linux shows names in lower case`,
		`file "c": path is there twice`,
	}, "\n")
	if err := v.Validate(); err == nil || err.Error() != want {
		t.Errorf("error is %v, want\n%s", err, want)
	}
	var b bytes.Buffer
	if err := Write(&b, v); err == nil || b.Len() != 0 {
		t.Errorf("%d bytes were written, %v", b.Len(), err)
	}
}
