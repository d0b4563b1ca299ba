package configiso

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// maxLabel is the length of the volume identifier field (8.4.7).
	maxLabel = 32
	// maxFileName leaves room for the version ";1" in an identifier of 30 (7.5.1).
	maxFileName = 28
	// maxExtension is where the library cuts what follows the dot, so that
	// "ignition" just fits.
	maxExtension = 8
	// maxFolderName is the longest folder identifier (7.6.3).
	maxFolderName = 31
	// maxFolders is how many folders may be above a file: eight levels with the
	// root (6.8.2.1). The 255 characters that the same section allows for a path
	// are then never reached.
	maxFolders = 7
	// firstYear and lastYear are what a directory record can state (9.1.5).
	firstYear, lastYear = 1900, 2155

	// labelMarks are, beside letters and digits, the characters that udev puts
	// into a link under /dev/disk/by-label unescaped (libblkid's encode.c).
	labelMarks = "#+-.:=@_"
	// nameMarks are, beside lower-case letters and digits, the characters of a
	// name that the library and every mount leave alone.
	nameMarks = "_-"
)

// Validate finds every reason why the volume cannot be written exactly as it
// is: the library would cut or change names and let two that become alike
// overwrite each other, so only names that it leaves alone are allowed. The
// error lists all problems, one a line, and names the file in each.
func (v Volume) Validate() error {
	var problems []error
	if err := checkLabel(v.Label); err != nil {
		problems = append(problems, err)
	}
	if err := checkTime(v.Time); err != nil {
		problems = append(problems, err)
	}
	problems = append(problems, checkFiles(v.Files)...)
	return errors.Join(problems...)
}

func checkLabel(label string) error {
	switch {
	case label == "":
		return fmt.Errorf("label is empty (1 to %d characters)", maxLabel)
	case len(label) > maxLabel:
		return fmt.Errorf("label %q has %d characters (1 to %d)", label, len(label), maxLabel)
	case label[0] == '.':
		return fmt.Errorf("label %q starts with a dot: no link under /dev/disk/by-label can be made of it", label)
	}
	for _, r := range label {
		if !isLower(r) && !isUpper(r) && !strings.ContainsRune(labelMarks, r) {
			return fmt.Errorf("label %q contains %q (letters, digits and %s)", label, r, labelMarks)
		}
	}
	return nil
}

func checkTime(t time.Time) error {
	if year := t.UTC().Year(); year < firstYear || year > lastYear {
		return fmt.Errorf("time %s cannot be recorded (years %d to %d)", t.UTC().Format(time.RFC3339), firstYear, lastYear)
	}
	return nil
}

// checkFiles looks at each path, then at what the paths mean together.
func checkFiles(files []File) []error {
	if len(files) == 0 {
		return []error{errors.New("volume has no files")}
	}
	var problems []error
	report := func(path, format string, args ...any) {
		problems = append(problems, fmt.Errorf("file %q: "+format, append([]any{path}, args...)...))
	}
	seen := make(map[string]bool, len(files))
	folders := map[string]string{} // folder to the first file in it
	for _, f := range files {
		if seen[f.Path] {
			report(f.Path, "path is there twice")
			continue
		}
		seen[f.Path] = true
		if err := checkPath(f.Path); err != nil {
			report(f.Path, "%w", err)
			continue
		}
		for i, c := range f.Path {
			if _, known := folders[f.Path[:i]]; c == '/' && !known {
				folders[f.Path[:i]] = f.Path
			}
		}
	}
	for _, f := range files {
		if inside, ok := folders[f.Path]; ok {
			report(f.Path, "is a folder too, because of %q", inside)
		}
	}
	if n := len(seen) + len(folders); n > maxEntries {
		problems = append(problems, fmt.Errorf("volume has %d files and folders (at most %d)", n, maxEntries))
	}
	if err := checkSize(files, len(folders)); err != nil {
		problems = append(problems, err)
	}
	return problems
}

// checkSize counts contents and folders in sectors. Folders of very many files
// take a few sectors more, which does not matter to a limit of this kind.
func checkSize(files []File, folders int) error {
	const fixed = systemSectors + 2 + 1 + 2 // and two descriptors, the root, two path tables
	total := int64(fixed+folders) * sectorSize
	largest := files[0]
	for _, f := range files {
		total += sectorsOf(int64(len(f.Data))) * sectorSize
		if len(f.Data) > len(largest.Data) {
			largest = f
		}
	}
	if total > maxVolume {
		return fmt.Errorf("file %q: volume would have %d bytes (at most %d), and this file with %d bytes is the largest in it",
			largest.Path, total, maxVolume, len(largest.Data))
	}
	return nil
}

func checkPath(path string) error {
	switch {
	case path == "":
		return errors.New("path is empty")
	case strings.HasPrefix(path, "/"):
		return errors.New("path is absolute (relative to the root of the volume)")
	}
	names := strings.Split(path, "/")
	folders, file := names[:len(names)-1], names[len(names)-1]
	for _, name := range folders {
		if err := checkName(name, maxFolderName); err != nil {
			return err
		}
	}
	if err := checkName(file, maxFileName); err != nil {
		return err
	}
	if _, extension, ok := strings.Cut(file, "."); ok {
		switch {
		case strings.Contains(extension, "."):
			return fmt.Errorf("file name %q has more than one dot", file)
		case extension == "":
			return fmt.Errorf("file name %q ends with a dot", file)
		case len(extension) > maxExtension:
			return fmt.Errorf("extension %q has %d characters (1 to %d)", extension, len(extension), maxExtension)
		}
	}
	if len(folders) > maxFolders {
		return fmt.Errorf("path is %d folders deep (at most %d)", len(folders), maxFolders)
	}
	return nil
}

// checkName has the rules that hold for the names of folders and files alike.
func checkName(name string, limit int) error {
	switch {
	case name == "":
		return errors.New("path has an empty part")
	case name == "." || name == "..":
		return fmt.Errorf("path contains %q", name)
	case name[0] == '.':
		return fmt.Errorf("name %q starts with a dot", name)
	case len(name) > limit:
		return fmt.Errorf("name %q has %d characters (1 to %d)", name, len(name), limit)
	}
	for _, r := range name {
		if isUpper(r) {
			return fmt.Errorf("name %q contains %q: Linux shows names in lower case", name, r)
		}
		if !isLower(r) && r != '.' && !strings.ContainsRune(nameMarks, r) {
			return fmt.Errorf("name %q contains %q (a-z, 0-9, %s and .)", name, r, nameMarks)
		}
	}
	return nil
}

// isLower also takes digits.
func isLower(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
}

func isUpper(r rune) bool {
	return r >= 'A' && r <= 'Z'
}

// sectorsOf is how many sectors that many bytes take.
func sectorsOf(bytes int64) int64 {
	return (bytes + sectorSize - 1) / sectorSize
}
