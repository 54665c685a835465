package router

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"teal/deploy"
)

// accessLine is what the access log tells of a request: plain values, so that
// every way in can give them.
type accessLine struct {
	app      deploy.AppName // "": no app has the host
	color    deploy.Color
	release  int // 0: none was asked
	instance int // its index; 0: none was asked
	front    frontEnd
	client   string
	proto    string
	scheme   string
	method   string
	host     string
	target   string
	status   int // 0: the client left before there was an answer
	sent     int64
	took     time.Duration
	held     time.Duration // part of took
	id       string
	fault    *fault
}

// logAccess lays a line down for the writer of the access log, and drops it
// when the writer does not keep up: no request waits for a log.
func (r *Router) logAccess(l *accessLine) {
	if r.lines == nil {
		return
	}
	s := r.lines.next()
	if s == nil {
		r.dropped.Add(1)
		return
	}
	s.line = l.append(s.line[:0])
	r.lines.publish(s)
}

// append writes one JSON object. The query is left out: it is where login
// links and keys travel.
func (l *accessLine) append(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = appendTime(b, time.Now())
	b = append(b, '"')
	if l.app != "" {
		b = appendText(b, "app", string(l.app))
	}
	if l.release != 0 {
		b = appendText(b, "color", string(l.color))
		b = appendNumber(b, "release", int64(l.release))
	}
	if l.instance != 0 {
		b = appendNumber(b, "instance", int64(l.instance))
	}
	path, _, _ := strings.Cut(l.target, "?")
	b = appendText(b, "front", l.front.String())
	b = appendText(b, "client", l.client)
	b = appendText(b, "proto", l.proto)
	b = appendText(b, "scheme", l.scheme)
	b = appendText(b, "method", l.method)
	b = appendText(b, "host", l.host)
	b = appendText(b, "path", path)
	b = appendNumber(b, "status", int64(statusOf(l.status)))
	b = appendNumber(b, "bytes", l.sent)
	b = appendSeconds(b, "duration", l.took)
	if l.held > 0 {
		b = appendSeconds(b, "held", l.held)
	}
	b = appendText(b, "request_id", l.id)
	if l.fault != nil {
		b = appendText(b, "error", l.fault.Error())
	}
	return append(b, "}\n"...)
}

// statusOf is 499 for a client that left before there was an answer, as nginx
// has made it known.
func statusOf(status int) int {
	if status == 0 {
		return 499
	}
	return status
}

// appendTime writes UTC with milliseconds.
func appendTime(b []byte, t time.Time) []byte {
	t = t.UTC()
	b = t.AppendFormat(b, time.RFC3339) // of all layouts the quick one
	ms := t.Nanosecond() / 1e6
	return append(b[:len(b)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// appendSeconds writes a duration as seconds with six decimals.
func appendSeconds(b []byte, key string, d time.Duration) []byte {
	us := int64(max(d, 0) / time.Microsecond)
	b = appendNumber(b, key, us/1e6)
	b = append(b, '.')
	for unit := int64(100_000); unit > 0; unit /= 10 {
		b = append(b, byte('0'+us/unit%10))
	}
	return b
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
