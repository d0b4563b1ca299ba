package etcd

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// data says whose data is in the folder.
type data struct {
	There   bool
	Cluster ID // 0 where the log does not say
	Member  ID
}

// readData looks for a member's log. That there is no file of it is no error:
// etcd gives the log its name when it is on the disk, before it says anything
// to others (etcd, server/storage/wal/wal.go, Create).
func readData(root string) (data, error) {
	files, err := filepath.Glob(filepath.Join(root, memberDir, "wal", "*.wal"))
	if err != nil || len(files) == 0 {
		return data{}, err
	}
	d := data{There: true}
	f, err := os.Open(slices.Min(files))
	if err != nil {
		return d, err
	}
	defer func() { _ = f.Close() }() // only read
	// A log that cannot be read is etcd's to judge.
	if cluster, member, err := walHead(f); err == nil {
		d.Cluster, d.Member = cluster, member
	}
	return d, nil
}

// maxRecord bounds a record at the head of a log, in bytes.
const maxRecord = 1 << 16

var errLog = errors.New("not the head of a log of etcd")

// walHead reads the IDs at the head of a log file, which begins with a record
// of a checksum and one of metadata (wal.go, saveCrc and MetadataType). A
// record has its length in front, in 56 bits, and a byte that says how many
// bytes fill it up to a multiple of eight (encoder.go, encodeFrameSize).
func walHead(r io.Reader) (cluster, member ID, err error) {
	const metadata = 1
	for range 2 {
		var head [8]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, 0, err
		}
		frame := binary.LittleEndian.Uint64(head[:])
		size, pad := frame&(1<<56-1), uint64(0)
		if frame>>63 == 1 {
			pad = frame >> 56 & 7
		}
		if size == 0 || size > maxRecord {
			return 0, 0, errLog
		}
		body := make([]byte, size+pad)
		if _, err := io.ReadFull(r, body); err != nil {
			return 0, 0, err
		}
		fields, err := protoFields(body[:size])
		if err != nil {
			return 0, 0, err
		}
		if fields.number[1] != metadata {
			continue
		}
		ids, err := protoFields(fields.bytes[3])
		if err != nil {
			return 0, 0, err
		}
		return ID(ids.number[2]), ID(ids.number[1]), nil
	}
	return 0, 0, errLog
}

// proto are the fields of a message of protocol buffers by their numbers
// (protobuf.dev, "Encoding"): only the two wire types that a log has.
type proto struct {
	number map[uint64]uint64
	bytes  map[uint64][]byte
}

func protoFields(b []byte) (proto, error) {
	p := proto{number: map[uint64]uint64{}, bytes: map[uint64][]byte{}}
	for len(b) > 0 {
		key, n := binary.Uvarint(b)
		if n <= 0 {
			return p, errLog
		}
		b = b[n:]
		value, n := binary.Uvarint(b)
		if n <= 0 {
			return p, errLog
		}
		b = b[n:]
		switch key & 7 {
		case 0:
			p.number[key>>3] = value
		case 2:
			if value > uint64(len(b)) {
				return p, errLog
			}
			p.bytes[key>>3], b = b[:value], b[value:]
		default:
			return p, fmt.Errorf("%w: wire type %d", errLog, key&7)
		}
	}
	return p, nil
}
