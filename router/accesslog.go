package router

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// logAccess hands a line to the writer of the access log, and drops it when
// the writer does not keep up: no request waits for a log.
func (r *Router) logAccess(x *exchange, took time.Duration) {
	if r.lines == nil {
		return
	}
	select {
	case r.lines <- x.appendLine(make([]byte, 0, 512), took):
	default:
		r.dropped.Add(1)
	}
}

// appendLine writes one JSON object. The query is left out: it is where
// login links and keys travel.
func (x *exchange) appendLine(b []byte, took time.Duration) []byte {
	b = append(b, `{"time":"`...)
	b = time.Now().UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, '"')
	if p := x.owner; p != nil {
		b = appendText(b, "app", string(p.app))
		b = appendText(b, "color", string(x.color()))
		b = appendNumber(b, "release", int64(p.release))
	}
	path, _, _ := strings.Cut(target(x.r), "?")
	b = appendText(b, "front", x.front.String())
	b = appendText(b, "client", x.client)
	b = appendText(b, "proto", x.r.Proto)
	b = appendText(b, "scheme", x.scheme)
	b = appendText(b, "method", x.r.Method)
	b = appendText(b, "host", x.r.Host)
	b = appendText(b, "path", path)
	b = appendNumber(b, "status", int64(x.loggedStatus()))
	b = appendNumber(b, "bytes", x.sent)
	b = append(b, `,"duration":`...)
	b = strconv.AppendFloat(b, took.Seconds(), 'f', 6, 64)
	b = appendText(b, "request_id", x.id)
	if x.fault != nil {
		b = appendText(b, "error", x.fault.Error())
	}
	return append(b, "}\n"...)
}

// loggedStatus is 499 for a client that left before there was an answer, as
// nginx has made it known.
func (x *exchange) loggedStatus() int {
	if x.status == 0 {
		return 499
	}
	return x.status
}

func appendNumber(b []byte, key string, n int64) []byte {
	b = append(b, `,"`...)
	b = append(b, key...)
	b = append(b, `":`...)
	return strconv.AppendInt(b, n, 10)
}

func appendText(b []byte, key, value string) []byte {
	b = append(b, `,"`...)
	b = append(b, key...)
	b = append(b, `":`...)
	for i := range len(value) {
		if c := value[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(value)
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, value...)
	return append(b, '"')
}

// writeLines writes the access log until ctx ends, and then what is left of it.
func (r *Router) writeLines(ctx context.Context) {
	failing := false
	write := func(line []byte) {
		_, err := r.config.AccessLog.Write(line)
		if err != nil && !failing {
			r.log.Error("access log can't be written; requests go on without it", "error", err)
		}
		failing = err != nil
	}
	for {
		select {
		case line := <-r.lines:
			write(line)
		case <-ctx.Done():
			for len(r.lines) > 0 {
				write(<-r.lines)
			}
			return
		}
	}
}
