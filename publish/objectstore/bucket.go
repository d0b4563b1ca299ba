// Package objectstore brings large files into a bucket of any service that
// speaks S3, such as DigitalOcean Spaces. An upload that was interrupted goes on
// with the parts that the service has, after each is held against the file.
package objectstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// Config says which bucket, and who asks.
type Config struct {
	Endpoint  string // https://fra1.digitaloceanspaces.com; http on loopback only
	Region    string // of the signature; us-east-1 where it is empty, which Spaces takes, too
	Bucket    string
	AccessKey string
	SecretKey string
	PartSize  int64             // in bytes; zero for 16 MiB, at least 5 MiB by S3's rules
	Transport http.RoundTripper // nil for Go's own
}

// Bucket is a place for objects. It is safe for concurrent use.
type Bucket struct {
	core     minio.Core
	name     string
	host     string
	partSize int64
}

// maxURL is how long a signed URL can be good for: seven days, by AWS's
// "Signature Version 4", query parameter X-Amz-Expires.
const maxURL = 7 * 24 * time.Hour

// New opens a bucket. It sends nothing.
func New(cfg Config) (*Bucket, error) {
	u, err := url.Parse(cfg.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Path != "" && u.Path != "/" || u.User != nil || u.RawQuery != "":
		return nil, fmt.Errorf("opening bucket: %q is not the address of an S3 service, such as https://fra1.digitaloceanspaces.com", cfg.Endpoint)
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return nil, fmt.Errorf("opening bucket: %q is not https, which is only for services on this machine", cfg.Endpoint)
	case cfg.Bucket == "":
		return nil, errors.New("opening bucket: it has no name")
	case cfg.AccessKey == "" || cfg.SecretKey == "":
		return nil, errors.New("opening bucket: there is no access key, or no secret key")
	}
	region := cfg.Region
	if region == "" {
		region = "us-east-1"
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds:  credentials.NewStaticV4(cfg.AccessKey, cfg.SecretKey, ""),
		Secure: u.Scheme == "https", Region: region, Transport: cfg.Transport,
		BucketLookup: lookup(u.Hostname()), MaxRetries: maxTries,
	})
	if err != nil {
		return nil, fmt.Errorf("opening bucket: %w", err)
	}
	return &Bucket{core: minio.Core{Client: client}, name: cfg.Bucket, host: u.Host, partSize: cmp.Or(cfg.PartSize, partSize)}, nil
}

// maxTries is for one request, with growing pauses between.
const maxTries = 6

// lookup says where a bucket's name goes: before the host where the service has
// certificates for that, else into the path.
func lookup(host string) minio.BucketLookupType {
	for _, known := range []string{".digitaloceanspaces.com", ".amazonaws.com"} {
		if strings.HasSuffix(host, known) {
			return minio.BucketLookupDNS
		}
	}
	return minio.BucketLookupPath
}

// loopback reports whether a host is this machine.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Name of an object for people: s3://bucket/key.
func (b *Bucket) Name(key string) string { return "s3://" + b.name + "/" + key }

// Where is the service of the bucket.
func (b *Bucket) Where() string { return b.host }

// Object is what a bucket has under a key.
type Object struct {
	Key    string
	Size   int64  // in bytes
	SHA256 string // as it was given by [Bucket.Upload]; empty for what others have put there
}

// sumKey names the object's checksum among what S3 calls user metadata.
const sumKey = "Sha256"

// Stat looks for an object; ok is false where there is none.
func (b *Bucket) Stat(ctx context.Context, key string) (o Object, ok bool, err error) {
	info, err := b.core.StatObject(ctx, b.name, key, minio.StatObjectOptions{})
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return Object{}, false, nil
	}
	if err != nil {
		return Object{}, false, b.fail("looking for", key, err)
	}
	return Object{Key: key, Size: info.Size, SHA256: info.UserMetadata[sumKey]}, true, nil
}

// List gives the objects whose key begins with prefix, finished or not: those
// that are not have no size.
func (b *Bucket) List(ctx context.Context, prefix string) ([]Object, error) {
	var out []Object
	seen := map[string]bool{}
	for info := range b.core.Client.ListObjects(ctx, b.name, minio.ListObjectsOptions{Prefix: prefix}) {
		if info.Err != nil {
			return nil, b.fail("listing", prefix, info.Err)
		}
		seen[info.Key] = true
		out = append(out, Object{Key: info.Key, Size: info.Size})
	}
	uploads, err := b.uploads(ctx, prefix)
	if err != nil {
		return nil, err
	}
	for _, u := range uploads {
		if !seen[u.Key] {
			seen[u.Key] = true
			out = append(out, Object{Key: u.Key})
		}
	}
	return out, ctx.Err()
}

// Remove removes an object, and what there is of unfinished uploads of it.
func (b *Bucket) Remove(ctx context.Context, key string) error {
	if err := b.abort(ctx, key, ""); err != nil {
		return err
	}
	if err := b.core.RemoveObject(ctx, b.name, key, minio.RemoveObjectOptions{}); err != nil {
		return b.fail("removing", key, err)
	}
	return nil
}

// URL is an address by which anybody can read the object for a time, of seven
// days at most. It is a credential.
func (b *Bucket) URL(ctx context.Context, key string, valid time.Duration) (string, error) {
	u, err := b.core.PresignedGetObject(ctx, b.name, key, min(valid, maxURL), nil)
	if err != nil {
		return "", b.fail("signing the address of", key, err)
	}
	return u.String(), nil
}

// fail says which object, and where; S3's code is in it.
func (b *Bucket) fail(doing, key string, err error) error {
	response := minio.ToErrorResponse(err)
	if response.Code != "" && response.Message != "" {
		return fmt.Errorf("%s %s at %s: %s: %w", doing, b.Name(key), b.host, response.Code, err)
	}
	return fmt.Errorf("%s %s at %s: %w", doing, b.Name(key), b.host, err)
}
