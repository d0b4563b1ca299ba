package bundle

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

// Read reads a bundle as the unpackers do. It takes the bytes of
// anybody: every count in them is checked, and at most 64 MiB are unpacked.
// Files come in the order of the bundle. An error says what is wrong, and not
// with which bundle.
func Read(data []byte) ([]File, error) {
	plain, err := Decompress(data, MaxSize)
	if err != nil {
		return nil, err
	}
	return readPlain(plain)
}

func readPlain(plain []byte) ([]File, error) {
	head, body, ok := bytes.Cut(plain, []byte("\n"+End+"\n"))
	if !ok {
		return nil, errors.New("its manifest has no end")
	}
	lines := strings.Split(string(head), "\n")
	if lines[0] != Magic {
		return nil, fmt.Errorf("its first line is not %q", Magic)
	}
	var files []File
	for i, line := range lines[1:] {
		kind, rest, _ := strings.Cut(line, " ")
		var err error
		switch {
		case kind == "f" && len(files) == MaxFiles:
			err = fmt.Errorf("there are more than %d files", MaxFiles)
		case kind == "f":
			var f File
			f, err = manifestFile(rest)
			files = append(files, f)
		case (kind == "t" || kind == "p") && len(files) > 0:
			body, err = files[len(files)-1].take(kind, rest, body)
		default:
			err = errors.New("neither a file nor a part of one")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d of its manifest: %w", i+2, err)
		}
	}
	if len(body) > 0 {
		return nil, fmt.Errorf("%d bytes after the last file", len(body))
	}
	return files, nil
}

func manifestFile(rest string) (File, error) {
	mode, rest, _ := strings.Cut(rest, " ")
	owner, path, _ := strings.Cut(rest, " ")
	bits, err := strconv.ParseUint(mode, 8, 9)
	if err != nil {
		return File{}, errors.New("the mode is not octal (000 to 777)")
	}
	if user, group, ok := strings.Cut(strings.TrimPrefix(owner, "?"), ":"); !ok || !IsAccount(user) || !IsAccount(group) {
		return File{}, errors.New("the owner is not user:group")
	}
	if !strings.HasPrefix(path, "/") || path == "/" || !IsClean(path) {
		return File{}, errors.New("the path is not absolute and clean")
	}
	return File{Path: path, Mode: fs.FileMode(bits), Owner: owner}, nil
}

// take moves a part from the body to the file.
func (f *File) take(kind, rest string, body []byte) ([]byte, error) {
	size, label, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(size, 10, 31)
	if err != nil || n > uint64(len(body)) {
		return nil, fmt.Errorf("the part has not the size that the manifest says (%d bytes are left)", len(body))
	}
	part := body[:n]
	if kind == "t" {
		f.Data = append(f.Data, part...)
		return body[n:], nil
	}
	if label == "" || strings.ContainsFunc(label, func(r rune) bool { return r != ' ' && (r < 'A' || r > 'Z') && (r < '0' || r > '9') }) {
		return nil, errors.New("the label of a PEM block is not of capital letters")
	}
	f.Data = append(f.Data, EncodePEM(label, part)...)
	return body[n:], nil
}
