package fetch_test

import (
	"strings"
	"testing"

	"github.com/ingot-k8s/ingot/node/boot/fetch"
)

const (
	hash   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	medium = "ingot.medium=http://192.0.2.1:8470/boot.iso ingot.medium.sha256=" + hash + " ingot.medium.size=1000"
	other  = " ingot.identity=https://192.0.2.1:8470/identity ingot.identity.pin=" + hash
)

func TestParseLine(t *testing.T) {
	l, err := fetch.ParseLine("vmlinuz ro " + medium + other + " ingot.medium=http://else/ quiet\n")
	want := fetch.Line{
		Medium: "http://192.0.2.1:8470/boot.iso", SHA256: hash, Size: 1000,
		Identity: "https://192.0.2.1:8470/identity", Pin: hash,
	}
	if err != nil || *l != want {
		t.Errorf("got %+v, %v", l, err)
	}
	if l, err := fetch.ParseLine(medium); err != nil || l.Identity != "" {
		t.Errorf("without an identity: %+v, %v", l, err)
	}
	if l, err := fetch.ParseLine("ro quiet"); l != nil || err != nil {
		t.Errorf("without a medium: %+v, %v", l, err)
	}
	for text, want := range map[string]string{
		strings.Replace(medium, "=1000", "=0", 1):                       "no size in bytes",
		strings.Replace(medium, "=1000", "=x", 1):                       "no size in bytes",
		strings.Replace(medium, hash, hash[:63], 1):                     "ingot.medium.sha256",
		strings.Replace(medium, hash, strings.ToUpper(hash), 1):         "ingot.medium.sha256",
		strings.Replace(medium, "http:", "ftp:", 1):                     "ingot.medium=",
		strings.Replace(medium, "192", "me:secret@192", 1):              "ingot.medium=",
		strings.Replace(medium, "http:", "https:", 1):                   "ingot.identity.pin",
		medium + strings.Replace(other, "https:", "http:", 1):           "an address of HTTPS",
		medium + strings.Replace(other, "/identity", "/identity?x=", 1): "an address of HTTPS",
		medium + strings.Replace(other, hash, "", 1):                    "ingot.identity.pin",
	} {
		if l, err := fetch.ParseLine(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %+v, %v; want %q", text, l, err, want)
		}
	}
}

func FuzzParseLine(f *testing.F) {
	f.Add(medium + other)
	f.Add("ingot.medium=http://[::1%25eth0]/ ingot.medium.size=9223372036854775808")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := fetch.ParseLine(text)
		if err != nil || l == nil {
			return
		}
		if l.Size <= 0 || len(l.SHA256) != 64 || strings.ContainsAny(l.Medium+l.Identity, " \n@?#") {
			t.Errorf("%q gives %+v", text, l)
		}
		if (l.Identity != "" || strings.HasPrefix(l.Medium, "https:")) && len(l.Pin) != 64 {
			t.Errorf("%q gives an HTTPS without a pin: %+v", text, l)
		}
	})
}
