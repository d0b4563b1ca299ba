package sbom

import (
	"bufio"
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// maxLine is more than a line of a copyright file has, in bytes.
const maxLine = 1 << 20

// copyrightFile is what a machine-readable copyright file of Debian says
// (copyright-format 1.0, DEP-5).
type copyrightFile struct {
	names []string          // the licence of each paragraph about files, sorted, each once
	texts map[string]string // of licences, by their names in lower case
}

// parseCopyright gives nothing where the file has another form.
func parseCopyright(data []byte) copyrightFile {
	c := copyrightFile{texts: map[string]string{}}
	var machine, files bool
	name := "" // of the licence whose text comes
	s := bufio.NewScanner(bytes.NewReader(data))
	s.Buffer(nil, maxLine)
	for first := true; s.Scan(); {
		line := s.Text()
		if line == "" {
			files, name = false, ""
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			if name != "" {
				c.texts[name] += strings.TrimSuffix(line[1:], ".") + "\n"
			}
			continue
		}
		field, value, _ := strings.Cut(line, ":")
		name = ""
		switch strings.ToLower(field) {
		case "format", "format-specification":
			machine = machine || first
		case "files":
			files = true
		case "license":
			full := strings.Join(strings.Fields(value), " ")
			if files && full != "" {
				c.names = append(c.names, full)
			}
			if name = strings.ToLower(full); c.texts[name] != "" {
				name = "" // the first one counts
			}
		}
		first = false
	}
	if !machine || s.Err() != nil {
		return copyrightFile{}
	}
	slices.Sort(c.names)
	c.names = slices.Compact(c.names)
	return c
}

// debianNames are names of Debian's that are no SPDX identifiers
// (copyright-format 1.0, "Short name"; and what packages really have).
var debianNames = map[string]string{
	"expat": "MIT", "x11": "X11", "perl": "Artistic-1.0-Perl OR GPL-1.0-or-later", "artistic": "Artistic-1.0",
	"artistic-1": "Artistic-1.0", "artistic-2": "Artistic-2.0", "apache-2": "Apache-2.0", "psf-2": "PSF-2.0",
	"bsd-2-clauses": "BSD-2-Clause", "bsd-3-clauses": "BSD-3-Clause", "bsl-1": "BSL-1.0", "cc0": "CC0-1.0",
	"gfdl-niv-1.2": "GFDL-1.2-no-invariants-only", "gfdl-niv-1.2+": "GFDL-1.2-no-invariants-or-later",
	"gfdl-niv-1.3": "GFDL-1.3-no-invariants-only", "gfdl-niv-1.3+": "GFDL-1.3-no-invariants-or-later",
	"permissive-like-automake-output": "FSFULLR", "fsfullr": "FSFULLR", "fsful": "FSFUL", "fsfap": "FSFAP", "sissl": "SISSL",
}

// debianExceptions are Debian's names of exceptions.
var debianExceptions = map[string]string{
	"autoconf": "Autoconf-exception-generic", "autoconf-data": "Autoconf-exception-generic", "bison": "Bison-exception-2.2",
	"libtool": "Libtool-exception", "font": "Font-exception-2.0", "classpath": "Classpath-exception-2.0",
	"linux-syscall-note": "Linux-syscall-note", "texinfo": "Texinfo-exception", "gcc": "GCC-exception-3.1",
}

// versioned are the GNU licences as Debian writes them: GPL-2, LGPL-2.1+.
var versioned = regexp.MustCompile(`^(a?gpl|lgpl|gfdl)-([0-9])(\.[0-9])?(?:\.0)?(\+)?$`)

// id is the identifier of one licence.
func (l *licences) id(name string) (string, bool) {
	low := strings.ToLower(name)
	if m := versioned.FindStringSubmatch(low); m != nil {
		minor, kind := m[3], "-only"
		if minor == "" {
			minor = ".0"
		}
		if m[4] != "" {
			kind = "-or-later"
		}
		id, ok := l.ids[m[1]+"-"+m[2]+minor+kind]
		return id, ok
	}
	if e, ok := debianNames[low]; ok {
		return e, true
	}
	id, ok := l.ids[low]
	return id, ok
}

var (
	weakOperator   = regexp.MustCompile(`(?i),\s*(and|or)\s+`)
	strongOperator = regexp.MustCompile(`(?i)\s(and|or)\s`)
	withException  = regexp.MustCompile(`(?i)^(\S+?)(?:\s+with\s+(?:the\s+)?|[-~]+with[-~]+)(\S+?)[- ~]exception$`)
)

// expression turns a licence line of a copyright file into SPDX. "And" binds
// stronger than "or", and a comma before one makes it the weakest (section
// "License specification").
func (l *licences) expression(s string) (string, bool) {
	if e, ok, split := l.split(s, weakOperator); split {
		return e, ok
	}
	if e, ok, split := l.split(s, strongOperator); split {
		return e, ok
	}
	s = strings.Trim(strings.TrimSpace(s), ",")
	if m := withException.FindStringSubmatch(s); m != nil {
		id, ok := l.id(m[1])
		exception, known := debianExceptions[strings.ToLower(m[2])]
		if e, is := l.exceptions[strings.ToLower(m[2])]; is {
			exception, known = e, true
		}
		if ok && known && !strings.Contains(id, " ") {
			return id + " WITH " + exception, true
		}
		return l.custom(s)
	}
	if id, ok := l.id(s); ok {
		return id, true
	}
	return l.custom(s)
}

// split takes a line apart at operators of one kind.
func (l *licences) split(s string, operator *regexp.Regexp) (expression string, ok, split bool) {
	at := operator.FindAllStringSubmatchIndex(s, -1)
	if at == nil {
		return "", false, false
	}
	var out strings.Builder
	from := 0
	for i := 0; i <= len(at); i++ {
		to := len(s)
		if i < len(at) {
			to = at[i][0]
		}
		part, ok := l.expression(s[from:to])
		if !ok {
			return "", false, true
		}
		if strings.Contains(part, " OR ") || operator == weakOperator && strings.Contains(part, " AND ") {
			part = "(" + part + ")"
		}
		out.WriteString(part)
		if i < len(at) {
			out.WriteString(" " + strings.ToUpper(s[at[i][2]:at[i][3]]) + " ")
			from = at[i][1]
		}
	}
	return out.String(), true, true
}
