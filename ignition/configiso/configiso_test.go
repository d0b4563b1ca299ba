package configiso

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var testTime = time.Date(2026, time.January, 2, 3, 4, 5, 0, time.UTC)

// configDrive is a volume as a node gets it.
func configDrive() Volume {
	return Volume{Label: "config-2", Time: testTime, Files: []File{
		{"openstack/latest/user_data", bytes.Repeat([]byte(`{"ignition":{"version":"3.3.0"}}`), 400)},
		{"openstack/latest/meta_data.json", []byte(`{"uuid":"1"}`)},
		{"openstack/latest/network_data.json", nil},
	}}
}

// numbered makes a folder of n files whose identifiers, and so records, have
// the same length: len(stem) + 3 digits + ".x;1".
func numbered(folder, stem string, n int) []File {
	files := make([]File, n)
	for i := range files {
		files[i] = File{join(folder, fmt.Sprintf("%s%03d.x", stem, i)), fmt.Appendf(nil, "content %d of %q", i, folder)}
	}
	return files
}

func mustWrite(t testing.TB, v Volume) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func mustRead(t testing.TB, image []byte) Volume {
	t.Helper()
	v, err := Read(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// mustMatch compares files whatever their order.
func mustMatch(t *testing.T, got, want []File) {
	t.Helper()
	if err := sameFiles(slices.SortedFunc(slices.Values(got), byPath), want); err != nil {
		t.Fatal(err)
	}
}

// The bytes of a volume are a promise to everyone who keeps hashes of volumes.
// If they have to change, put the new hash here and say so in the change log.
func TestGolden(t *testing.T) {
	tests := []struct {
		name   string
		volume Volume
		want   string
	}{
		{"config drive", configDrive(), "54f152415f17faa4e2be6e5592bbe5482577c29b77ae9c73f650ccc05d0e5183"},
		{"NoCloud", Volume{Label: "cidata", Time: time.Unix(0, 0), Files: []File{
			{"user-data", []byte("#cloud-config\n")}, {"meta-data", []byte("instance-id: i-1\n")}, {"network-config", nil},
		}}, "914b5d164ccd4834be3c0b70e777a08d18a9ae788376d3eb28ce5ed9c8a097d9"},
		{"full folder", Volume{Label: "FULL", Time: testTime, Files: numbered("d", "name", 45)}, "54d6e57912cfb279860ca9ab0f50a1bcb2d8fcf346a661db1081e608adec7135"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sum := sha256.Sum256(mustWrite(t, test.volume))
			if got := hex.EncodeToString(sum[:]); got != test.want {
				t.Errorf("hash is %s, not %s; if this is meant, put it into the test", got, test.want)
			}
		})
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	want := mustWrite(t, configDrive())
	same := func(t *testing.T, v Volume) {
		t.Helper()
		if !bytes.Equal(mustWrite(t, v), want) {
			t.Error("bytes differ")
		}
	}
	t.Run("order of files", func(t *testing.T) {
		v := configDrive()
		slices.Reverse(v.Files)
		before := slices.Clone(v.Files)
		same(t, v)
		for i := range before {
			if before[i].Path != v.Files[i].Path {
				t.Fatal("the caller's files were reordered")
			}
		}
	})
	t.Run("time zone", func(t *testing.T) {
		v := configDrive()
		v.Time = v.Time.In(time.FixedZone("", 5*3600+45*60))
		same(t, v)
	})
	t.Run("fraction of a second", func(t *testing.T) {
		v := configDrive()
		v.Time = v.Time.Add(999 * time.Millisecond)
		same(t, v)
	})
	t.Run("clock", func(t *testing.T) {
		time.Sleep(15 * time.Millisecond) // the library records hundredths of a second
		same(t, configDrive())
	})
	for _, mask := range []int{0, 0o027, 0o077} {
		t.Run(fmt.Sprintf("umask %03o", mask), func(t *testing.T) {
			defer syscall.Umask(syscall.Umask(mask))
			same(t, configDrive())
		})
	}
	t.Run("temporary folder", func(t *testing.T) {
		t.Setenv("TMPDIR", t.TempDir())
		same(t, configDrive())
	})
}

func TestRoundTrip(t *testing.T) {
	content := func(n int) []byte { return bytes.Repeat([]byte("x"), n) }
	var sizes []File
	for _, n := range []int{0, 1, 2047, 2048, 2049, 4095, 4096, 4097, 100000} {
		sizes = append(sizes, File{fmt.Sprintf("size%d", n), content(n)})
	}
	tests := map[string]Volume{
		"config drive":   configDrive(),
		"sizes":          {Label: "sizes", Files: sizes},
		"one empty file": {Label: "empty", Files: []File{{"a", nil}}},
		"all characters of a label": {
			Label: "AZaz09" + labelMarks, Files: []File{{"a", content(1)}},
		},
		"longest names": {Label: strings.Repeat("L", maxLabel), Files: []File{
			{strings.Repeat("d", 31) + "/" + strings.Repeat("f", 28), content(1)},
			{strings.Repeat("d", 31) + "/" + strings.Repeat("f", 19) + ".ignition", content(2)},
		}},
		"deepest path":         {Label: "deep", Files: []File{{"1/2/3/4/5/6/7/file", content(3)}, {"1/2/file", content(4)}}},
		"marks in names":       {Label: "marks", Files: []File{{"2009-04-04/meta-data", content(1)}, {"conf.d/a_b-c.d_e", content(2)}, {"-", content(3)}}},
		"order of names":       {Label: "order", Files: []File{{"a", content(1)}, {"a.b", content(2)}, {"a-b", content(3)}, {"a0", content(4)}, {"a_", content(5)}}},
		"many folders":         {Label: "many", Files: manyFolders(300)},
		"folder of 33 sectors": {Label: "big", Files: numbered("d", "a-name-of-28-characters", 999)},
	}
	for name, v := range tests {
		t.Run(name, func(t *testing.T) {
			v.Time = testTime
			got := mustRead(t, mustWrite(t, v))
			if got.Label != v.Label || !got.Time.Equal(v.Time) {
				t.Errorf("label %q and time %s, want %q and %s", got.Label, got.Time, v.Label, v.Time)
			}
			mustMatch(t, got.Files, v.Files)
		})
	}
}

func manyFolders(n int) []File {
	var files []File
	for i := range n {
		files = append(files, File{fmt.Sprintf("d%d/e%d/f", i%7, i), fmt.Append(nil, i)})
	}
	return files
}

// Records of 44 bytes fill a sector exactly when there are 45; of 64 bytes, the
// second sector when there are 62 and the third when there are 94. The library
// then writes a sector too many, which moves all that follows. When the numbers
// of these sectors are no longer right, the library has learnt to count, and
// dropSurplus may go.
func TestFullFolders(t *testing.T) {
	const short, long = "name", "a-name-of-28-characters"
	type test struct {
		name    string
		surplus int
		files   []File
	}
	empty := numbered("d", short, 45)
	for i := range empty {
		empty[i].Data = nil
	}
	tests := []test{
		{"second sector", 1, numbered("d", long, 62)},
		{"third sector", 1, numbered("d", long, 94)},
		{"root", 1, numbered("", short, 45)},
		{"three folders", 3, slices.Concat(numbered("a", short, 45), numbered("b", short, 44), numbered("b/c", short, 45), numbered("c", short, 45))},
		{"root and below", 3, slices.Concat(numbered("", short, 44), numbered("folder01234", short, 44),
			numbered("folder01234/deeper78901", long, 62))},
		{"empty files", 1, empty},
	}
	for n := 40; n <= 50; n++ {
		surplus := 0
		if n == 45 {
			surplus = 1
		}
		tests = append(tests, test{fmt.Sprintf("%d entries", n), surplus, slices.Concat(numbered("d", short, n), []File{{"last", []byte("last")}})})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := Volume{Label: "full", Time: testTime, Files: test.files}
			image, err := skeleton(v)
			if err != nil {
				t.Fatal(err)
			}
			space, _, err := (&finisher{image: image}).descriptor()
			if err != nil {
				t.Fatal(err)
			}
			if surplus := len(image)/sectorSize - space; surplus != test.surplus {
				t.Errorf("the library wrote %d sectors too many, not %d", surplus, test.surplus)
			}
			mustMatch(t, mustRead(t, mustWrite(t, v)).Files, test.files)
		})
	}
}

func TestNoContentOnDisk(t *testing.T) {
	t.Run("the library sees zeros only", func(t *testing.T) {
		secret := []byte("-----BEGIN PRIVATE KEY-----")
		image, err := skeleton(Volume{Label: "secret", Files: []File{{"key", bytes.Repeat(secret, 1000)}}})
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(image, secret) || bytes.Contains(image, []byte("PRIVATE")) {
			t.Error("the content went through the library")
		}
		if len(image) < 1000*len(secret) {
			t.Errorf("image has only %d bytes", len(image))
		}
	})
	t.Run("a placeholder has no content", func(t *testing.T) {
		file, err := os.Create(filepath.Join(t.TempDir(), "placeholder"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = file.Close() }()
		if n, err := (&hole{left: 1 << 20}).WriteTo(file); n != 1<<20 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		if blocks := info.Sys().(*syscall.Stat_t).Blocks; info.Size() != 1<<20 || blocks != 0 {
			t.Errorf("size %d and %d blocks, want %d and 0", info.Size(), blocks, 1<<20)
		}
	})
	t.Run("a placeholder can be read", func(t *testing.T) {
		var b bytes.Buffer
		if n, err := (&hole{left: 5000}).WriteTo(&b); n != 5000 || err != nil || !bytes.Equal(b.Bytes(), make([]byte, 5000)) {
			t.Errorf("wrote %d, %v", n, err)
		}
	})
	for name, change := range map[string]func(*Volume){
		"after success": func(*Volume) {},
		"after refusal": func(v *Volume) { v.Label = "" },
	} {
		t.Run("nothing is left "+name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			v := configDrive()
			change(&v)
			_, _ = build(v)
			left, err := os.ReadDir(dir)
			if err != nil || len(left) != 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		})
	}
}

// brokenWriter takes limit bytes, then fails or, without an error, stops.
type brokenWriter struct {
	limit, calls int
	err          error
}

func (w *brokenWriter) Write(p []byte) (int, error) {
	w.calls++
	return min(len(p), w.limit), w.err
}

func TestWriteErrors(t *testing.T) {
	full := errors.New("no space left on device")
	tests := []struct {
		name   string
		w      *brokenWriter
		change func(*testing.T, *Volume)
		want   string
		calls  int
	}{
		{"full disk", &brokenWriter{limit: 100, err: full}, nil, `writing volume "config-2": no space left on device`, 1},
		{"short write", &brokenWriter{limit: 100}, nil, `writing volume "config-2": short write`, 1},
		{"invalid volume", &brokenWriter{}, func(_ *testing.T, v *Volume) { v.Files[0].Path = "../x" },
			`writing volume "config-2": file "../x": path contains ".."`, 0},
		{"no temporary folder", &brokenWriter{}, func(t *testing.T, _ *Volume) { t.Setenv("TMPDIR", "/nonexistent/folder") },
			`writing volume "config-2": making a temporary folder: `, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := configDrive()
			if test.change != nil {
				test.change(t, &v)
			}
			err := Write(test.w, v)
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("error is %v, want %s", err, test.want)
			}
			if test.w.calls != test.calls {
				t.Errorf("%d writes, want %d", test.w.calls, test.calls)
			}
		})
	}
}
