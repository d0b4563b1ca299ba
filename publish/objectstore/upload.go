package objectstore

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/minio/minio-go/v7"
	"golang.org/x/sync/errgroup"
)

// Outcome says what [Bucket.Upload] had to do.
type Outcome struct {
	Kept    bool  // the object was there, and is the file
	Resumed int64 // bytes that an earlier run had sent
	Sent    int64 // bytes of this run
}

// Upload brings a file into the bucket, unless it is there. The file must have
// the SHA-256 sum; it stands in the object's metadata. Nothing that others can
// see is there before all is. progress is told the bytes that are there, by
// several goroutines at once.
func (b *Bucket) Upload(ctx context.Context, key, file, sum string, progress func(done, total int64)) (Outcome, error) {
	f, err := os.Open(file)
	if err != nil {
		return Outcome{}, fmt.Errorf("uploading: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	info, err := f.Stat()
	if err != nil {
		return Outcome{}, fmt.Errorf("uploading: %w", err)
	}
	old, ok, err := b.Stat(ctx, key)
	if err != nil {
		return Outcome{}, err
	}
	if ok && old.Size == info.Size() && old.SHA256 == sum {
		return Outcome{Kept: true}, b.abort(ctx, key, "")
	}
	plan, err := cut(ctx, f, info.Size(), b.partSize, sum)
	if err != nil {
		return Outcome{}, fmt.Errorf("uploading %s: %w", file, err)
	}
	u := &upload{bucket: b, key: key, sum: sum, file: f, size: info.Size(), parts: plan, progress: progress}
	return u.run(ctx)
}

// upload is one that goes on.
type upload struct {
	bucket   *Bucket
	key, sum string
	file     io.ReaderAt
	size     int64
	parts    []part
	progress func(done, total int64)

	done atomic.Int64
}

func (u *upload) run(ctx context.Context) (Outcome, error) {
	id, err := u.resume(ctx)
	if err != nil {
		return Outcome{}, err
	}
	var out Outcome
	for _, p := range u.parts {
		if p.there {
			out.Resumed += p.size
		}
	}
	u.advance(out.Resumed)
	if err := u.send(ctx, id); err != nil {
		return out, err
	}
	out.Sent = u.size - out.Resumed
	return out, u.complete(ctx, id)
}

func (u *upload) advance(n int64) {
	if done := u.done.Add(n); u.progress != nil {
		u.progress(done, u.size)
	}
}

// resume finds the newest unfinished upload of the key, marks the parts of it
// that are as the file has them, and ends all others; or it begins one.
func (u *upload) resume(ctx context.Context) (string, error) {
	b := u.bucket
	uploads, err := b.uploads(ctx, u.key)
	if err != nil {
		return "", err
	}
	uploads = slices.DeleteFunc(uploads, func(o minio.ObjectMultipartInfo) bool { return o.Key != u.key })
	if len(uploads) == 0 {
		id, err := b.core.NewMultipartUpload(ctx, b.name, u.key, minio.PutObjectOptions{
			ContentType: "application/gzip", UserMetadata: map[string]string{sumKey: u.sum},
		})
		if err != nil {
			return "", b.fail("beginning the upload of", u.key, err)
		}
		return id, nil
	}
	newest := slices.MaxFunc(uploads, func(x, y minio.ObjectMultipartInfo) int { return x.Initiated.Compare(y.Initiated) })
	if err := b.abort(ctx, u.key, newest.UploadID); err != nil {
		return "", err
	}
	return newest.UploadID, u.mark(ctx, newest.UploadID)
}

// mark notes which parts the service has. Another file, or parts of another
// size, are of no use: their sums differ, and they are written over.
func (u *upload) mark(ctx context.Context, id string) error {
	marker := 0
	for {
		list, err := u.bucket.core.ListObjectParts(ctx, u.bucket.name, u.key, id, marker, 1000)
		if err != nil {
			return u.bucket.fail("listing the parts of", u.key, err)
		}
		for _, got := range list.ObjectParts {
			if i := got.PartNumber - 1; i >= 0 && i < len(u.parts) {
				p := &u.parts[i]
				p.there = got.Size == p.size && strings.Trim(got.ETag, `"`) == hex.EncodeToString(p.md5)
			}
		}
		if !list.IsTruncated || list.NextPartNumberMarker <= marker {
			return nil
		}
		marker = list.NextPartNumberMarker
	}
}

// senders is how many parts are on their way at once.
const senders = 4

func (u *upload) send(ctx context.Context, id string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(senders)
	for i := range u.parts {
		p := &u.parts[i]
		if p.there {
			continue
		}
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return u.put(ctx, id, p)
		})
	}
	return group.Wait()
}

func (u *upload) put(ctx context.Context, id string, p *part) error {
	body := io.NewSectionReader(u.file, p.offset, p.size)
	got, err := u.bucket.core.PutObjectPart(ctx, u.bucket.name, u.key, id, p.number, body, p.size, minio.PutObjectPartOptions{
		Md5Base64: base64.StdEncoding.EncodeToString(p.md5), Sha256Hex: hex.EncodeToString(p.sha256),
	})
	if err != nil {
		return u.bucket.fail(fmt.Sprintf("sending part %d of", p.number), u.key, err)
	}
	if etag := strings.Trim(got.ETag, `"`); etag != hex.EncodeToString(p.md5) {
		return u.bucket.fail(fmt.Sprintf("sending part %d of", p.number), u.key, fmt.Errorf("the service has %q, the file %x", etag, p.md5))
	}
	u.advance(p.size)
	return nil
}

// complete makes the parts an object, and looks whether it is the file.
func (u *upload) complete(ctx context.Context, id string) error {
	b := u.bucket
	parts := make([]minio.CompletePart, len(u.parts))
	for i, p := range u.parts {
		parts[i] = minio.CompletePart{PartNumber: p.number, ETag: hex.EncodeToString(p.md5)}
	}
	_, failed := b.core.CompleteMultipartUpload(ctx, b.name, u.key, id, parts, minio.PutObjectOptions{})
	// The answer may be lost, and the object there all the same.
	got, ok, err := b.Stat(ctx, u.key)
	switch {
	case err != nil && failed == nil:
		return err
	case err == nil && ok && got.Size == u.size && got.SHA256 == u.sum:
		return nil
	case failed != nil:
		return b.fail("finishing the upload of", u.key, failed)
	}
	return b.fail("finishing the upload of", u.key, fmt.Errorf("the service has %d bytes with the SHA-256 sum %q, the file has %d with %q", got.Size, got.SHA256, u.size, u.sum))
}

// uploads lists unfinished uploads of keys that begin with prefix.
func (b *Bucket) uploads(ctx context.Context, prefix string) ([]minio.ObjectMultipartInfo, error) {
	var out []minio.ObjectMultipartInfo
	key, id := "", ""
	for {
		list, err := b.core.ListMultipartUploads(ctx, b.name, prefix, key, id, "", 1000)
		if err != nil {
			return nil, b.fail("listing unfinished uploads of", prefix, err)
		}
		out = append(out, list.Uploads...)
		if !list.IsTruncated || list.NextKeyMarker == key && list.NextUploadIDMarker == id {
			return out, nil
		}
		key, id = list.NextKeyMarker, list.NextUploadIDMarker
	}
}

// abort ends the unfinished uploads of a key, but the one to keep.
func (b *Bucket) abort(ctx context.Context, key, keep string) error {
	uploads, err := b.uploads(ctx, key)
	if err != nil {
		return err
	}
	for _, o := range uploads {
		if o.Key != key || o.UploadID == keep {
			continue
		}
		err := b.core.AbortMultipartUpload(ctx, b.name, key, o.UploadID)
		if err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchUpload {
			return b.fail("ending an unfinished upload of", key, err)
		}
	}
	return nil
}
