package router

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// askFrames sends one HTTP/2 request as raw frames, and gives its status; ""
// when the stream or the connection was reset.
func askFrames(t *testing.T, addr string, fields [][2]string, body string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(5 * time.Second))
	c.Write([]byte(http2.ClientPreface))
	f := http2.NewFramer(c, c)
	f.WriteSettings()
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, field := range fields {
		enc.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: body == ""})
	if body != "" {
		f.WriteData(1, true, []byte(body))
	}
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return ""
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			return frame.PseudoValue("status")
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return ""
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				f.WriteSettingsAck()
			}
		}
	}
}

// TestDowngradedRequestsAreOneOrNone sends what HTTP/2 can say and HTTP/1.1
// can't (PortSwigger: H2.CL, H2.TE, header and request splitting): it is
// refused, or the app gets exactly one request of one meaning.
func TestDowngradedRequestsAreOneOrNone(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{Body: 300 * time.Millisecond}})
	usual := [][2]string{{":method", "POST"}, {":scheme", "http"}, {":authority", "shop.test"}, {":path", "/in"}}
	with := func(more ...[2]string) [][2]string { return append(usual[:len(usual):len(usual)], more...) }
	instead := func(name, value string) [][2]string {
		out := append([][2]string(nil), usual...)
		for i := range out {
			if out[i][0] == name {
				out[i][1] = value
			}
		}
		return out
	}
	const evil = "GET /evil HTTP/1.1\r\nHost: shop.test\r\n\r\n"
	for name, c := range map[string]struct {
		fields [][2]string
		body   string
		want   string // the requests at the app; "": none
	}{
		"plain":                     {usual, "abc", `POST /in "abc"`},
		"H2.CL, zero":               {with([2]string{"content-length", "0"}), evil, ""},
		"H2.CL, short":              {with([2]string{"content-length", "3"}), "abc" + evil, ""},
		"H2.CL, long":               {with([2]string{"content-length", "300"}), "abc", ""},
		"H2.CL, twice":              {with([2]string{"content-length", "3"}, [2]string{"content-length", "0"}), "abc", ""},
		"H2.CL, signed":             {with([2]string{"content-length", "+3"}), "abc", ""},
		"H2.TE":                     {with([2]string{"transfer-encoding", "chunked"}), "0\r\n\r\n" + evil, ""},
		"H2.TE in a value":          {with([2]string{"foo", "b\r\ntransfer-encoding: chunked"}), "0\r\n\r\n" + evil, ""},
		"H2.TE in a name":           {with([2]string{"foo: b\r\ntransfer-encoding", "chunked"}), "0\r\n\r\n" + evil, ""},
		"bare LF in a value":        {with([2]string{"foo", "b\ntransfer-encoding: chunked"}), "0\r\n\r\n", ""},
		"bare CR in a value":        {with([2]string{"foo", "b\rx: y"}), "", ""},
		"NUL in a value":            {with([2]string{"foo", "b\x00c"}), "", ""},
		"a name with a colon":       {with([2]string{"foo:bar", "x"}), "", ""},
		"a name with a space":       {with([2]string{"foo bar", "x"}), "", ""},
		"a name in upper case":      {with([2]string{"Foo", "x"}), "", ""},
		"an empty name":             {with([2]string{"", "x"}), "", ""},
		"a value with blanks":       {with([2]string{"foo", "\tx\t"}), "", `POST /in ""`},
		"path with a space":         {instead(":path", "/in HTTP/1.1\r\nX: y"), "", ""},
		"path with a blank":         {instead(":path", "/in x"), "", ""},
		"path without a slash":      {instead(":path", "in"), "", ""},
		"path of another host":      {instead(":path", "http://evil.test/"), "", ""},
		"empty path":                {instead(":path", ""), "", ""},
		"two paths":                 {with([2]string{":path", "/other"}), "", ""},
		"method with a space":       {instead(":method", "GET /evil HTTP/1.1\r\nX:"), "", ""},
		"method with a blank":       {instead(":method", "GET /evil"), "", ""},
		"CONNECT":                   {[][2]string{{":method", "CONNECT"}, {":authority", "shop.test:443"}}, "", ""},
		"authority with a path":     {instead(":authority", "shop.test/x"), "", ""},
		"authority with a user":     {instead(":authority", "evil@shop.test"), "", ""},
		"authority with CRLF":       {instead(":authority", "shop.test\r\nX: y"), "", ""},
		"scheme with a host":        {instead(":scheme", "http://evil.test/?"), "abc", ""},
		"host beside the authority": {with([2]string{"host", "evil.test"}), "", `POST /in ""`},
		"connection":                {with([2]string{"connection", "foo"}, [2]string{"foo", "x"}), "", ""},
		"upgrade":                   {with([2]string{"upgrade", "websocket"}), "", ""},
		"te of more than trailers":  {with([2]string{"te", "trailers, chunked"}), "", ""},
		"late pseudo field":         {with([2]string{"foo", "x"}, [2]string{":path", "/evil"}), "", ""},
		"unknown pseudo field":      {with([2]string{":foo", "x"}), "", ""},
	} {
		var app recorder // each its own: a request that was given up may come late
		r.pointShop(app.instance(t))
		status := askFrames(t, r.plain, c.fields, c.body)
		wire, requests := app.take()
		got := strings.Join(requests, "|")
		switch {
		case name == "H2.CL, zero" && (got == "" || got == `POST /in ""`):
			// Whole by its length, it may be answered before the body came that it must not have.
		case c.want == "" && status != "" && status < "400":
			t.Errorf("%s: answered with %s; the app got %q", name, status, wire)
		case c.want == "" && got != "":
			t.Errorf("%s: refused with %q, but the app got %s", name, status, got)
		case c.want != "" && (got != c.want || status != "200"):
			t.Errorf("%s: status %q, the app got %s", name, status, got)
		}
		if strings.Contains(wire, "evil") || strings.Contains(wire, "\tx") {
			t.Errorf("%s: the app got %q", name, wire)
		}
	}
}
