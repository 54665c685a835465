package builder

import (
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// gRPC over HTTP/2 as far as a session needs it: a message is framed by one
// byte (not compressed) and its length in four, the status follows in trailers
// (grpc/grpc, doc/PROTOCOL-HTTP2.md).

// status codes (grpc/grpc, doc/statuscodes.md)
const (
	grpcOK            = 0
	grpcNotFound      = 5
	grpcUnimplemented = 12
	grpcInternal      = 13
)

// maxMessage bounds what we read of one request: the longest is the name of a secret.
const maxMessage = 64 << 10

// beginGRPC sends the header of an answer and announces its trailers.
func beginGRPC(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status, Grpc-Message")
	w.WriteHeader(http.StatusOK)
}

// endGRPC sends the status.
func endGRPC(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Grpc-Status", strconv.Itoa(code))
	w.Header().Set("Grpc-Message", text)
}

// writeMessage sends one message at once.
func writeMessage(w http.ResponseWriter, msg []byte) error {
	frame := make([]byte, 5, 5+len(msg))
	binary.BigEndian.PutUint32(frame[1:], uint32(len(msg)))
	if _, err := w.Write(append(frame, msg...)); err != nil {
		return err
	}
	return http.NewResponseController(w).Flush()
}

// readMessage reads the one message of a plain request.
func readMessage(r io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head[1:])
	if head[0] != 0 || length > maxMessage {
		return nil, fmt.Errorf("message of %d bytes (compressed: %d)", length, head[0])
	}
	msg := make([]byte, length)
	_, err := io.ReadFull(r, msg)
	return msg, err
}
