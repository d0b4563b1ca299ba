package objectstore

import (
	"context"
	"crypto/md5" //nolint:gosec // S3's own checksum of a part, no protection from people
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Limits of S3, "Amazon S3 multipart upload limits": 10,000 parts of at least
// 5 MiB, but for the last. Parts of 16 MiB are few enough for 160 GB, and small
// enough that an interruption costs little.
const (
	partSize = 16 << 20
	maxParts = 10_000
)

// part is one of the file's.
type part struct {
	number       int // from 1
	offset, size int64
	md5, sha256  []byte
	there        bool // the service has it already
}

// cut plans the parts of a file and makes their sums. It fails where the file as
// a whole has another sum than it should.
func cut(ctx context.Context, f io.ReaderAt, size, length int64, sum string) ([]part, error) {
	for length*maxParts < size {
		length *= 2
	}
	whole := sha256.New()
	var out []part
	for offset := int64(0); offset < size || len(out) == 0; offset += length {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		p := part{number: len(out) + 1, offset: offset, size: min(length, size-offset)}
		one, two := md5.New(), sha256.New() //nolint:gosec // see the import
		if _, err := io.Copy(io.MultiWriter(whole, one, two), io.NewSectionReader(f, p.offset, p.size)); err != nil {
			return nil, err
		}
		p.md5, p.sha256 = one.Sum(nil), two.Sum(nil)
		out = append(out, p)
	}
	if got := hex.EncodeToString(whole.Sum(nil)); got != sum {
		return nil, fmt.Errorf("it is damaged: its SHA-256 sum is %s, the manifest says %s", got, sum)
	}
	return out, nil
}
