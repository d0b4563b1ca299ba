package ignition

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/clarketm/json" // leaves empty structs out, as Butane does with it
	butane "github.com/coreos/butane/config"
	"github.com/coreos/butane/config/common"
	"github.com/coreos/ignition/v2/config/v3_3"
	"github.com/coreos/ignition/v2/config/v3_3/types"
	"github.com/coreos/vcontext/report"
	"github.com/vincent-petithory/dataurl"
	"go.yaml.in/yaml/v3"
)

// The Butane config that identities are written as. Flatcar's variant 1.0.0
// makes Ignition configs of version 3.3.0, which Ignition 2.14 (Debian 12 and
// 13), Flatcar and Fedora CoreOS all take.
const (
	butaneVariant = "flatcar"
	butaneVersion = "1.0.0"
)

type butaneConfig struct {
	Variant string         `yaml:"variant"`
	Version string         `yaml:"version"`
	Passwd  *butanePasswd  `yaml:"passwd,omitempty"`
	Storage butaneStorage  `yaml:"storage"`
	Systemd butaneUnitList `yaml:"systemd"`
}

type butanePasswd struct {
	Users []butaneUser `yaml:"users"`
}

type butaneUser struct {
	Name    string   `yaml:"name"`
	Shell   string   `yaml:"shell,omitempty"`
	SSHKeys []string `yaml:"ssh_authorized_keys"`
}

type butaneStorage struct {
	Files []butaneFile `yaml:"files"`
}

type butaneFile struct {
	Path      string         `yaml:"path"`
	Mode      int            `yaml:"mode"`
	Overwrite bool           `yaml:"overwrite"`
	User      *butaneAccount `yaml:"user,omitempty"`
	Group     *butaneAccount `yaml:"group,omitempty"`
	Contents  butaneContents `yaml:"contents"`
}

type butaneAccount struct {
	Name string `yaml:"name"`
}

type butaneContents struct {
	Source      string `yaml:"source"`
	Compression string `yaml:"compression,omitempty"`
}

type butaneUnitList struct {
	Units []butaneUnit `yaml:"units"`
}

type butaneUnit struct {
	Name     string `yaml:"name"`
	Enabled  bool   `yaml:"enabled"`
	Contents string `yaml:"contents"`
}

// loginShell is on every system that an identity is for.
const loginShell = "/bin/bash"

// renderIgnition writes an envelope as Ignition configs, through Butane: one
// config for each of the paths, without the file of that path. Butane runs once
// for all, because it takes longer than all the rest. Any entry in a report, of
// Butane or of Ignition, is an error.
func renderIgnition(e envelope, without ...string) ([][]byte, error) {
	config, err := butaneOf(e)
	if err != nil {
		return nil, err
	}
	source, err := yaml.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("encoding Butane config: %w", err)
	}
	out, rep, err := butane.TranslateBytes(source, common.TranslateBytesOptions{Raw: true})
	if err := strict(rep, err); err != nil {
		return nil, fmt.Errorf("translating Butane config: %w", err)
	}
	whole, rep, err := v3_3.Parse(out)
	if err := strict(rep, err); err != nil {
		return nil, fmt.Errorf("checking Ignition config: %w", err)
	}
	var configs [][]byte
	for _, path := range without {
		c := whole
		c.Storage.Files = slices.DeleteFunc(slices.Clone(whole.Storage.Files), func(f types.File) bool { return f.Path == path })
		data, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encoding Ignition config: %w", err)
		}
		configs = append(configs, data)
	}
	return configs, nil
}

// strict makes an error of everything that a report has.
func strict(rep report.Report, err error) error {
	problems := []error{err}
	for _, entry := range rep.Entries {
		problems = append(problems, errors.New(strings.TrimSpace(entry.String())))
	}
	return errors.Join(problems...)
}

func butaneOf(e envelope) (butaneConfig, error) {
	c := butaneConfig{Variant: butaneVariant, Version: butaneVersion}
	for _, u := range e.users {
		if c.Passwd == nil {
			c.Passwd = &butanePasswd{}
		}
		c.Passwd.Users = append(c.Passwd.Users, butaneUser{Name: u.Name, Shell: loginShell, SSHKeys: u.SSHKeys})
	}
	for _, f := range e.files {
		contents, err := butaneContent(f.Data)
		if err != nil {
			return butaneConfig{}, err
		}
		bf := butaneFile{Path: f.Path, Mode: int(f.Mode), Overwrite: true, Contents: contents}
		bf.User, bf.Group = butaneOwner(f.Owner)
		c.Storage.Files = append(c.Storage.Files, bf)
	}
	for _, u := range e.units {
		c.Systemd.Units = append(c.Systemd.Units, butaneUnit{Name: u.Name, Enabled: u.Enabled, Contents: u.Content})
	}
	return c, nil
}

// butaneContent chooses the shortest data URL, as Butane does for inline
// contents. Done here, what is the same for all nodes is compressed once.
func butaneContent(data []byte) (butaneContents, error) {
	plain := butaneContents{Source: "data:;base64," + base64.StdEncoding.EncodeToString(data)}
	if bytes.HasPrefix(data, []byte(gzipMagic)) {
		return plain, nil
	}
	if len(data) < leastCompressed {
		if text := "data:," + dataurl.Escape(data); len(text) < len(plain.Source) {
			plain.Source = text
		}
		return plain, nil
	}
	packed, err := compressText(string(data))
	if err != nil {
		return plain, err
	}
	if text := "data:;base64," + base64.StdEncoding.EncodeToString(packed); len(text)+len(`"compression":"gzip",`) < len(plain.Source) {
		return butaneContents{Source: text, Compression: "gzip"}, nil
	}
	return plain, nil
}

// butaneOwner leaves root out, which is Ignition's default.
func butaneOwner(owner string) (user, group *butaneAccount) {
	if owner == rootOwner {
		return nil, nil
	}
	u, g, _ := strings.Cut(owner, ":")
	return &butaneAccount{Name: u}, &butaneAccount{Name: g}
}
