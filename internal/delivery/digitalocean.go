package delivery

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/publish/digitalocean"
	"github.com/ingot-k8s/ingot/publish/objectstore"
)

// DigitalOcean is how an account and a bucket are reached. What is empty is as
// the environment and the definition have it.
type DigitalOcean struct {
	TokenFile string // with the token of the API
	KeyFile   string // with the bucket's access key and secret key, a line each
	Bucket    string
	Endpoint  string // address of the bucket's S3 service

	Getenv func(string) string
}

// Regions are those that are named, or else those of the definition.
func Regions(c *cluster.Cluster, named []string) []string {
	if d := c.Def.Publish.DigitalOcean; d != nil && len(named) == 0 {
		return d.Regions
	}
	return named
}

// Config is what the account and the bucket are reached by, without an image,
// progress and a clock. Without keys of the bucket there is none, unless the run
// uploads.
func (d *DigitalOcean) Config(c *cluster.Cluster, regions []string, upload bool) (*digitalocean.Config, error) {
	token, err := secretOf(d.TokenFile, d.Getenv, "DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, advise(errors.New("there is no token of DigitalOcean"), "set DIGITALOCEAN_TOKEN, or name a file by --token-file")
	}
	cfg := &digitalocean.Config{Cluster: c, Token: token, URL: d.Getenv("DIGITALOCEAN_API_URL"), Regions: regions}
	cfg.Bucket, err = d.open(c, regions, upload)
	return cfg, err
}

func (d *DigitalOcean) open(c *cluster.Cluster, regions []string, upload bool) (*objectstore.Bucket, error) {
	settings := c.Def.Publish.DigitalOcean
	if settings == nil {
		settings = new(cluster.DigitalOcean)
	}
	bucket, endpoint := cmp.Or(d.Bucket, settings.Bucket), cmp.Or(d.Endpoint, settings.Endpoint)
	if endpoint == "" && len(regions) > 0 {
		endpoint = "https://" + regions[0] + ".digitaloceanspaces.com"
	}
	if bucket == "" || endpoint == "" {
		return nil, nil // it is told where it is needed
	}
	access, secret, err := d.keys()
	if err != nil || access == "" && !upload {
		return nil, err
	}
	if access == "" || secret == "" {
		return nil, advise(fmt.Errorf("there are no keys of the bucket %q", bucket),
			"set SPACES_ACCESS_KEY_ID and SPACES_SECRET_ACCESS_KEY, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a file by --s3-key-file")
	}
	return objectstore.New(objectstore.Config{Endpoint: endpoint, Region: d.Getenv("AWS_REGION"), Bucket: bucket, AccessKey: access, SecretKey: secret})
}

// keys are the bucket's: of the file, else of the first pair of variables.
func (d *DigitalOcean) keys() (access, secret string, err error) {
	if d.KeyFile != "" {
		text, err := secretOf(d.KeyFile, d.Getenv)
		lines := strings.Fields(text)
		if err == nil && len(lines) != 2 {
			err = fmt.Errorf("reading %s: it has %d words; want two lines, the access key and the secret key", d.KeyFile, len(lines))
		}
		if err != nil {
			return "", "", err
		}
		return lines[0], lines[1], nil
	}
	for _, prefix := range []string{"SPACES_", "AWS_"} {
		access, secret = d.Getenv(prefix+"ACCESS_KEY_ID"), d.Getenv(prefix+"SECRET_ACCESS_KEY")
		if access != "" {
			break
		}
	}
	return access, secret, nil
}
