// Package setting is what an identity says about how its machine is to use a
// boot ISO: the file ingot/boot.json on a config ISO. The definition's keys
// become it, and ingot-node on the machine reads it. The package imports the
// standard library alone, so that ingot-node stays small.
package setting

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Path is where a config ISO has the file.
const Path = "ingot/boot.json"

// MaxSize bounds the file in bytes.
const MaxSize = 64 << 10

// Rules that choose a disk without naming it.
const (
	Smallest = "smallest"
	First    = "first"
)

// byID is where udev has the names of disks that stay the same.
const byID = "/dev/disk/by-id/"

// Setting is the content of boot.json. At most one of the two is given; none
// means that the machine, or the person before it, decides.
type Setting struct {
	Install *Install `json:"install,omitempty"`
	Run     *Run     `json:"run,omitempty"`
}

// Install has the machine write the image to a disk of its own.
type Install struct {
	Disk      string `json:"disk"`                // a rule
	Overwrite string `json:"overwrite,omitempty"` // serial number of a disk that may be overwritten
}

// Run has the machine run from the boot ISO, with its state on a disk.
type Run struct {
	Disk string `json:"disk"` // a rule: where the state is made
}

// Parse reads boot.json. What is not known is refused: it could be a wish that
// matters to what is on a disk.
func Parse(data []byte) (*Setting, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("reading %s: %d bytes (at most %d)", Path, len(data), MaxSize)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	s := new(Setting)
	if err := d.Decode(s); err != nil {
		return nil, fmt.Errorf("reading %s: %w", Path, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: something follows its end", Path)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("reading %s: %w", Path, err)
	}
	return s, nil
}

func (s *Setting) check() error {
	if s.Install != nil && s.Run != nil {
		return errors.New("it has both install and run; one is meant")
	}
	if s.Install != nil {
		if err := CheckRule(s.Install.Disk); err != nil {
			return fmt.Errorf("install.disk: %w", err)
		}
		if o := s.Install.Overwrite; o != "" {
			if err := CheckSerial(o); err != nil {
				return fmt.Errorf("install.overwrite: %w", err)
			}
		}
	}
	if s.Run != nil {
		if err := CheckRule(s.Run.Disk); err != nil {
			return fmt.Errorf("run.disk: %w", err)
		}
	}
	return nil
}

// Encode gives the bytes of boot.json.
func (s *Setting) Encode() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("encoding %s: %w", Path, err)
	}
	data, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", Path, err)
	}
	return append(data, '\n'), nil
}

var (
	// diskName is what udev makes of the names of disks (systemd,
	// src/shared/device-nodes.c, allow_listed_char_for_devnode): letters, digits
	// and these, and anything else as \xNN.
	diskName = regexp.MustCompile(`^[0-9A-Za-z#+.:=@_\\-]{1,255}$`)
	// partition is the end of the name of a part of a disk
	// (60-persistent-storage.rules).
	partition = regexp.MustCompile(`-part[0-9]+$`)
	// serial is printable ASCII without a space at the ends, as kernel and udev
	// give serial numbers.
	serial = regexp.MustCompile(`^[!-~]([ -~]{0,126}[!-~])?$`)
)

// CheckRule refuses what is no rule for a disk.
func CheckRule(rule string) error {
	if rule == Smallest || rule == First {
		return nil
	}
	name, ok := strings.CutPrefix(rule, byID)
	switch {
	case !ok || !diskName.MatchString(name) || name == "." || name == "..":
		return fmt.Errorf("%q names no disk; want %sNAME, %s or %s", rule, byID, Smallest, First)
	case partition.MatchString(name):
		return fmt.Errorf("%q is a part of a disk; want the whole one", rule)
	}
	return nil
}

// CheckSerial refuses what cannot be the serial number of a disk.
func CheckSerial(s string) error {
	if !serial.MatchString(s) {
		return fmt.Errorf("%q is not a serial number; want that of the disk as the machine names it on its console", s)
	}
	return nil
}

// Named reports whether a rule names one disk.
func Named(rule string) bool { return strings.HasPrefix(rule, byID) }
