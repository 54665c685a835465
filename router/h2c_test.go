package router

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	grpchealth "google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"teal/deploy"
)

// parrot is a gRPC app: it answers with what it was asked, in its release's name.
type parrot struct {
	testpb.UnimplementedTestServiceServer
	release string
	leave   chan struct{} // ends the streams that wait
}

func (e *parrot) UnaryCall(ctx context.Context, in *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	grpc.SetTrailer(ctx, metadata.Pairs("x-release", e.release, "x-said-bin", string([]byte{0, 1, 255}), "x-forwarded-proto", strings.Join(md["x-forwarded-proto"], ",")))
	if s := in.GetResponseStatus(); s != nil {
		return nil, status.Error(codes.Code(s.GetCode()), s.GetMessage())
	}
	return &testpb.SimpleResponse{Payload: in.GetPayload(), Username: e.release}, nil
}

func (e *parrot) FullDuplexCall(s testpb.TestService_FullDuplexCallServer) error {
	for {
		in, err := s.Recv()
		if errors.Is(err, io.EOF) {
			s.SetTrailer(metadata.Pairs("x-release", e.release))
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(&testpb.StreamingOutputCallResponse{Payload: in.GetPayload()}); err != nil {
			return err
		}
	}
}

func (e *parrot) StreamingOutputCall(_ *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
	if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
		return err
	}
	select {
	case <-e.leave:
		return nil
	case <-s.Context().Done():
		return s.Context().Err()
	}
}

// startGRPC serves the app; health is what its health service says.
func startGRPC(t testing.TB, release int) (deploy.Instance, *grpchealth.Server, *parrot) {
	t.Helper()
	l := listen(t)
	s, h := grpc.NewServer(), grpchealth.NewServer()
	app := &parrot{release: fmt.Sprint("v", release), leave: make(chan struct{})}
	testpb.RegisterTestServiceServer(s, app)
	healthpb.RegisterHealthServer(s, h)
	var wg sync.WaitGroup
	wg.Go(func() { s.Serve(l) })
	t.Cleanup(func() { s.Stop(); wg.Wait() })
	return instanceAt(release, l.Addr().String()), h, app
}

func (r *testRouter) pointGRPC(live deploy.Instance) {
	b := backendOf(live)
	b.Protocol = deploy.GRPC
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: b})
}

// dialGRPC opens a channel to production, over TLS if the router has it.
func (r *testRouter) dialGRPC(t testing.TB) testpb.TestServiceClient {
	t.Helper()
	addr, creds := r.plain, insecure.NewCredentials()
	if r.secure != "" {
		addr = r.secure
		roots := x509.NewCertPool()
		cert, err := x509.ParseCertificate(r.config.TLS.Certificates[0].Certificate[0])
		if err != nil {
			t.Fatal(err)
		}
		roots.AddCert(cert)
		creds = credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "shop.test"})
	}
	c, err := grpc.NewClient("passthrough:///shop.test", grpc.WithTransportCredentials(creds), grpc.WithAuthority("shop.test"),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return testpb.NewTestServiceClient(c)
}

func TestGRPCPassesWithItsTrailersOverTLSAndPlain(t *testing.T) {
	for name, c := range map[string]Config{"tls": {TLS: ownTLS(t)}, "plain": {}} {
		t.Run(name, func(t *testing.T) {
			r := startRouter(t, c)
			in, _, _ := startGRPC(t, 1)
			r.pointGRPC(in)
			client := r.dialGRPC(t)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for _, size := range []int{0, 3, 70_000, 3 << 20} {
				var trailer metadata.MD
				body := bytes.Repeat([]byte("x"), size)
				out, err := client.UnaryCall(ctx, &testpb.SimpleRequest{Payload: &testpb.Payload{Body: body}}, grpc.Trailer(&trailer))
				if err != nil || !bytes.Equal(out.GetPayload().GetBody(), body) {
					t.Fatalf("%d bytes came back as %d: %v", size, len(out.GetPayload().GetBody()), err)
				}
				scheme := map[bool]string{true: "https", false: "http"}[c.TLS != nil]
				if trailer.Get("x-release")[0] != "v1" || trailer.Get("x-said-bin")[0] != "\x00\x01\xff" || trailer.Get("x-forwarded-proto")[0] != scheme {
					t.Errorf("trailers are %v", trailer)
				}
			}
			_, err := client.UnaryCall(ctx, &testpb.SimpleRequest{ResponseStatus: &testpb.EchoStatus{Code: int32(codes.FailedPrecondition), Message: "not yet: ü %"}})
			if s := status.Convert(err); s.Code() != codes.FailedPrecondition || s.Message() != "not yet: ü %" {
				t.Errorf("the status is %v", err)
			}
			if _, err := client.EmptyCall(ctx, &testpb.Empty{}); status.Code(err) != codes.Unimplemented {
				t.Errorf("a method that is not there gives %v", err)
			}
		})
	}
}

func TestBothSidesOfAGRPCStreamTalkInTurn(t *testing.T) {
	r := startRouter(t, Config{TLS: ownTLS(t), Limits: Limits{AnswerHead: 100 * time.Millisecond, Body: 100 * time.Millisecond, Write: 100 * time.Millisecond}})
	in, _, _ := startGRPC(t, 1)
	r.pointGRPC(in)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := r.dialGRPC(t).FullDuplexCall(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, pause := range []time.Duration{500 * time.Millisecond, 0, 0, 500 * time.Millisecond} {
		timer := time.NewTimer(pause) // longer than all limits: a call may be silent
		<-timer.C
		body := []byte(pause.String())
		if err := s.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: body}}); err != nil {
			t.Fatal(err)
		}
		out, err := s.Recv()
		if err != nil || !bytes.Equal(out.GetPayload().GetBody(), body) {
			t.Fatalf("received %v, %v", out, err)
		}
	}
	s.CloseSend()
	if _, err := s.Recv(); !errors.Is(err, io.EOF) || s.Trailer().Get("x-release")[0] != "v1" {
		t.Errorf("the end is %v, %v", err, s.Trailer())
	}
}

func TestGRPCCallsAreSwitchedWithoutAFailure(t *testing.T) {
	r := startRouter(t, Config{TLS: ownTLS(t)})
	blue, _, _ := startGRPC(t, 1)
	green, _, _ := startGRPC(t, 2)
	r.pointGRPC(blue)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var calls atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 8 {
		client := r.dialGRPC(t)
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, err := client.UnaryCall(ctx, &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte("x")}}); err != nil {
					t.Errorf("call %d: %v", calls.Load(), err)
					return
				}
				calls.Add(1)
			}
		})
	}
	for i := range 10 {
		before := calls.Load()
		eventually(t, "calls go on", func() bool { return calls.Load() > before+20 || t.Failed() })
		to, old := green, 1
		if i%2 == 1 {
			to, old = blue, 2
		}
		r.pointGRPC(to)
		if cut := r.Drain(ctx, "shop", old); cut != 0 {
			t.Errorf("%d calls were cut", cut)
		}
	}
	close(stop)
	wg.Wait()
	m := scrape(t, r.Router)
	if got := value(metric(m, "teal_requests_total", "app=shop code=200 color=blue")) + value(metric(m, "teal_requests_total", "app=shop code=200 color=green")); int64(got) != calls.Load() {
		t.Errorf("%v calls were counted of %d", got, calls.Load())
	}
}

func TestHealthOfAGRPCInstanceIsAskedFor(t *testing.T) {
	in, h, _ := startGRPC(t, 1)
	s := deploy.DefaultSettings()
	s.Protocol = deploy.GRPC
	if err := deploy.HTTPProbe(t.Context(), in.Addr, "shop.test", s); err != nil {
		t.Fatal(err)
	}
	h.SetServingStatus("", healthpb.HealthCheckResponse_NOT_SERVING)
	err := deploy.HTTPProbe(t.Context(), in.Addr, "shop.test", s)
	if err == nil || !strings.Contains(err.Error(), "NOT_SERVING") {
		t.Errorf("an instance that does not serve gives %v", err)
	}
	plain := startApp(t, 1, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	if err := deploy.HTTPProbe(t.Context(), plain.Addr, "shop.test", s); err == nil {
		t.Error("an app that speaks HTTP/1.1 passes for a gRPC server")
	}
	l := listen(t)
	without := grpc.NewServer()
	var wg sync.WaitGroup
	wg.Go(func() { without.Serve(l) })
	defer wg.Wait()
	defer without.Stop()
	if err := deploy.HTTPProbe(t.Context(), instanceAt(1, l.Addr().String()).Addr, "shop.test", s); err != nil {
		t.Errorf("a server without a health service gives %v", err)
	}

	r := startRouter(t, Config{})
	b := backendOf(in)
	b.Protocol = deploy.GRPC
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: b, Check: deploy.Check{Path: "/", Interval: 50 * time.Millisecond}})
	up := func(want bool, text string) func() bool {
		return func() bool {
			one := r.Stats()[0].Live.Instances[0]
			return one.Up == want && strings.Contains(one.Check, text)
		}
	}
	eventually(t, "the check finds it down", up(false, "NOT_SERVING"))
	h.SetServingStatus("", healthpb.HealthCheckResponse_SERVING)
	eventually(t, "the check finds it up", up(true, "SERVING in"))
}

// startH2C serves the handler over HTTP/2 without TLS, and nothing else.
func startH2C(t testing.TB, release int, h http.HandlerFunc) deploy.Instance {
	t.Helper()
	l := listen(t)
	s := &http.Server{Handler: h, Protocols: new(http.Protocols)}
	s.Protocols.SetUnencryptedHTTP2(true)
	var wg sync.WaitGroup
	wg.Go(func() { s.Serve(l) })
	t.Cleanup(func() { s.Close(); wg.Wait() })
	return instanceAt(release, l.Addr().String())
}

func (r *testRouter) pointH2C(in ...deploy.Instance) {
	b := backendOf(in...)
	b.Protocol = deploy.H2C
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: b})
}

func TestH2CAppIsAskedByEveryClient(t *testing.T) {
	r := startRouter(t, Config{TLS: ownTLS(t)})
	r.pointH2C(startH2C(t, 1, func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		w.Header().Set("Trailer", "X-Sum")
		w.Header().Set("X-Seen", fmt.Sprintf("%s %s %s %s %s", q.Proto, q.Method, q.RequestURI, q.Host, q.Header.Get("X-Forwarded-For")))
		w.WriteHeader(http.StatusTeapot)
		w.Write(body)
		w.Header().Set("X-Sum", fmt.Sprint(len(body), err))
	}))
	for name, c := range map[string]*http.Client{
		"HTTP/1.1": r.client(), "HTTP/2": clientHTTP2(t, r.secure, true), "h2c": clientHTTP2(t, r.plain, false),
	} {
		scheme := "http"
		if name == "HTTP/2" {
			scheme = "https"
		}
		for _, size := range []int{0, 10, 1 << 20} {
			resp, err := c.Post(scheme+"://shop.test//a%2Fb;c?x=%zz&&y", "text/plain", strings.NewReader(strings.Repeat("a", size)))
			if err != nil {
				t.Fatal(name, err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if want := "HTTP/2.0 POST //a%2Fb;c?x=%zz&&y shop.test 127.0.0.1"; err != nil || resp.Header.Get("X-Seen") != want || resp.StatusCode != 418 {
				t.Errorf("%s, %d: %d, the app has seen %q: %v", name, size, resp.StatusCode, resp.Header.Get("X-Seen"), err)
			}
			if len(body) != size || resp.Trailer.Get("X-Sum") != fmt.Sprint(size, " <nil>") {
				t.Errorf("%s, %d: %d bytes, trailers %v", name, size, len(body), resp.Trailer)
			}
		}
		req, _ := http.NewRequest(http.MethodHead, scheme+"://shop.test/", nil)
		resp, err := c.Do(req)
		if err != nil || resp.StatusCode != 418 {
			t.Errorf("%s: HEAD gives %v, %v", name, resp, err)
		}
	}
}

func TestDrainCutsAnH2CCallAtItsEnd(t *testing.T) {
	r := startRouter(t, Config{})
	begun, left := make(chan struct{}), make(chan struct{})
	blue := startH2C(t, 1, func(w http.ResponseWriter, q *http.Request) {
		close(begun)
		<-q.Context().Done()
		close(left)
	})
	r.pointH2C(blue)
	answered := make(chan int, 1)
	go func() {
		resp, err := r.client().Get("http://shop.test/")
		if err != nil {
			answered <- 0
			return
		}
		resp.Body.Close()
		answered <- resp.StatusCode
	}()
	within(t, "the call", begun)
	r.pointH2C(startH2C(t, 2, func(http.ResponseWriter, *http.Request) {}))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if cut := r.Drain(ctx, "shop", 1); cut != 1 {
		t.Errorf("%d calls were cut", cut)
	}
	within(t, "the app's notice", left)
	if status := <-answered; status != http.StatusGatewayTimeout {
		t.Errorf("the client got %d", status)
	}
}

func TestH2CFaultsAreToldApart(t *testing.T) {
	r := startRouter(t, Config{Limits: Limits{Retry: 500 * time.Millisecond}})
	hasty := startRouter(t, Config{Limits: Limits{AnswerHead: 200 * time.Millisecond}})
	client := r.client()
	in := startH2C(t, 1, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/late":
			<-q.Context().Done()
		case "/panic":
			panic(http.ErrAbortHandler)
		case "/half":
			w.Write(make([]byte, 100))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	r.pointH2C(in)
	for path, want := range map[string]int{"/": 200, "/panic": 502} {
		if status, _ := get(t, client, "http://shop.test"+path); status != want {
			t.Errorf("%s gives %d, want %d", path, status, want)
		}
	}
	hasty.pointH2C(in)
	if status, _ := get(t, hasty.client(), "http://shop.test/late"); status != 504 {
		t.Errorf("an answer that does not come gives %d", status)
	}
	resp, err := client.Get("http://shop.test/half")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err == nil {
		t.Errorf("an answer that broke off came whole: %d bytes", len(b))
	}
	r.pointH2C(deadInstance(t, 2))
	if status, _ := get(t, client, "http://shop.test/"); status != 503 {
		t.Errorf("an app that is not there gives %d", status)
	}
}

func TestH2CRequestGoesToTheOtherInstanceWhenOneRefuses(t *testing.T) {
	r := startRouter(t, Config{})
	r.pointH2C(deadInstance(t, 1), startH2C(t, 1, func(_ http.ResponseWriter, q *http.Request) { io.Copy(io.Discard, q.Body) }))
	client := r.client()
	for i := range 50 {
		resp, err := client.Post("http://shop.test/", "text/plain", io.MultiReader(strings.NewReader(strings.Repeat("a", 40_000))))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("request %d gives %d", i, resp.StatusCode)
		}
	}
}

func TestClientOfAnH2CAppThatLeavesFreesIt(t *testing.T) {
	r := startRouter(t, Config{})
	begun, left := make(chan struct{}), make(chan struct{})
	r.pointH2C(startH2C(t, 1, func(_ http.ResponseWriter, q *http.Request) {
		close(begun)
		<-q.Context().Done()
		close(left)
	}))
	c := dialRaw(t, r.plain)
	c.say("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100000\r\n\r\nabc")
	within(t, "the call", begun)
	c.Close()
	within(t, "the app's notice", left)
}
