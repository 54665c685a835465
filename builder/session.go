package builder

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/docker/docker/client"
)

// The methods that a session serves, by the names of their gRPC methods.
const (
	methodHealth = "/grpc.health.v1.Health/Check"
	methodSecret = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
	methodUpload = "/moby.upload.v1.Upload/Pull"
	methodLogin  = "/moby.filesync.v1.Auth/Credentials"
)

// session is the connection on which BuildKit asks us, while it builds, for the
// context and for secrets. The Engine dials nothing: we open one connection to
// it, and serve HTTP/2 on it the other way round.
type session struct {
	id      string
	secrets map[string][]byte
	logins  logins
	upload  func(ctx context.Context, w io.Writer) error
	key     string // path that names the upload, so that no other build can ask for it

	server http.Server
	done   chan struct{} // closed when the server has ended
	ctx    context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	closed    bool           // no upload may begin any more; guarded by mu
	uploads   sync.WaitGroup // uploads under way; Add under mu
	uploadErr error          // why the context could not be read; guarded by mu
}

// openSession connects to the Engine and begins to answer. upload writes the
// context as a tar stream. The caller must close the session.
func openSession(ctx context.Context, engine *client.Client, upload func(context.Context, io.Writer) error, secrets map[string][]byte, logins logins, log *slog.Logger) (*session, error) {
	s := &session{id: randomID(), key: randomID(), secrets: secrets, logins: logins, upload: upload, done: make(chan struct{})}
	conn, err := engine.DialHijack(ctx, "/session", "h2c", map[string][]string{
		"X-Docker-Expose-Session-Uuid":        {s.id},
		"X-Docker-Expose-Session-Name":        {"teal"},
		"X-Docker-Expose-Session-Grpc-Method": {methodHealth, methodSecret, methodUpload, methodLogin},
	})
	if err != nil {
		return nil, fmt.Errorf("open a build session: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.server.Handler = s.routes()
	s.server.Protocols = new(http.Protocols)
	s.server.Protocols.SetUnencryptedHTTP2(true)
	s.server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelDebug)
	go func() {
		defer close(s.done)
		_ = s.server.Serve(&oneConn{conn: conn, closed: make(chan struct{})})
		_ = conn.Close()
	}()
	return s, nil
}

// context is the address of the upload, as a build option.
func (s *session) context() string { return "http://buildkit-session/" + s.key }

// close ends the session and waits until nothing of it runs: the source of the
// upload may be closed after it.
func (s *session) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	_ = s.server.Close()
	<-s.done
	s.uploads.Wait()
}

// begin registers an upload; false when the session is over.
func (s *session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.uploads.Add(1)
	}
	return !s.closed
}

// failed gives the error that kept the context from being sent; nil when it was sent.
func (s *session) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.uploadErr
}

func (s *session) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(methodHealth, s.health)
	mux.HandleFunc(methodSecret, s.secret)
	mux.HandleFunc(methodUpload, s.pull)
	mux.HandleFunc(methodLogin, s.login)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		beginGRPC(w)
		endGRPC(w, grpcUnimplemented, "not served")
	})
	return mux
}

func (s *session) health(w http.ResponseWriter, r *http.Request) {
	const serving = 1
	beginGRPC(w)
	_ = writeMessage(w, []byte{1<<3 | wireVarint, serving})
	endGRPC(w, grpcOK, "")
}

// asked reads a request whose field 1 is the name of what is wanted.
func asked(r *http.Request) (name string, err error) {
	msg, err := readMessage(r.Body)
	if err != nil {
		return "", err
	}
	err = eachField(msg, func(field int, _ uint64, b []byte) error {
		if field == 1 {
			name = string(b)
		}
		return nil
	})
	return name, err
}

// login gives the credentials for a registry; an empty answer is "none".
func (s *session) login(w http.ResponseWriter, r *http.Request) {
	host, err := asked(r)
	beginGRPC(w)
	if err != nil {
		endGRPC(w, grpcInternal, "cannot read the request")
		return
	}
	var answer []byte
	if auth, ok := s.logins[plainRegistry(host)]; ok {
		if auth.IdentityToken != "" {
			auth.Username, auth.Password = "", auth.IdentityToken
		}
		answer = append(bytesField(1, []byte(auth.Username)), bytesField(2, []byte(auth.Password))...)
	}
	_ = writeMessage(w, answer)
	endGRPC(w, grpcOK, "")
}

func (s *session) secret(w http.ResponseWriter, r *http.Request) {
	id, err := asked(r)
	beginGRPC(w)
	value, known := s.secrets[id]
	switch {
	case err != nil:
		endGRPC(w, grpcInternal, "cannot read the request")
	case !known:
		endGRPC(w, grpcNotFound, "no such secret")
	default:
		_ = writeMessage(w, bytesField(1, value))
		endGRPC(w, grpcOK, "")
	}
}

// pull streams the context. The request's own stream stays open and empty, and
// is not read.
func (s *session) pull(w http.ResponseWriter, r *http.Request) {
	beginGRPC(w)
	if r.Header.Get("urlpath") != "/"+s.key {
		endGRPC(w, grpcNotFound, "no such upload")
		return
	}
	if !s.begin() {
		endGRPC(w, grpcInternal, "the session is over")
		return
	}
	defer s.uploads.Done()
	buffered := bufio.NewWriterSize(uploadWriter{w}, 256<<10)
	err := s.upload(s.ctx, buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err != nil {
		s.mu.Lock()
		s.uploadErr = errors.Join(s.uploadErr, err)
		s.mu.Unlock()
		endGRPC(w, grpcInternal, "cannot read the commit")
		return
	}
	endGRPC(w, grpcOK, "")
}

// uploadWriter sends each Write as messages of a size that gRPC takes.
type uploadWriter struct{ w http.ResponseWriter }

func (u uploadWriter) Write(p []byte) (int, error) {
	const chunk = 1 << 20
	sent := 0
	for sent < len(p) {
		n := min(chunk, len(p)-sent)
		if err := writeMessage(u.w, bytesField(1, p[sent:sent+n])); err != nil {
			return sent, err
		}
		sent += n
	}
	return sent, nil
}

// oneConn is a listener that has one connection already and never another one.
type oneConn struct {
	conn   net.Conn
	given  bool // Accept is called from one goroutine only
	once   sync.Once
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if l.given {
		<-l.closed
		return nil, net.ErrClosed
	}
	l.given = true
	return l.conn, nil
}

func (l *oneConn) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }

// randomID is 128 random bits in hex.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}
