package images

import (
	"bytes"
	"fmt"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
)

// clusterCompressor appends a compressed cluster to dst, or nothing.
type clusterCompressor func(dst, cluster []byte) ([]byte, error)

// zlibWindow is how far back the deflate streams of qcow2 may refer, in bytes.
// QEMU opens them with a window of 12 bits (block/qcow2-threads.c).
const zlibWindow = 1 << 12

// compressor returns a function that makes compressors for clusters of size
// bytes; each is for one goroutine.
func (c QCOW2Compression) compressor(size int) (func() clusterCompressor, error) {
	switch c {
	case Zstd:
		return func() clusterCompressor { return zstdCompressor(size) }, nil
	case Zlib:
		return deflateCompressor, nil
	case Uncompressed:
		return func() clusterCompressor {
			return func(dst, _ []byte) ([]byte, error) { return dst, nil }
		}, nil
	}
	return nil, fmt.Errorf("compression %d: must be Zstd, Zlib or Uncompressed", c)
}

// zstdCompressor makes each cluster one frame (RFC 8878) without checksum.
func zstdCompressor(size int) clusterCompressor {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithWindowSize(size), zstd.WithSingleSegment(true))
	return func(dst, cluster []byte) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		return encoder.EncodeAll(cluster, dst), nil
	}
}

// deflateCompressor makes each cluster one deflate stream (RFC 1951).
func deflateCompressor() clusterCompressor {
	var buf bytes.Buffer
	writer, err := flate.NewWriterWindow(&buf, zlibWindow)
	return func(dst, cluster []byte) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		buf.Reset()
		writer.Reset(&buf)
		if _, err := writer.Write(cluster); err != nil {
			return nil, err
		}
		if err := writer.Close(); err != nil {
			return nil, err
		}
		return append(dst, buf.Bytes()...), nil
	}
}
