// Package systemd asks systemd which units have failed, over its own socket and
// without starting a program. It speaks the little of D-Bus that this takes
// (D-Bus Specification, "Authentication Protocol" and "Message Format").
package systemd

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Socket is where systemd answers root without a bus in between.
const Socket = "/run/systemd/private"

// maxMessage bounds an answer, in bytes.
const maxMessage = 1 << 20

// Kinds of messages, and codes of header fields.
const (
	kindCall   = 1
	kindReturn = 2
	kindError  = 3

	fieldPath        = 1
	fieldInterface   = 2
	fieldMember      = 3
	fieldDestination = 6
	fieldSignature   = 8
)

// FailedUnits lists the units that have failed, sorted.
func FailedUnits(ctx context.Context, socket string) ([]string, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }() // all was read
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, err
		}
	}
	r := bufio.NewReader(conn)
	if err := authenticate(conn, r); err != nil {
		return nil, fmt.Errorf("speaking to systemd: %w", err)
	}
	if _, err := conn.Write(question()); err != nil {
		return nil, err
	}
	for {
		kind, body, err := message(r)
		if err != nil {
			return nil, fmt.Errorf("reading systemd's answer: %w", err)
		}
		switch kind {
		case kindReturn:
			names, err := unitNames(body)
			if err != nil {
				return nil, fmt.Errorf("reading systemd's answer: %w", err)
			}
			slices.Sort(names)
			return names, nil
		case kindError:
			return nil, errors.New("systemd refuses to list its units")
		}
	}
}

// authenticate says who asks; systemd looks at the socket whether it is true.
// All of it goes at once: a message that systemd reads together with BEGIN lies
// there until something else comes.
func authenticate(w io.Writer, r *bufio.Reader) error {
	uid := hex.EncodeToString([]byte(strconv.Itoa(os.Geteuid())))
	if _, err := io.WriteString(w, "\x00AUTH EXTERNAL "+uid+"\r\nBEGIN\r\n"); err != nil {
		return err
	}
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(line, "OK ") {
		return errors.New("it does not believe who asks")
	}
	return nil
}

// question is the call of ListUnitsFiltered with the one state "failed"
// (org.freedesktop.systemd1(5)).
func question() []byte {
	var body, fields buffer
	body.uint32(uint32(4 + len("failed") + 1)) // of the array, which begins aligned
	body.text("failed")
	field := func(code byte, signature byte, value string) {
		fields.align(8)
		fields.bytes = append(fields.bytes, code, 1, signature, 0)
		if signature == 'g' {
			fields.bytes = append(fields.bytes, byte(len(value)))
			fields.bytes = append(append(fields.bytes, value...), 0)
			return
		}
		fields.text(value)
	}
	field(fieldPath, 'o', "/org/freedesktop/systemd1")
	field(fieldInterface, 's', "org.freedesktop.systemd1.Manager")
	field(fieldMember, 's', "ListUnitsFiltered")
	field(fieldDestination, 's', "org.freedesktop.systemd1")
	field(fieldSignature, 'g', "as")
	var all buffer
	all.bytes = append(all.bytes, 'l', kindCall, 0, 1)
	all.uint32(uint32(len(body.bytes)))
	all.uint32(1) // serial
	all.uint32(uint32(len(fields.bytes)))
	all.bytes = append(all.bytes, fields.bytes...)
	all.align(8)
	return append(all.bytes, body.bytes...)
}

// message reads one message, of which the header does not matter.
func message(r io.Reader) (kind byte, body []byte, err error) {
	head := make([]byte, 16)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	if head[0] != 'l' {
		return 0, nil, errors.New("it is not in the byte order of the question")
	}
	size, fields := binary.LittleEndian.Uint32(head[4:]), binary.LittleEndian.Uint32(head[12:])
	if size > maxMessage || fields > maxMessage {
		return 0, nil, fmt.Errorf("%d bytes (at most %d)", size, maxMessage)
	}
	rest := make([]byte, (fields+7)/8*8+size)
	if _, err := io.ReadFull(r, rest); err != nil {
		return 0, nil, err
	}
	return head[1], rest[(fields+7)/8*8:], nil
}

// unitNames reads an array of (ssssssouso): the name comes first.
func unitNames(body []byte) ([]string, error) {
	b := &buffer{bytes: body}
	size := int(b.readUint32())
	b.skipTo(8)
	end := b.at + size
	var names []string
	for b.at < end && b.err == nil {
		b.skipTo(8)
		names = append(names, b.readText())
		for range 6 { // description, load, active, sub, following, path
			b.readText()
		}
		b.readUint32() // job
		b.readText()
		b.readText()
	}
	if b.err != nil || b.at != end || end > len(body) {
		return nil, errors.New("it is not a list of units")
	}
	return names, nil
}
