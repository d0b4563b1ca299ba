package serve

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-k8s/ingot/internal/atomicfile"
)

// NameScript is the script for iPXE among files for another web server.
const NameScript = "boot.ipxe"

// sumsName has the checksums of the parts.
const sumsName = "SHA256SUMS"

// Write writes what machines need to start from another web server, which has
// the folder at an address: the parts of the medium, their checksums, and a
// script. There is no identity in it. It gives the paths of the files, the
// script last: where it is there, all is. A dry run writes nothing.
func (m *Medium) Write(ctx context.Context, dir, address string, dry bool) ([]string, error) {
	base, err := baseURL(address)
	if err != nil {
		return nil, err
	}
	script, err := m.staticScript(base)
	if err != nil {
		return nil, err
	}
	var out []string
	if dry {
		for _, name := range []string{NameKernel, NameInitrd, NameBootInitrd, NameMedium, sumsName, NameScript} {
			out = append(out, filepath.Join(dir, name))
		}
		return out, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("making the folder: %w", err)
	}
	for _, name := range []string{NameKernel, NameInitrd, NameBootInitrd, NameMedium} {
		path := filepath.Join(dir, name)
		if err := m.writePart(ctx, name, path); err != nil {
			return out, err
		}
		out = append(out, path)
	}
	for _, text := range []struct{ name, content string }{{sumsName, m.sums()}, {NameScript, script}} {
		path := filepath.Join(dir, text.name)
		if err := atomicfile.WriteNoSync(path, []byte(text.content), 0o644); err != nil {
			return out, err
		}
		out = append(out, path)
	}
	return out, nil
}

// writePart copies a part into a file.
func (m *Medium) writePart(ctx context.Context, name, path string) error {
	f, err := atomicfile.CreateNoSync(path, 0o644)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // does nothing after Commit
	r := m.open(name)
	for left := m.Size(name); left > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := io.CopyN(f, r, min(left, 1<<20))
		if err != nil {
			return fmt.Errorf("writing %s: %w", path, err)
		}
		left -= n
	}
	return f.Commit()
}

// baseURL is an address without a slash at its end.
func baseURL(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Contains(address, " ") || plain(address) != address {
		return "", fmt.Errorf("%q is not the address of a folder (such as http://192.0.2.2/prod): machines that start have no authorities for HTTPS", address)
	}
	return strings.TrimRight(address, "/"), nil
}

// staticScript starts every machine from a web server, without an identity.
func (m *Medium) staticScript(base string) (string, error) {
	line := mediumLine(m, base)
	if err := checkLine(line); err != nil {
		return "", err
	}
	return `#!ipxe
imgfree
kernel --name kernel ` + base + "/" + NameKernel + ` initrd=initrd initrd=boot.initrd ` + strings.Join(line, " ") + ` || goto failed
initrd --name initrd ` + base + "/" + NameInitrd + ` || goto failed
initrd --name boot.initrd ` + base + "/" + NameBootInitrd + ` || goto failed
boot ||
:failed
echo ingot: the machine cannot start from ` + base + `; trying again in 10 seconds
sleep 10
chain --replace ` + base + "/" + NameScript + `
`, nil
}
