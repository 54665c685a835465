package router

import (
	"net"
	"net/http"
	"net/url"

	"teal/router/http1"
)

// takeRequest makes x.req what r is.
func (x *exchange) takeRequest(r *http.Request) {
	minor := r.ProtoMinor
	if r.ProtoMajor == 2 {
		minor = 2
	}
	length := r.ContentLength
	if length < 0 {
		length = http1.Chunked
	}
	x.req.Set(r.Method, target(r), r.Host, minor, length)
	x.takeFields(r.Header)
}

// takeFields makes h the fields of the request.
func (x *exchange) takeFields(h http.Header) {
	x.req.Clear()
	x.legal = true
	for name, values := range h {
		name = wireName(name)
		for _, v := range values {
			x.legal = x.req.Add(name, v) && x.legal
		}
	}
}

// asRequest gives the request in net/http's form, for who decides by it. It
// has no body.
func (x *exchange) asRequest() *http.Request {
	r := &http.Request{
		Method:     x.method,
		Host:       string(x.req.Host()),
		RequestURI: string(x.req.Target()),
		Proto:      x.proto,
		RemoteAddr: net.JoinHostPort(x.who.addr, "0"),
		Header:     http.Header{},
		Body:       http.NoBody,
	}
	r.ProtoMajor, r.ProtoMinor, _ = http.ParseHTTPVersion(x.proto)
	var err error
	if r.URL, err = url.ParseRequestURI(r.RequestURI); err != nil {
		r.URL = &url.URL{Path: r.RequestURI} // "%zz" is for the app to judge
	}
	for _, f := range x.req.Fields {
		r.Header.Add(string(x.req.NameOf(f)), string(x.req.Value(f)))
	}
	return r.WithContext(x.client.ctx())
}
