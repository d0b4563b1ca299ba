package setting

import (
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		`{}`:                                ``,
		`{"install": {"disk": "smallest"}}`: ``,
		`{"install": {"disk": "/dev/disk/by-id/ata-QEMU_HARDDISK_a.b:c", "overwrite": "WD-12 34"}}`: ``,
		`{"run": {"disk": "first"}}`:   ``,
		``:                             "EOF",
		`[]`:                           "cannot unmarshal",
		`{"run": {"disk": "first"}} x`: "something follows",
		`{"run": {"disk": "first"}}{}`: "something follows",
		`{"walk": {}}`:                 `unknown field "walk"`,
		`{"run": {"disk": "first", "overwrite": "x"}}`:             `unknown field "overwrite"`,
		`{"run": {"disk": "first"}, "install": {"disk": "first"}}`: "both install and run",
		`{"run": {}}`:                                                       `run.disk: "" names no disk`,
		`{"install": {}}`:                                                   `install.disk: "" names no disk; want /dev/disk/by-id/NAME, smallest or first`,
		`{"install": {"disk": "/dev/sda"}}`:                                 `"/dev/sda" names no disk`,
		`{"install": {"disk": "Smallest"}}`:                                 `names no disk`,
		`{"install": {"disk": "/dev/disk/by-id/"}}`:                         `names no disk`,
		`{"install": {"disk": "/dev/disk/by-id/.."}}`:                       `names no disk`,
		`{"install": {"disk": "/dev/disk/by-id/a/b"}}`:                      `names no disk`,
		`{"install": {"disk": "/dev/disk/by-id/a b"}}`:                      `names no disk`,
		`{"install": {"disk": "/dev/disk/by-id/a-part1"}}`:                  `is a part of a disk`,
		`{"install": {"disk": "first", "overwrite": " x"}}`:                 `install.overwrite: " x" is not a serial number`,
		`{"install": {"disk": "first", "overwrite": "` + "\\u0000" + `"}}`:  `is not a serial number`,
		`{"install": {"disk": "first", "overwrite": "ä"}}`:                  `is not a serial number`,
		strings.Repeat(" ", MaxSize+1):                                      "65537 bytes (at most 65536)",
		`{"install": {"disk": "` + byID + strings.Repeat("a", 256) + `" }}`: `names no disk`,
	} {
		s, err := Parse([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%.80s: got %v, want %q", text, err, want)
		}
		if err != nil {
			continue
		}
		data, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Parse(data); err != nil || (again.Install == nil) != (s.Install == nil) || again.Install != nil && *again.Install != *s.Install {
			t.Errorf("%s: read again as %+v, %v", text, again, err)
		}
	}
}

func TestEncode(t *testing.T) {
	data, err := (&Setting{Install: &Install{Disk: First, Overwrite: "S"}}).Encode()
	const want = "{\n \"install\": {\n  \"disk\": \"first\",\n  \"overwrite\": \"S\"\n }\n}\n"
	if err != nil || string(data) != want {
		t.Errorf("got %q, %v", data, err)
	}
	if _, err := (&Setting{Run: &Run{Disk: "sda"}}).Encode(); err == nil || !strings.Contains(err.Error(), "run.disk") {
		t.Errorf("got %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"install": {"disk": "smallest", "overwrite": "x"}}`))
	f.Add([]byte(`{"run": {"disk": "/dev/disk/by-id/x"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		if _, err := s.Encode(); err != nil {
			t.Errorf("%q: %v", data, err)
		}
	})
}
