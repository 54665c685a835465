package builder

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/docker/docker/client"
)

// engineBehind gives the Engine as seen through serve, which passes requests on to
// it or answers in its place: for what an Engine can't be brought to say.
func engineBehind(t *testing.T, serve func(out http.ResponseWriter, r *http.Request, engine http.Handler)) *client.Client {
	t.Helper()
	socket, _ := strings.CutPrefix(testEngine(t).DaemonHost(), "unix://")
	behind := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "engine"})
	behind.FlushInterval = -1
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	behind.Transport = transport
	front := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) { serve(out, r, behind) }))
	engine, err := client.NewClientWithOpts(client.WithHost("tcp://"+front.Listener.Addr().String()), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = engine.Close()
		front.Close()
		transport.CloseIdleConnections()
	})
	return engine
}
