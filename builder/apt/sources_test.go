package apt

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindMirrors(t *testing.T) {
	const stanzas = `# comment
Types: deb deb-src
URIs: http://mirror.example.org/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: /usr/share/keyrings/a.gpg

Types: deb
URIs: http://mirror.example.org/debian-security
Suites: bookworm-security
Components: main
`
	tests := map[string]struct {
		list, stanzas string
		want          Mirrors
	}{
		"deb822": {
			stanzas: stanzas,
			want: Mirrors{
				Main:     {URI: "http://mirror.example.org/debian", SignedBy: "/usr/share/keyrings/a.gpg"},
				Security: {URI: "http://mirror.example.org/debian-security"},
			},
		},
		"one line each": {
			list: "# deb http://no.example.org/debian trixie main\n" +
				"deb-src http://src.example.org/debian trixie main\n" +
				"deb [arch=amd64 signed-by=/k.gpg] http://mirror.example.org/debian trixie main contrib # here\n" +
				"deb\thttp://tab.example.org/debian trixie main\n" +
				"deb http://security.example.org/debian-security bullseye/updates main\n",
			want: Mirrors{
				Main:     {URI: "http://mirror.example.org/debian", SignedBy: "/k.gpg"},
				Security: {URI: "http://security.example.org/debian-security"},
			},
		},
		"disabled": {stanzas: "Enabled: no\n" + stanzas[10:], want: Mirrors{
			Main:     {URI: "http://mirror.example.org", SignedBy: ""},
			Security: {URI: "http://mirror.example.org/debian-security"},
		}, list: "deb http://mirror.example.org/ stable main\n"},
		"other vendors with names of Debian": {
			list: "deb https://apt.example.com bookworm main\n" +
				"deb https://example.com/linux/debian bookworm stable\n" +
				"deb https://example.com/apt bookworm-pgdg main\n" +
				"deb http://mirror.example.org/debian bookworm main\n",
			want: Mirrors{
				Main:     {URI: "http://mirror.example.org/debian"},
				Security: {URI: "http://mirror.example.org/debian-security"},
			},
		},
		"no security": {
			list: "deb mirror+file:///etc/apt/mirrors/debian.list trixie main\n",
			want: Mirrors{
				Main:     {URI: "mirror+file:/etc/apt/mirrors/debian.list"},
				Security: {URI: "mirror+file:/etc/apt/mirrors/debian.list"},
			},
		},
		"embedded key": {
			stanzas: "Types: deb\nURIs: http://a.example.org/debian\nSuites: sid\nComponents: main\nSigned-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n",
			want: Mirrors{
				Main:     {URI: "http://a.example.org/debian"},
				Security: {URI: "http://a.example.org/debian-security"},
			},
		},
		"another system": {list: "deb http://archive.example.org/ubuntu noble main\n", want: Mirrors{}},
		"junk":           {list: "deb [x\n\ndeb [] \n deb a\n", stanzas: ": x\n  y\nTypes deb\n", want: Mirrors{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got := findMirrors(append(parseList(tt.list), parseStanzas(tt.stanzas)...))
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMirrorsAt(t *testing.T) {
	tests := map[string]string{
		"http://a.example.org/debian/":                          "http://a.example.org/debian-security",
		"http://a.example.org/archive/debian/20250520T000000Z/": "http://a.example.org/archive/debian-security/20250520T000000Z",
		"http://a.example.org/apt":                              "http://a.example.org/apt",
		"http://debian.example.org/":                            "http://debian.example.org",
	}
	for in, want := range tests {
		got := MirrorsAt(in, Mirrors{Security: {URI: "http://host.example.org", SignedBy: "/k.gpg"}})
		if diff := cmp.Diff(Mirror{URI: want, SignedBy: "/k.gpg"}, got[Security]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", in, diff)
		}
	}
	for uri, want := range map[string]bool{
		"http://a.example.org/archive/debian/20250520T000000Z":   true,
		"http://a.example.org/archive/debian/20250520T000000Z/x": true,
		"http://a.example.org/debian":                            false,
	} {
		if isSnapshot(uri) != want {
			t.Errorf("isSnapshot(%q) is %v", uri, !want)
		}
	}
}

func TestReadSources(t *testing.T) {
	dir := t.TempDir()
	parts := filepath.Join(dir, "parts [1]")
	if err := os.Mkdir(parts, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		filepath.Join(dir, "sources.list"):    "deb http://a.example.org/debian trixie main\n",
		filepath.Join(parts, "b.list"):        "deb http://b.example.org/debian trixie main\n",
		filepath.Join(parts, "c.sources"):     "Types: deb\nURIs: http://c.example.org/debian\nSuites: trixie\nComponents: main\n",
		filepath.Join(parts, "d.list.gone"):   "deb http://d.example.org/debian trixie main\n",
		filepath.Join(parts, "e.sources.bak"): "Types: deb\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/nowhere", filepath.Join(parts, "f.list")); err != nil {
		t.Fatal(err)
	}
	got, err := readSources(filepath.Join(dir, "sources.list"), parts)
	if err != nil {
		t.Fatal(err)
	}
	var uris []string
	for _, e := range got {
		uris = append(uris, e.uris...)
	}
	want := []string{"http://a.example.org/debian", "http://b.example.org/debian", "http://c.example.org/debian"}
	if diff := cmp.Diff(want, uris); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseURIs(t *testing.T) {
	s := &State{mirrors: Mirrors{Main: {URI: "http://m.example.org/debian"}, Security: {URI: "http://m.example.org/debian-security"}}}
	const sum = "5b6825de4263824b78c4c51f6476414f3b4e89c2ab63e81dc8b9b5501e867cf6"
	got, err := s.parseURIs("'http://m.example.org/debian/pool/main/g/x/libx%2b%2b_2.41-12%2bdeb13u4_amd64.deb' libx++_1%3a2.41-12+deb13u4_amd64.deb 28 SHA256:" + sum + "\n" +
		"'http://m.example.org/debian-security/pool/a_1_all.deb' a_1_all.deb 7 SHA256:" + sum + "\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []Package{
		{Name: "a", Version: "1", Architecture: "all", SHA256: sum, Size: 7, Archive: Security, File: "pool/a_1_all.deb"},
		{Name: "libx++", Version: "1:2.41-12+deb13u4", Architecture: "amd64", SHA256: sum, Size: 28, Archive: Main, File: "pool/main/g/x/libx++_2.41-12+deb13u4_amd64.deb"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := s.mirrors[Main].address(want[1].File); got != "http://m.example.org/debian/pool/main/g/x/libx%2b%2b_2.41-12%2bdeb13u4_amd64.deb" {
		t.Errorf("address: %s", got)
	}
	for _, bad := range []string{
		"",
		"'http://m.example.org/debian/a.deb' a_1_all.deb 7 MD5Sum:8c82dcf89447f04e600379a1a1871f3b\n",
		"'http://other.example.org/debian/a.deb' a_1_all.deb 7 SHA256:" + sum + "\n",
		"'http://m.example.org/debian/a.deb' a%zz_1_all.deb 7 SHA256:" + sum + "\n",
		"Reading lists\n",
		"'http://m.example.org/debian/a.deb' a\n",
	} {
		if got, err := s.parseURIs(bad); err == nil {
			t.Errorf("%q was taken as %v", bad, got)
		}
	}
}
