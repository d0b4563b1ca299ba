package ignition

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"sync"
)

// writers keeps gzip writers, whose tables take a megabyte each.
var writers = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(io.Discard, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	return w
}}

// compress packs stretches of different nature as one gzip stream, without
// name and time: each starts a new deflate block with a code of its own. For
// text before certificates that saves 3 % over one block for both, whose code
// would suit neither.
func compress(stretches ...[]byte) ([]byte, error) {
	var b bytes.Buffer
	w := writers.Get().(*gzip.Writer)
	defer writers.Put(w)
	w.Reset(&b)
	for i, s := range stretches {
		if _, err := w.Write(s); err != nil {
			return nil, fmt.Errorf("compressing: %w", err)
		}
		if i == len(stretches)-1 {
			break
		}
		if err := w.Flush(); err != nil {
			return nil, fmt.Errorf("compressing: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("compressing: %w", err)
	}
	return b.Bytes(), nil
}

// gzipMagic starts a gzip stream of deflate, the only kind there is (RFC 1952, 2.3.1).
const gzipMagic = "\x1f\x8b\x08"

// leastCompressed is the length in bytes under which nothing gets smaller: the
// frame of gzip takes 18 bytes, base64 a third.
const leastCompressed = 100

// packedScripts are the scripts, compressed once for all nodes.
var packedScripts = sync.OnceValues(func() (map[string][]byte, error) {
	packed := map[string][]byte{}
	for _, script := range []string{unpackScript, fetchScript} {
		p, err := compress([]byte(script))
		if err != nil {
			return nil, err
		}
		packed[script] = p
	}
	return packed, nil
})

// compressText packs one stretch.
func compressText(text string) ([]byte, error) {
	scripts, err := packedScripts()
	if err != nil {
		return nil, err
	}
	if packed, ok := scripts[text]; ok {
		return packed, nil
	}
	return compress([]byte(text))
}
