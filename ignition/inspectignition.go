package ignition

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/coreos/ignition/v2/config"
	ignerrors "github.com/coreos/ignition/v2/config/shared/errors"
	"github.com/ingot-k8s/ingot/ignition/bundle"
	"github.com/vincent-petithory/dataurl"
)

// ignitionConfig has the parts of an Ignition config of version 3 that are
// looked into.
type ignitionConfig struct {
	Ignition struct {
		Version string `json:"version"`
		Config  struct {
			Merge   []ignitionResource `json:"merge"`
			Replace ignitionResource   `json:"replace"`
		} `json:"config"`
	} `json:"ignition"`
	Passwd struct {
		Users []struct {
			Name     string   `json:"name"`
			Keys     []string `json:"sshAuthorizedKeys"`
			Groups   []string `json:"groups"`
			Password *string  `json:"passwordHash"`
		} `json:"users"`
	} `json:"passwd"`
	Storage struct {
		Files []struct {
			Path     string             `json:"path"`
			Mode     *int               `json:"mode"`
			User     ignitionAccount    `json:"user"`
			Group    ignitionAccount    `json:"group"`
			Contents ignitionResource   `json:"contents"`
			Append   []ignitionResource `json:"append"`
		} `json:"files"`
		Directories []json.RawMessage `json:"directories"`
		Links       []json.RawMessage `json:"links"`
		Disks       []json.RawMessage `json:"disks"`
		Filesystems []json.RawMessage `json:"filesystems"`
		Raid        []json.RawMessage `json:"raid"`
		Luks        []json.RawMessage `json:"luks"`
	} `json:"storage"`
	Systemd struct {
		Units []struct {
			Name     string `json:"name"`
			Enabled  *bool  `json:"enabled"`
			Contents string `json:"contents"`
		} `json:"units"`
	} `json:"systemd"`
	KernelArguments json.RawMessage `json:"kernelArguments"`
}

type ignitionResource struct {
	Source      *string `json:"source"`
	Compression string  `json:"compression"`
}

type ignitionAccount struct {
	Name *string `json:"name"`
	ID   *int    `json:"id"`
}

func (a ignitionAccount) String() string {
	switch {
	case a.Name != nil:
		return *a.Name
	case a.ID != nil:
		return strconv.Itoa(*a.ID)
	}
	return "root"
}

// maxListed bounds how many entries of each kind are looked into.
const maxListed = 4096

// ignition inspects an Ignition config: by Ignition's own parser for what is
// wrong with it, and by itself for what it would do.
func (in *inspector) ignition(data []byte) {
	in.checkIgnition(data)
	var c ignitionConfig
	if err := json.Unmarshal(data, &c); err != nil {
		in.warn("it does not have the structure of an Ignition config")
		return
	}
	for _, f := range c.Storage.Files[:min(len(c.Storage.Files), maxListed)] {
		if in.full() {
			break
		}
		info := FileInfo{Path: f.Path, Source: "config", Owner: f.User.String() + ":" + f.Group.String()}
		if f.Mode != nil {
			info.Mode = fmt.Sprintf("%04o", *f.Mode)
		}
		in.resource(info, f.Contents)
		for _, a := range f.Append {
			if in.full() {
				break
			}
			in.resource(info, a)
		}
	}
	for _, u := range c.Systemd.Units[:min(len(c.Systemd.Units), maxListed)] {
		in.Units = append(in.Units, UnitInfo{Name: u.Name, Enabled: u.Enabled != nil && *u.Enabled, Size: len(u.Contents)})
	}
	for _, u := range c.Passwd.Users[:min(len(c.Passwd.Users), maxListed)] {
		info := UserInfo{Name: u.Name, Groups: u.Groups, Keys: fingerprints(u.Keys)}
		if u.Password != nil && *u.Password != "" {
			info.Password = redacted(len(*u.Password))
		}
		in.Users = append(in.Users, info)
	}
	for _, part := range []struct {
		key   string
		there bool
	}{
		{"ignition.config.merge", len(c.Ignition.Config.Merge) > 0},
		{"ignition.config.replace", c.Ignition.Config.Replace.Source != nil},
		{"storage.directories", len(c.Storage.Directories) > 0},
		{"storage.links", len(c.Storage.Links) > 0},
		{"storage.disks", len(c.Storage.Disks) > 0},
		{"storage.filesystems", len(c.Storage.Filesystems) > 0},
		{"storage.raid", len(c.Storage.Raid) > 0},
		{"storage.luks", len(c.Storage.Luks) > 0},
		{"kernelArguments", len(c.KernelArguments) > 0},
	} {
		if part.there {
			in.Other = append(in.Other, part.key)
		}
	}
}

// checkIgnition has Ignition judge the config. Unknown keys are only warnings
// to it, and a wrong version comes as an error with an empty report.
func (in *inspector) checkIgnition(data []byte) {
	parsed, rep, err := config.Parse(data)
	for _, entry := range rep.Entries {
		// Messages may quote the value, which may be a secret, in the end.
		message, _, _ := strings.Cut(entry.Message, `"`)
		message, _, _ = strings.Cut(message, "data:")
		in.warn("Ignition: %s at %s: %s", entry.Kind, entry.Context, strings.TrimRight(message, " :"))
	}
	switch {
	case errors.Is(err, ignerrors.ErrUnknownVersion):
		in.warn("Ignition: the version is none of 3.0.0 to 3.5.0")
	case err != nil && len(rep.Entries) == 0:
		in.warn("Ignition: the config is not valid")
	}
	if v := versionOf(data); err == nil && (v == "3.4.0" || v == "3.5.0") {
		in.warn("Ignition: version %s is too new for Ignition 2.14 (Debian), which takes at most 3.3.0", v)
	}
	_ = parsed
}

func versionOf(data []byte) string {
	var c ignitionConfig
	if json.Unmarshal(data, &c) != nil {
		return ""
	}
	return c.Ignition.Version
}

// resource adds a file with the content that its data URL has, or the host
// that it would be fetched from.
func (in *inspector) resource(info FileInfo, r ignitionResource) {
	if r.Source == nil {
		in.apply(info, []byte{})
		return
	}
	u, err := url.Parse(*r.Source)
	if err != nil || u.Scheme != "data" {
		info.Size, info.Source = -1, "elsewhere"
		if err == nil && u.Host != "" {
			info.Source = u.Scheme + "://" + u.Host // what follows may be a secret
		}
		in.applied = append(in.applied, appliedFile{FileInfo: info})
		return
	}
	d, err := dataurl.DecodeString(*r.Source)
	if err != nil {
		in.warn("file %q: its data URL cannot be decoded", info.Path)
		return
	}
	data := d.Data
	if r.Compression == "gzip" {
		if data, err = bundle.Decompress(data, maxConfig); err != nil {
			in.warn("file %q: %v", info.Path, err)
			return
		}
	}
	in.apply(info, data)
}
