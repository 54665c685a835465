package deploy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Protocol is what an app speaks on its port.
type Protocol string

// The protocols. HTTP/2 is spoken without TLS and from the first byte (RFC 9113
// §3.3): the way from the router to an instance does not leave the machine.
const (
	HTTP1 Protocol = ""     // HTTP/1.1
	H2C   Protocol = "h2c"  // HTTP/2
	GRPC  Protocol = "grpc" // HTTP/2; and it is probed as gRPC servers are
)

// Transport makes a client's side of the protocol, for the caller to close its
// idle connections. It changes nothing of what passes.
func (p Protocol) Transport() *http.Transport {
	t := &http.Transport{DisableCompression: true}
	if p != HTTP1 {
		t.Protocols = new(http.Protocols)
		t.Protocols.SetUnencryptedHTTP2(true)
	}
	return t
}

// HealthError is the answer of an instance's gRPC health service that is not SERVING.
type HealthError struct {
	Says string // "NOT_SERVING", "grpc-status 14: …"
}

// Error tells what came instead of SERVING.
func (e *HealthError) Error() string { return "its gRPC health service says " + e.Says }

// healthCheck is the method that is asked, of the server as a whole:
// https://github.com/grpc/grpc/blob/master/doc/health-checking.md
const healthCheck = "/grpc.health.v1.Health/Check"

// unimplemented is the gRPC status of a method that a server does not have.
const unimplemented = "12"

// AskHealth asks the gRPC server at addr ("host:port") for its health. One
// without a health service is well: it answers.
func AskHealth(ctx context.Context, via http.RoundTripper, addr, host, agent string) error {
	empty := make([]byte, 5) // a message of no bytes, not compressed
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+healthCheck, bytes.NewReader(empty))
	if err != nil {
		return err
	}
	req.Host = host
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	req.Header.Set("User-Agent", agent)
	resp, err := via.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &HealthError{Says: fmt.Sprintf("HTTP status %d", resp.StatusCode)}
	}
	return judgeHealth(grpcStatus(resp), body)
}

// grpcStatus gives status and message from the trailers, or from the head of
// an answer that is nothing else.
func grpcStatus(resp *http.Response) [2]string {
	for _, h := range []http.Header{resp.Trailer, resp.Header} {
		if code := h.Get("Grpc-Status"); code != "" {
			text, err := url.PathUnescape(h.Get("Grpc-Message"))
			if err != nil {
				text = h.Get("Grpc-Message")
			}
			return [2]string{code, Clean(text, 200)}
		}
	}
	return [2]string{}
}

func judgeHealth(status [2]string, body []byte) error {
	switch code, text := status[0], status[1]; {
	case code == unimplemented:
		return nil
	case code == "":
		return &HealthError{Says: "nothing: its answer has no grpc-status"}
	case code != "0":
		return &HealthError{Says: fmt.Sprintf("grpc-status %s: %s", code, text)}
	}
	// HealthCheckResponse has one field: 1, status, an enumeration.
	if len(body) == 7 && body[5] == 1<<3 {
		switch body[6] {
		case 1:
			return nil
		case 2:
			return &HealthError{Says: "NOT_SERVING"}
		}
	}
	return &HealthError{Says: "UNKNOWN"}
}
