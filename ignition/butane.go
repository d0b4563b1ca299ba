package ignition

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

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

// Renderer turns identities into outputs. It remembers what Butane made of the
// shapes of configs: all but the contents of files, which is the same for most
// nodes of a cluster, and on which Butane spends more time than is spent on all
// the rest. The zero value is ready, and safe for concurrent use.
type Renderer struct {
	mu     sync.Mutex
	shapes map[string]types.Config // by the text of the Butane config
}

// maxShapes bounds what is remembered, where every node has files of its own.
const maxShapes = 64

// ignition writes an envelope as Ignition configs, through Butane: one config
// for each of the paths, without the file of that path. Any entry in a report,
// of Butane or of Ignition, is an error.
func (r *Renderer) ignition(e envelope, without ...string) ([][]byte, error) {
	config, err := butaneOf(e)
	if err != nil {
		return nil, err
	}
	contents := map[string]string{}
	for i := range config.Storage.Files {
		f := &config.Storage.Files[i]
		contents[f.Path], f.Contents.Source = f.Contents.Source, "data:,"
	}
	shape, err := r.shape(config)
	if err != nil {
		return nil, err
	}
	shape.Storage.Files = slices.Clone(shape.Storage.Files)
	for i := range shape.Storage.Files {
		f := &shape.Storage.Files[i]
		source, ok := contents[f.Path]
		if !ok {
			return nil, fmt.Errorf("translating Butane config: it made a file %q of its own", f.Path)
		}
		f.Contents.Source = &source
	}
	whole, err := json.Marshal(shape)
	if err != nil {
		return nil, fmt.Errorf("encoding Ignition config: %w", err)
	}
	_, rep, err := v3_3.Parse(whole)
	if err := strict(rep, err); err != nil {
		return nil, fmt.Errorf("checking Ignition config: %w", err)
	}
	var configs [][]byte
	for _, path := range without {
		c := shape
		c.Storage.Files = slices.DeleteFunc(slices.Clone(shape.Storage.Files), func(f types.File) bool { return f.Path == path })
		data, err := json.Marshal(c)
		if err != nil {
			return nil, fmt.Errorf("encoding Ignition config: %w", err)
		}
		configs = append(configs, data)
	}
	return configs, nil
}

// shape has Butane translate a config, unless it has done so before.
func (r *Renderer) shape(config butaneConfig) (types.Config, error) {
	source, err := yaml.Marshal(config)
	if err != nil {
		return types.Config{}, fmt.Errorf("encoding Butane config: %w", err)
	}
	r.mu.Lock()
	shape, known := r.shapes[string(source)]
	r.mu.Unlock()
	if known {
		return shape, nil
	}
	out, rep, err := butane.TranslateBytes(source, common.TranslateBytesOptions{Raw: true})
	if err := strict(rep, err); err != nil {
		return types.Config{}, fmt.Errorf("translating Butane config: %w", err)
	}
	shape, rep, err = v3_3.Parse(out)
	if err := strict(rep, err); err != nil {
		return types.Config{}, fmt.Errorf("checking Ignition config: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shapes == nil {
		r.shapes = map[string]types.Config{}
	}
	if len(r.shapes) < maxShapes {
		r.shapes[string(source)] = shape
	}
	return shape, nil
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
