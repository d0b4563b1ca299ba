package sbom

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/github/go-spdx/v2/spdxexp"
	"github.com/google/go-cmp/cmp"
)

func TestExpression(t *testing.T) {
	l := newLicences()
	for in, want := range map[string]string{
		"GPL-2":                              "GPL-2.0-only",
		"GPL-2+":                             "GPL-2.0-or-later",
		"LGPL-2.1+":                          "LGPL-2.1-or-later",
		"GPL-2.0+":                           "GPL-2.0-or-later",
		"GPL-3.0-or-later":                   "GPL-3.0-or-later",
		"Expat":                              "MIT",
		"BSD-3-clause":                       "BSD-3-Clause",
		"GPL-2+ or Artistic-2.0":             "GPL-2.0-or-later OR Artistic-2.0",
		"Perl and MIT":                       "(Artistic-1.0-Perl OR GPL-1.0-or-later) AND MIT",
		"GPL-1+ or Expat and ISC":            "GPL-1.0-or-later OR MIT AND ISC",
		"GPL-2+ or MIT, and zlib":            "(GPL-2.0-or-later OR MIT) AND Zlib",
		"GPL-3+ with GCC exception":          "GPL-3.0-or-later WITH GCC-exception-3.1",
		"GPL-2+ with the Autoconf exception": "GPL-2.0-or-later WITH Autoconf-exception-generic",
		"GPL-2-with-Linux-syscall-note":      "",
		"GPL-2 with OpenSSL exception":       "",
		"GPL-9":                              "",
		"Perl with GCC exception":            "",
		"public-domain":                      "",
		"custom":                             "",
		"GPL-2+ or custom":                   "",
		"and":                                "",
		"":                                   "",
		"GFDL-NIV-1.3+":                      "GFDL-1.3-no-invariants-or-later",
	} {
		got, ok := l.expression(in)
		if !ok {
			got = ""
		}
		if got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
		if valid, _ := spdxexp.ValidateLicenses([]string{want}); want != "" && !valid {
			t.Errorf("%q is no expression", want)
		}
	}
	for name, e := range debianNames {
		if valid, _ := spdxexp.ValidateLicenses([]string{e}); !valid {
			t.Errorf("%s: %q is no expression", name, e)
		}
	}
	for name, e := range debianExceptions {
		if l.exceptions[strings.ToLower(e)] != e {
			t.Errorf("%s: %q is no exception", name, e)
		}
	}
}

func TestDebianCopyright(t *testing.T) {
	const head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\n"
	files := func(names ...string) string {
		text := head
		for _, n := range names {
			text += "Files: *\nCopyright: x\nLicense: " + n + "\n\n"
		}
		return text + "License: not-of-files\n words\n"
	}
	tests := map[string]struct{ text, want, comment string }{
		"one":                    {files("Expat"), "MIT", ""},
		"two, one twice":         {files("MIT", "GPL-2+ or ISC", "Expat"), "(GPL-2.0-or-later OR ISC) AND MIT", ""},
		"unknown":                {files("Expat", "strange"), noAssertion, "Debian's copyright file names: Expat; strange"},
		"own text":               {files("Expat", "Expat or Be Nice") + "\nLicense: Be Nice\n Be nice.\n .\n Always.\n", "MIT AND (MIT OR LicenseRef-Be-Nice-89991e34)", ""},
		"another form":           {"This is tinc.\nLicense: GPL-2\n", noAssertion, ""},
		"no files":               {head + "License: Expat\n", noAssertion, ""},
		"empty":                  {"", noAssertion, ""},
		"licence of the package": {head[:len(head)-1] + "License: ISC\n\nFiles: *\nLicense: Expat\n", "MIT", ""},
		"many":                   {files(strings.Split(strings.Repeat("x ", 30)+"y", " ")...), noAssertion, "Debian's copyright file names: x; y"},
	}
	for title, tt := range tests {
		t.Run(title, func(t *testing.T) {
			l := newLicences()
			got, comment := l.debian([]byte(tt.text))
			if diff := cmp.Diff([]string{tt.want, tt.comment}, []string{got, comment}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestHostsPackages reads the copyright files of this machine: what comes out
// is valid, and is more than nothing.
func TestHostsPackages(t *testing.T) {
	files, err := filepath.Glob("/usr/share/doc/*/copyright")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 50 {
		t.Skip("this machine has no Debian packages")
	}
	l := newLicences()
	known := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			continue // of a package that another test installs or removes
		}
		e, comment := l.debian(data)
		if e == noAssertion {
			continue
		}
		known++
		if ok, _ := spdxexp.ValidateLicenses([]string{e}); !ok || comment != "" {
			t.Errorf("%s: %q is no expression", file, e)
		}
	}
	t.Logf("%d of %d packages have a licence", known, len(files))
	if known*5 < len(files) {
		t.Errorf("only %d of %d packages have a licence", known, len(files))
	}
}

func TestLicenceText(t *testing.T) {
	l := newLicences()
	for text, want := range map[string]string{
		mit: "MIT", "": noAssertion, "All rights reserved.": noAssertion, strings.Repeat("some other words ", 200) + mit: noAssertion,
	} {
		if got := l.text([]byte(text)); got != want {
			t.Errorf("%.30q: got %s, want %s", text, got, want)
		}
	}
}

func FuzzCopyright(f *testing.F) {
	f.Add([]byte(dep5))
	f.Add([]byte("Format: x\n\nFiles: *\nLicense: GPL-2+ or MIT, and Perl with Font exception, or\n"))
	l := newLicences()
	f.Fuzz(func(t *testing.T, data []byte) {
		e, _ := l.debian(data)
		if ok, _ := spdxexp.ValidateLicenses([]string{e}); !ok && e != noAssertion {
			t.Errorf("%q is no expression", e)
		}
	})
}
