package builder

import (
	"encoding/binary"
	"errors"
)

// The few messages that a session and a build's progress need are read and
// written by hand: a varint reader is a page, the generated code of BuildKit is
// 300 modules.

var errProtobuf = errors.New("malformed protobuf message")

// wire types (protobuf encoding, "Message Structure")
const (
	wireVarint = 0
	wireFixed8 = 1
	wireBytes  = 2
	wireFixed4 = 5
)

// eachField calls f with every field of a message: n is the value of a number
// field, b that of a length-delimited one.
func eachField(msg []byte, f func(field int, n uint64, b []byte) error) error {
	for len(msg) > 0 {
		key, size := binary.Uvarint(msg)
		if size <= 0 {
			return errProtobuf
		}
		msg = msg[size:]
		var n uint64
		var b []byte
		switch key & 7 {
		case wireVarint:
			if n, size = binary.Uvarint(msg); size <= 0 {
				return errProtobuf
			}
			msg = msg[size:]
		case wireBytes:
			length, size := binary.Uvarint(msg)
			if size <= 0 || length > uint64(len(msg)-size) {
				return errProtobuf
			}
			b = msg[size : size+int(length)]
			msg = msg[size+int(length):]
		case wireFixed8, wireFixed4:
			size = 8
			if key&7 == wireFixed4 {
				size = 4
			}
			if len(msg) < size {
				return errProtobuf
			}
			msg = msg[size:]
		default:
			return errProtobuf
		}
		if err := f(int(key>>3), n, b); err != nil {
			return err
		}
	}
	return nil
}

// bytesField encodes a message whose one field is b.
func bytesField(field int, b []byte) []byte {
	msg := binary.AppendUvarint(nil, uint64(field)<<3|wireBytes)
	msg = binary.AppendUvarint(msg, uint64(len(b)))
	return append(msg, b...)
}
