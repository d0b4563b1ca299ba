package objectstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-k8s/ingot/internal/need/s3"
	"github.com/minio/minio-go/v7"
)

// testPart is the least that S3 takes for a part that is not the last.
const testPart = 5 << 20

// spoiler stands before the network: it counts requests and spoils some.
type spoiler struct {
	mu    sync.Mutex
	seen  []string
	spoil func(n int, r *http.Request) (*http.Response, error) // nil, nil lets it pass
	after func(n int, r *http.Request)
}

func (s *spoiler) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.seen = append(s.seen, r.Method+" "+r.URL.RequestURI())
	n := len(s.seen)
	s.mu.Unlock()
	if s.spoil != nil {
		if response, err := s.spoil(n, r); response != nil || err != nil {
			if r.Body != nil {
				_ = r.Body.Close()
			}
			return response, err
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if s.after != nil {
		s.after(n, r)
	}
	return response, err
}

// count says how many requests there were of a kind.
func (s *spoiler) count(part string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, line := range s.seen {
		if strings.Contains(line, part) {
			n++
		}
	}
	return n
}

func open(t *testing.T, service *s3.Service, wire *spoiler) *Bucket {
	t.Helper()
	b, err := New(Config{Endpoint: service.URL, Bucket: service.Bucket, AccessKey: s3.AccessKey, SecretKey: s3.SecretKey, Transport: wire, PartSize: testPart})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// file writes one of this size, and gives its sum.
func file(t *testing.T, size int, seed uint64) (path, sum string) {
	t.Helper()
	data := make([]byte, size)
	chacha := rand.NewChaCha8([32]byte{byte(seed)})
	_, _ = chacha.Read(data)
	path = filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s := sha256.Sum256(data)
	return path, hex.EncodeToString(s[:])
}

// fetched gives the sum of what an address has.
func fetched(t *testing.T, address string) string {
	t.Helper()
	response, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("fetching: %s, %v", response.Status, err)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// TestUpload: what is there is the file, by an address that anybody can use; a
// second run sends nothing, and another file replaces it.
func TestUpload(t *testing.T) {
	service := s3.Start(t)
	for name, size := range map[string]int{"empty": 0, "small": 1000, "one part": testPart, "parts": 2*testPart + 12345} {
		t.Run(name, func(t *testing.T) {
			wire := &spoiler{}
			b := open(t, service, wire)
			key := "lab-" + strings.ReplaceAll(name, " ", "-") + ".img.gz"
			path, sum := file(t, size, 1)
			var last int64
			var mu sync.Mutex
			out, err := b.Upload(t.Context(), key, path, sum, func(done, total int64) {
				mu.Lock()
				defer mu.Unlock()
				if last = max(last, done); total != int64(size) {
					t.Errorf("of %d bytes", total)
				}
			})
			if err != nil || out.Kept || out.Resumed != 0 || out.Sent != int64(size) || last != int64(size) {
				t.Fatalf("%+v, %v, progress up to %d", out, err, last)
			}
			address, err := b.URL(t.Context(), key, time.Hour)
			if err != nil || fetched(t, address) != sum {
				t.Fatalf("the object is another: %v", err)
			}
			sent := wire.count("PUT ")
			if out, err = b.Upload(t.Context(), key, path, sum, nil); err != nil || !out.Kept || wire.count("PUT ") != sent {
				t.Errorf("again: %+v, %v", out, err)
			}
			other, otherSum := file(t, size+1, 2)
			if out, err = b.Upload(t.Context(), key, other, otherSum, nil); err != nil || out.Kept || fetched(t, address) != otherSum {
				t.Errorf("another: %+v, %v", out, err)
			}
			if err := b.Remove(t.Context(), key); err != nil {
				t.Fatal(err)
			}
			left(t, b)
		})
	}
}

// left fails where the bucket has anything, finished or not.
func left(t *testing.T, b *Bucket) {
	t.Helper()
	all, err := b.List(t.Context(), "")
	if err != nil || len(all) > 0 {
		t.Errorf("left: %v, %v", all, err)
	}
}

// TestResume breaks an upload off after each request, and runs it again: what
// was sent is not sent again, and nothing is left but the object.
func TestResume(t *testing.T) {
	service := s3.Start(t)
	path, sum := file(t, 3*testPart+1, 3)
	whole := &spoiler{}
	if _, err := open(t, service, whole).Upload(t.Context(), "whole", path, sum, nil); err != nil {
		t.Fatal(err)
	}
	var spared int64
	for k := 1; k <= len(whole.seen); k++ {
		key := fmt.Sprintf("cut-%d", k)
		ctx, cancel := context.WithCancel(t.Context())
		wire := &spoiler{after: func(n int, _ *http.Request) {
			if n == k {
				cancel()
			}
		}}
		b := open(t, service, wire)
		_, first := b.Upload(ctx, key, path, sum, nil)
		cancel()
		if first != nil && !errors.Is(first, context.Canceled) {
			t.Fatalf("after request %d: %v", k, first)
		}
		stored := storedParts(t, b, key)
		again := &spoiler{}
		out, err := open(t, service, again).Upload(t.Context(), key, path, sum, nil)
		if err != nil {
			t.Fatalf("after request %d, again: %v", k, err)
		}
		spared += out.Resumed
		// A part that was on its way may have come in after it was counted.
		if !out.Kept && again.count("partNumber=") > 4-stored {
			t.Errorf("after request %d: %d parts were there, %d sent again", k, stored, again.count("partNumber="))
		}
		address, err := b.URL(t.Context(), key, time.Hour)
		if err != nil || fetched(t, address) != sum {
			t.Errorf("after request %d: another object, %v", k, err)
		}
		if uploads, err := b.uploads(t.Context(), key); err != nil || len(uploads) > 0 {
			t.Errorf("after request %d: unfinished: %v, %v", k, uploads, err)
		}
	}
	if spared < testPart {
		t.Errorf("%d bytes were not sent again", spared)
	}
}

// storedParts counts the parts of the unfinished upload.
func storedParts(t *testing.T, b *Bucket, key string) int {
	t.Helper()
	n := 0
	uploads, err := b.uploads(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads {
		if u.Key != key {
			continue
		}
		list, err := b.core.ListObjectParts(t.Context(), b.name, key, u.UploadID, 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		n += len(list.ObjectParts)
	}
	return n
}

// TestResumeOther: an unfinished upload of another file under the same key helps
// nobody, and neither do two of them.
func TestResumeOther(t *testing.T) {
	service := s3.Start(t)
	wire := &spoiler{}
	b := open(t, service, wire)
	path, sum := file(t, testPart+10, 4)
	for range 2 {
		id, err := b.core.NewMultipartUpload(t.Context(), b.name, "k", minio.PutObjectOptions{UserMetadata: map[string]string{sumKey: sum}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.core.PutObjectPart(t.Context(), b.name, "k", id, 1, strings.NewReader(strings.Repeat("x", testPart)), testPart, minio.PutObjectPartOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Upload(t.Context(), "k", path, sum, nil); err != nil {
		t.Fatal(err)
	}
	address, err := b.URL(t.Context(), "k", time.Hour)
	if err != nil || fetched(t, address) != sum {
		t.Errorf("another object: %v", err)
	}
	if err := b.Remove(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	left(t, b)
}

// TestFaults: what passes is tried again, what does not is told with the name of
// the object, and without a secret.
func TestFaults(t *testing.T) {
	service := s3.Start(t)
	path, sum := file(t, 1000, 5)
	answer := func(r *http.Request, code int, s3code string) *http.Response {
		body := "<Error><Code>" + s3code + "</Code><Message>no</Message></Error>"
		return &http.Response{StatusCode: code, Status: http.StatusText(code), Request: r, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	}
	for name, c := range map[string]struct {
		spoil func(n int, r *http.Request) (*http.Response, error)
		want  string
	}{
		"slow down once": {func(n int, r *http.Request) (*http.Response, error) {
			if n == 2 {
				return answer(r, 503, "SlowDown"), nil
			}
			return nil, nil
		}, ""},
		"part cut": {func(n int, r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.RawQuery, "partNumber") && n < 6 {
				return nil, io.ErrUnexpectedEOF
			}
			return nil, nil
		}, ""},
		"forbidden": {func(_ int, r *http.Request) (*http.Response, error) { return answer(r, 403, "AccessDenied"), nil }, "s3://images/k at 127.0.0.1"},
		"no bucket": {func(_ int, r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodHead {
				return nil, nil
			}
			return answer(r, 404, "NoSuchBucket"), nil
		}, "NoSuchBucket"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := open(t, service, &spoiler{spoil: c.spoil}).Upload(t.Context(), "k", path, sum, nil)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), s3.SecretKey) {
				t.Errorf("a secret: %v", err)
			}
			if err := open(t, service, &spoiler{}).Remove(t.Context(), "k"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestDamaged: a file that is not what the manifest says goes nowhere.
func TestDamaged(t *testing.T) {
	service := s3.Start(t)
	wire := &spoiler{}
	b := open(t, service, wire)
	path, _ := file(t, 1000, 6)
	_, err := b.Upload(t.Context(), "k", path, strings.Repeat("0", 64), nil)
	if err == nil || !strings.Contains(err.Error(), "damaged") || wire.count("PUT")+wire.count("POST") > 0 {
		t.Errorf("%v", err)
	}
	if _, err := b.Upload(t.Context(), "k", path+"x", "", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a file: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for name, c := range map[string]struct{ endpoint, want string }{
		"spaces":   {"https://fra1.digitaloceanspaces.com", ""},
		"loopback": {"http://127.0.0.1:7070", ""},
		"plain":    {"http://s3.example.com", "not https"},
		"a path":   {"https://s3.example.com/images", "not the address"},
		"password": {"https://a:hunter2@s3.example.com", "not the address"},
		"none":     {"", "not the address"},
	} {
		_, err := New(Config{Endpoint: c.endpoint, Bucket: "b", AccessKey: "a", SecretKey: "s"})
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	b, err := New(Config{Endpoint: "https://fra1.digitaloceanspaces.com", Bucket: "images", AccessKey: "a", SecretKey: "s"})
	if err != nil {
		t.Fatal(err)
	}
	address, err := b.URL(t.Context(), "lab-0.img.gz", 30*24*time.Hour)
	if err != nil || !strings.HasPrefix(address, "https://images.fra1.digitaloceanspaces.com/lab-0.img.gz?") || !strings.Contains(address, "X-Amz-Expires=604800") {
		t.Errorf("%s, %v", address, err)
	}
}
