package ignition

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// cloudConfig is the cloud-config that identities are written as (cloud-init
// documentation, "Module reference").
type cloudConfig struct {
	Hostname         string      `yaml:"hostname"`
	FQDN             string      `yaml:"fqdn"`
	PreferFQDN       bool        `yaml:"prefer_fqdn_over_hostname"`
	PreserveHostname bool        `yaml:"preserve_hostname"`
	Users            []cloudUser `yaml:"users,omitempty"` // without any, the image's own user is made, with no key
	WriteFiles       []cloudFile `yaml:"write_files"`
	RunCmd           [][]string  `yaml:"runcmd,flow"`
}

type cloudUser struct {
	Name       string   `yaml:"name"`
	Shell      string   `yaml:"shell,omitempty"`
	LockPasswd bool     `yaml:"lock_passwd"`
	SSHKeys    []string `yaml:"ssh_authorized_keys"`
}

type cloudFile struct {
	Path        string `yaml:"path"`
	Permissions string `yaml:"permissions"`
	Owner       string `yaml:"owner,omitempty"`
	Encoding    string `yaml:"encoding,omitempty"`
	Content     string `yaml:"content"`
}

// cloudHeader is how cloud-init knows the format.
const cloudHeader = "#cloud-config\n"

// renderCloudConfig writes an envelope as a cloud-config. cloud-init keeps a
// copy of it on the machine, for root alone, and never prints it.
func renderCloudConfig(id *Identity, e envelope) ([]byte, error) {
	c := cloudConfig{Hostname: id.Node, FQDN: id.FQDN}
	for _, u := range e.users {
		c.Users = append(c.Users, cloudUser{Name: u.Name, Shell: loginShell, LockPasswd: true, SSHKeys: u.SSHKeys})
	}
	add := func(f File) error {
		content, encoding, err := cloudContent(f.Data)
		if err != nil {
			return err
		}
		cf := cloudFile{Path: f.Path, Permissions: "0" + strconv.FormatUint(uint64(f.Mode), 8), Encoding: encoding, Content: content}
		if f.Owner != rootOwner {
			cf.Owner = f.Owner
		}
		c.WriteFiles = append(c.WriteFiles, cf)
		return nil
	}
	for _, f := range e.files {
		if err := add(f); err != nil {
			return nil, err
		}
	}
	c.RunCmd = append(c.RunCmd, []string{"systemctl", "daemon-reload"})
	for _, u := range e.units {
		if err := add(File{Path: "/etc/systemd/system/" + u.Name, Mode: modePublic, Owner: rootOwner, Data: []byte(u.Content)}); err != nil {
			return nil, err
		}
		if u.Enabled {
			c.RunCmd = append(c.RunCmd, start(u.Name)...)
		}
	}
	b := bytes.NewBufferString(cloudHeader)
	encoder := yaml.NewEncoder(b)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(c), encoder.Close()); err != nil {
		return nil, fmt.Errorf("encoding cloud-config: %w", err)
	}
	return b.Bytes(), nil
}

// start enables a unit, and starts it because the system is up when cloud-init
// runs. The identity's unit is restarted: with a new identity on an old machine
// it is active already, and must do its work again. Other units are not waited
// for: one that waits for the boot to end would wait for cloud-init.
func start(unit string) [][]string {
	if unit == unitName {
		return [][]string{{"systemctl", "enable", unit}, {"systemctl", "restart", unit}}
	}
	return [][]string{{"systemctl", "enable", "--now", "--no-block", unit}}
}

// cloudContent chooses the shortest form: text as it is, base64, or base64 of
// gzip.
func cloudContent(data []byte) (content, encoding string, err error) {
	packed, err := compressText(string(data))
	if err != nil {
		return "", "", err
	}
	content, encoding = base64.StdEncoding.EncodeToString(packed), "gz+b64"
	if base64.StdEncoding.EncodedLen(len(data)) <= len(content) {
		content, encoding = base64.StdEncoding.EncodeToString(data), "b64"
	}
	// Text needs indentation and, on one line, quotes.
	if isText(data) && len(data)+8*bytes.Count(data, []byte("\n")) <= len(content) {
		content, encoding = string(data), ""
	}
	return content, encoding, nil
}

// isText reports whether YAML can hold data as a readable string.
func isText(data []byte) bool {
	if !utf8.Valid(data) {
		return false
	}
	for _, r := range string(data) {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || !unicode.IsPrint(r)) {
			return false
		}
	}
	return true
}
