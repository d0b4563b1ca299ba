package ignition

import (
	_ "embed" // the scripts and the unit
	"path"
	"slices"
	"strings"

	"github.com/ingot-k8s/ingot/ignition/bundle"
)

// unitName is the unit that unpacks the bundle.
const unitName = "ingot-identity.service"

// Where the scripts are on the machine.
const (
	unpackPath = bundle.UnpackPath
	fetchPath  = bundle.FetchPath
)

//go:embed unpack.sh
var unpackSource string

//go:embed fetch.sh
var fetchSource string

//go:embed ingot-identity.service
var unitContent string

// unpackScript and fetchScript are the scripts as identities carry them.
var (
	unpackScript = withoutComments(unpackSource)
	fetchScript  = withoutComments(fetchSource)
)

// withoutComments drops what would cost every identity several hundred bytes.
func withoutComments(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		text := strings.TrimSpace(line)
		if text == "" || strings.HasPrefix(text, "#") && !strings.HasPrefix(text, "#!") {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

// pin names a bundle, in the form of sha256sum(1).
func pin(data []byte) string { return bundle.Sum(data) + "  " + path.Base(bundlePath) + "\n" }

// envelope is what a provisioning tool applies by itself.
type envelope struct {
	files []File // the early ones, the unpacker, and the bundle where it comes along
	units []Unit
	users []User
}

// envelope puts an identity in the form that a provisioning tool applies, with
// both the bundle, and with it every secret, and the script that fetches the
// bundle from elsewhere. A form has one or the other of them.
func (id *Identity) envelope(bundle []byte) envelope {
	e := envelope{users: id.Users, units: append([]Unit{{Name: unitName, Enabled: true, Content: unitContent}}, id.Units...)}
	for _, f := range id.Files {
		if f.Early {
			e.files = append(e.files, f)
		}
	}
	e.files = append(e.files,
		early(pinPath, modePublic, pin(bundle)),
		early(unpackPath, modeScript, unpackScript),
		secret(bundlePath, bundle),
		early(fetchPath, modeScript, fetchScript))
	return e
}

// without is the envelope without the file of a path.
func (e envelope) without(path string) envelope {
	e.files = slices.DeleteFunc(slices.Clone(e.files), func(f File) bool { return f.Path == path })
	return e
}
