package ociimage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/ingot-k8s/ingot/builder/fetch"
	"github.com/ingot-k8s/ingot/cluster"
	"github.com/ingot-k8s/ingot/internal/atomicfile"
	"github.com/ingot-k8s/ingot/internal/diag"
	"golang.org/x/sync/errgroup"
)

// transfers is how many layers are fetched at once.
const transfers = 3

// Options say how images are fetched.
type Options struct {
	Cache     *fetch.Cache
	Offline   bool              // use nothing but the cache
	Transport http.RoundTripper // nil means the one of go-containerregistry, with the proxies of the environment
	Keychain  authn.Keychain    // nil means the user's Docker configuration

	Done func(image string, bytes int64) // told of each part that was fetched, from several goroutines; may be nil
}

var errOffline = errors.New("not in the cache, and downloads are forbidden")

// Preload fetches the images of a definition, in its order, for linux/amd64.
// All parts are in the cache then, each compared with its digest. The error is
// a *diag.ReportError with the place of every image that cannot be had, or the
// context's.
func Preload(ctx context.Context, c *cluster.Cluster, o Options) ([]Image, error) {
	report := &diag.Report{}
	var out []Image
	for i, s := range c.Def.Image.Preload {
		image, err := Pull(ctx, s, o)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("fetching images: %w", ctx.Err())
		}
		if err != nil {
			path := fmt.Sprintf("image.preload[%d]", i)
			report.Errorf(c.Where(path), path, "%v", err)
		}
		out = append(out, image)
	}
	return out, report.Err()
}

// Pull fetches one image, given as name[:tag]@sha256:<hexadecimal>. The digest
// is that of a manifest, or of an index; then the image has the index itself
// and what linux/amd64 needs of it.
func Pull(ctx context.Context, s string, o Options) (Image, error) {
	ref, err := parse(s)
	if err != nil {
		return Image{}, err
	}
	p := &puller{Options: o, ref: ref, title: s}
	if p.Keychain == nil {
		p.Keychain = authn.DefaultKeychain
	}
	image, err := p.image(ctx)
	if err != nil {
		return Image{}, fmt.Errorf("fetching image %q: %w", s, err)
	}
	return image, nil
}

// puller fetches one image. Its connection is made when it is first needed.
type puller struct {
	Options
	ref    reference
	title  string
	remote *remote.Puller
}

func (p *puller) connect() (*remote.Puller, error) {
	if p.Offline {
		return nil, errOffline
	}
	if p.remote == nil {
		options := []remote.Option{remote.WithAuthFromKeychain(p.Keychain), remote.WithUserAgent("ingot")}
		if p.Transport != nil {
			options = append(options, remote.WithTransport(p.Transport))
		}
		var err error
		if p.remote, err = remote.NewPuller(options...); err != nil {
			return nil, err
		}
	}
	return p.remote, nil
}

func (p *puller) image(ctx context.Context) (Image, error) {
	digest, err := v1.NewHash(p.ref.DigestStr())
	if err != nil {
		return Image{}, err
	}
	data, err := p.manifest(ctx, v1.Descriptor{Digest: digest, Size: -1})
	if err != nil {
		return Image{}, err
	}
	mediaType, err := kind(data)
	if err != nil {
		return Image{}, err
	}
	image := Image{Names: p.ref.names(), Blobs: []Blob{memory(data)}}
	image.Target = image.Blobs[0].descriptor(mediaType)
	if mediaType.IsIndex() {
		chosen, err := choose(data)
		if err != nil {
			return Image{}, err
		}
		if data, err = p.manifest(ctx, chosen); err != nil {
			return Image{}, err
		}
		image.Blobs = append(image.Blobs, memory(data))
	}
	list, err := parts(data)
	if err != nil {
		return Image{}, err
	}
	blobs, err := p.blobs(ctx, list)
	if err != nil {
		return Image{}, err
	}
	image.Blobs = append(image.Blobs, blobs...)
	return image, nil
}

// manifest gives a manifest or index from the cache or the registry. A size
// of -1 is unknown.
func (p *puller) manifest(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	path := p.Cache.Path(d.Digest.Hex)
	data, err := atomicfile.ReadFile(path, maxManifest)
	if err == nil && memory(data).SHA256 == d.Digest.Hex {
		return data, p.Cache.Verify(d.Digest.Hex, int64(len(data))) // it is used now
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	from, err := p.connect()
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	// It checks the digest. It may hold what the registry says is another type.
	got, err := from.Get(ctx, p.ref.Context().Digest(d.Digest.String()))
	if err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	b := memory(got.Manifest)
	if d.Size >= 0 && b.Size != d.Size || b.Size > maxManifest {
		return nil, fmt.Errorf("manifest %s: %d bytes, which is not what was to come", d.Digest, b.Size)
	}
	if err := p.Cache.Store(d.Digest.Hex, b.Size, b.open); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", d.Digest, err)
	}
	p.done(b.Size)
	return got.Manifest, nil
}

// blobs brings the configuration and the layers into the cache.
func (p *puller) blobs(ctx context.Context, list []v1.Descriptor) ([]Blob, error) {
	out := make([]Blob, len(list))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(transfers)
	if !p.Offline {
		if _, err := p.connect(); err != nil { // before there are several
			return nil, err
		}
	}
	seen := map[v1.Hash]bool{}
	for i, d := range list {
		out[i] = p.cached(d)
		if seen[d.Digest] {
			continue // an empty layer, most often
		}
		seen[d.Digest] = true
		group.Go(func() error {
			fetched := false
			err := p.Cache.Store(d.Digest.Hex, d.Size, func() (io.ReadCloser, error) {
				fetched = true
				return p.open(inner, d)
			})
			if err != nil {
				return fmt.Errorf("%s %s: %w", role(d.MediaType), d.Digest, err)
			}
			if fetched {
				p.done(d.Size)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	config, err := atomicfile.ReadFile(p.Cache.Path(list[0].Digest.Hex), maxManifest)
	if err != nil {
		return nil, err
	}
	return out, fits(config)
}

func role(t types.MediaType) string {
	if t.IsConfig() {
		return "configuration"
	}
	return "layer"
}

// cached is a blob that the cache has, or will have.
func (p *puller) cached(d v1.Descriptor) Blob {
	path := p.Cache.Path(d.Digest.Hex)
	return Blob{SHA256: d.Digest.Hex, Size: d.Size, open: func() (io.ReadCloser, error) { return os.Open(path) }}
}

// open starts a download. What comes is compared with its digest as it is read.
func (p *puller) open(ctx context.Context, d v1.Descriptor) (io.ReadCloser, error) {
	from, err := p.connect()
	if err != nil {
		return nil, err
	}
	layer, err := from.Layer(ctx, p.ref.Context().Digest(d.Digest.String()))
	if err != nil {
		return nil, err
	}
	return layer.Compressed() // as it is
}

func (p *puller) done(bytes int64) {
	if p.Done != nil {
		p.Done(p.title, bytes)
	}
}
