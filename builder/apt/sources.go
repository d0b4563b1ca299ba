package apt

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Archive is a part of Debian that has a mirror of its own.
type Archive string

// The archives: releases and their updates, and security updates.
const (
	Main     Archive = "main"
	Security Archive = "security"
)

// Mirror is where an archive is had from, and who signs it.
type Mirror struct {
	URI      string // folder that holds dists/, without a slash at the end
	SignedBy string // keyring files as apt takes them; empty means Debian's own
}

// Mirrors has the mirror of each archive.
type Mirrors map[Archive]Mirror

// entry is one source of packages in apt's configuration.
type entry struct {
	uris, suites, components []string
	signedBy                 string
}

// codenames are the releases of Debian that a host's sources may name, by code
// name or by alias: the release that is baked need not be the host's own.
var codenames = []string{
	"bullseye", "bookworm", "trixie", "forky", "duke", "sid",
	"oldoldstable", "oldstable", "stable", "testing", "unstable",
}

// Codename is the code name of a Debian release.
func Codename(release int) (string, error) {
	switch release {
	case 12:
		return "bookworm", nil
	case 13:
		return "trixie", nil
	}
	return "", fmt.Errorf("naming Debian release: %d is unknown (12, 13)", release)
}

// parseList reads the one-line format of sources.list(5).
func parseList(text string) []entry {
	var out []entry
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		rest = strings.TrimSpace(rest)
		if kind != "deb" {
			continue
		}
		e := entry{}
		if strings.HasPrefix(rest, "[") {
			options, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				continue
			}
			rest = after
			for _, o := range strings.Fields(options) {
				if key, value, _ := strings.Cut(o, "="); strings.EqualFold(key, "signed-by") {
					e.signedBy = value
				}
			}
		}
		if f := strings.Fields(rest); len(f) >= 2 {
			e.uris, e.suites, e.components = f[:1], f[1:2], f[2:]
			out = append(out, e)
		}
	}
	return out
}

// parseStanzas reads the deb822 format of sources.list(5).
func parseStanzas(text string) []entry {
	var out []entry
	fields, last := map[string]string{}, ""
	end := func() {
		off := slices.Contains([]string{"no", "false", "off", "0", "without", "disable"}, strings.ToLower(fields["enabled"]))
		if !off && slices.Contains(strings.Fields(fields["types"]), "deb") {
			out = append(out, entry{
				uris:       strings.Fields(fields["uris"]),
				suites:     strings.Fields(fields["suites"]),
				components: strings.Fields(fields["components"]),
				signedBy:   fields["signed-by"],
			})
		}
		fields, last = map[string]string{}, ""
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			end()
		case line[0] == ' ' || line[0] == '\t':
			if last != "" {
				fields[last] += "\n" + strings.TrimSpace(line)
			}
		default:
			key, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(strings.TrimSpace(key))
			fields[last] = strings.TrimSpace(value)
		}
	}
	end()
	return out
}

// archiveOf says which of Debian's archives a suite belongs to.
func archiveOf(suite string) (Archive, bool) {
	name, archive := suite, Main
	for _, s := range []string{"-security", "/updates"} {
		if cut, ok := strings.CutSuffix(suite, s); ok {
			name, archive = cut, Security
		}
	}
	name = strings.TrimSuffix(name, "-updates")
	return archive, slices.Contains(codenames, name)
}

// findMirrors picks Debian's mirrors among the entries. Other vendors use
// Debian's names of suites too, so a folder that is called as Debian's
// archives are wins over an earlier one that is not.
func findMirrors(entries []entry) Mirrors {
	found, sure := Mirrors{}, map[Archive]bool{}
	for _, e := range entries {
		if !slices.Contains(e.components, "main") || len(e.uris) == 0 {
			continue
		}
		for _, suite := range e.suites {
			archive, ok := archiveOf(suite)
			if !ok || sure[archive] {
				continue
			}
			// apt writes an empty host as none: file:///a is file:/a to it.
			m := Mirror{URI: strings.Replace(strings.TrimRight(e.uris[0], "/"), ":///", ":/", 1)}
			if strings.HasPrefix(e.signedBy, "/") {
				m.SignedBy = strings.Join(strings.Fields(e.signedBy), " ")
			}
			typical := archiveFolder(m.URI) >= 0
			if _, has := found[archive]; !has || typical {
				found[archive], sure[archive] = m, typical
			}
		}
	}
	if m, ok := found[Main]; ok && found[Security].URI == "" {
		found[Security] = Mirror{URI: securityURI(m.URI), SignedBy: m.SignedBy}
	}
	return found
}

// MirrorsAt are the mirrors of a definition that names one: the security
// archive is the folder debian-security where the other is debian, as on
// Debian's own mirrors and snapshots; a mirror that is called otherwise has both.
// Who signs is what the host trusts for Debian's archives.
func MirrorsAt(uri string, host Mirrors) Mirrors {
	uri = strings.TrimRight(uri, "/")
	return Mirrors{
		Main:     {URI: uri, SignedBy: host[Main].SignedBy},
		Security: {URI: securityURI(uri), SignedBy: host[Security].SignedBy},
	}
}

func securityURI(uri string) string {
	at := archiveFolder(uri)
	if at < 0 {
		return uri
	}
	parts := strings.Split(uri, "/")
	parts[at] = "debian-security"
	return strings.Join(parts, "/")
}

// archiveFolder is the place of the last folder "debian" or "debian-security"
// of an address, or -1.
func archiveFolder(uri string) int {
	parts := strings.Split(uri, "/")
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] == "debian" || parts[i] == "debian-security" {
			return i
		}
	}
	return -1
}

// snapshotTime is a folder of a snapshot archive, such as 20250520T000000Z.
var snapshotTime = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z$`)

// isSnapshot reports an archive of the past, whose signed files have run out.
func isSnapshot(uri string) bool {
	return slices.ContainsFunc(strings.Split(uri, "/"), snapshotTime.MatchString)
}

// address is the URI of a file below a mirror, escaped as apt does it. Some
// object stores read a plus sign as a space.
func (m Mirror) address(file string) string {
	parts := strings.Split(path.Clean(file), "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(p), "+", "%2b")
	}
	return m.URI + "/" + strings.Join(parts, "/")
}
