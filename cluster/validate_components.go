package cluster

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	// moduleVersion is a release of a Go module: no pre-release, because what
	// it is may still change its meaning, and no build metadata.
	moduleVersion = regexp.MustCompile(`^v(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,4})\.(0|[1-9][0-9]{0,4})$`)
	sha256Hex     = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func (v *validator) checkComponents() {
	for _, rule := range componentRules {
		path, c := join("components", rule.key), rule.of(&v.def.Components)
		if !slices.Contains(rule.sources, c.Source) {
			// Where it is no source at all, the decoder has said so.
			if slices.Contains([]string{SourceDebian, SourceGo, SourceURL, SourceFile}, c.Source) {
				v.errorf(join(path, "source"), "%s has no source %s (%s)", rule.name, quoted(c.Source), strings.Join(rule.sources, ", "))
			}
			continue
		}
		v.checkComponentKeys(path, c)
		switch c.Source {
		case SourceGo:
			v.checkModuleVersion(join(path, "version"), rule, c.Version)
		case SourceURL:
			v.checkProgramURL(join(path, "url"), c.URL)
			v.checkProgramSum(join(path, "sha256"), c.SHA256)
		case SourceFile:
			v.checkProgramFile(join(path, "file"), c.File)
			v.checkProgramSum(join(path, "sha256"), c.SHA256)
		}
	}
}

// checkComponentKeys refuses keys that the source has no use for: who wrote
// them expects something of them.
func (v *validator) checkComponentKeys(path string, c *Component) {
	for _, key := range []struct {
		name, value string
		sources     []string
	}{
		{"version", c.Version, []string{SourceGo}},
		{"url", c.URL, []string{SourceURL}},
		{"file", c.File, []string{SourceFile}},
		{"sha256", c.SHA256, []string{SourceURL, SourceFile}},
	} {
		if key.value == "" || slices.Contains(key.sources, c.Source) {
			continue
		}
		hint := ""
		if key.name == "version" && c.Source == SourceDebian {
			hint = "; versions of Debian packages are kept in the lock"
		}
		v.errorf(join(path, key.name), "only for source %s, and the source is %s%s", strings.Join(key.sources, " or "), c.Source, hint)
	}
}

func (v *validator) checkModuleVersion(path string, rule componentRule, version string) {
	major, _, _ := strings.Cut(rule.version, ".")
	switch {
	case !moduleVersion.MatchString(version):
		v.errorf(path, "%s is not a release of a Go module, such as %s", quoted(version), rule.version)
	case !strings.HasPrefix(version, major+"."):
		v.errorf(path, "%s is not supported (%s.x, such as %s)", quoted(version), major, rule.version)
	}
}

func (v *validator) checkProgramURL(path, s string) {
	u, err := url.Parse(s)
	switch {
	case s == "":
		v.errorf(path, "missing; source url needs the address of the program")
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || !printable(s):
		v.errorf(path, "%s is not an address of a file (such as https://example.com/program)", quotedURL(s))
	case u.User != nil:
		v.errorf(path, "a URL with a user name or password in it, which would end up in the lock")
	}
}

// printable reports visible ASCII without quotes and backslashes, which is
// what a lock can hold.
func printable(s string) bool {
	for _, r := range s {
		if r <= ' ' || r > '~' || r == '"' || r == '\\' {
			return false
		}
	}
	return true
}

func (v *validator) checkProgramFile(path, s string) {
	switch {
	case s == "":
		v.errorf(path, "missing; source file needs the path of the program")
	case !printable(s):
		v.errorf(path, "%s has other characters than visible ASCII without quotes and backslashes", quoted(s))
	default:
		v.local(path, s)
	}
}

func (v *validator) checkProgramSum(path, s string) {
	switch {
	case s == "":
		v.errorf(path, "missing; sha256sum prints it")
	case !sha256Hex.MatchString(s):
		v.errorf(path, "%s is not a SHA-256: 64 hexadecimal digits in lower case", quoted(s))
	}
}
