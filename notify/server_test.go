package notify

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// mailbox is a mail server with STARTTLS and a login, that keeps what it gets.
type mailbox struct {
	port     int
	caFile   string
	password string           // "": nobody need log in
	refuse   map[string]error // by recipient

	mu    sync.Mutex
	mails []received
	tries int // mails begun
}

type received struct {
	from, user string
	to         []string
	tls        bool
	msg        *mail.Message
}

// serve starts a mail server on a free port, or on port.
func serve(t *testing.T, port int, change func(*mailbox, *smtp.Server)) *mailbox {
	t.Helper()
	b := &mailbox{refuse: map[string]error{}}
	cert, ca := certificate(t)
	b.caFile = ca
	s := smtp.NewServer(b)
	s.Domain, s.TLSConfig = "localhost", &tls.Config{Certificates: []tls.Certificate{cert}}
	s.ErrorLog = quiet{}
	if change != nil {
		change(b, s)
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	b.port = l.Addr().(*net.TCPAddr).Port
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return b
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func (b *mailbox) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{box: b, conn: c}, nil
}

func (b *mailbox) all() []received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]received{}, b.mails...)
}

type session struct {
	box  *mailbox
	conn *smtp.Conn
	in   received
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if password != s.box.password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "Wrong password"}
		}
		s.in.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.box.mu.Lock()
	s.box.tries++
	s.box.mu.Unlock()
	if s.box.password != "" && s.in.user == "" {
		return errors.New("log in first")
	}
	s.in.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	if err := s.box.refuse[to]; err != nil {
		return err
	}
	s.in.to = append(s.in.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	wire, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.in.msg, err = mail.ReadMessage(bytes.NewReader(wire)); err != nil {
		return err
	}
	_, s.in.tls = s.conn.TLSConnectionState()
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.mails = append(s.box.mails, s.in)
	return nil
}

func (s *session) Reset()        { s.in.from, s.in.to = "", nil }
func (s *session) Logout() error { return nil }

// parts gives the plain and the HTML part of a mail, decoded.
func parts(t *testing.T, m *mail.Message) (plain, rich string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("the mail is %q (%v), want multipart/alternative", kind, err)
	}
	r := multipart.NewReader(m.Body, params["boundary"])
	for _, want := range []struct {
		kind string
		to   *string
	}{{"text/plain", &plain}, {"text/html", &rich}} {
		p, err := r.NextRawPart()
		if err != nil || !strings.HasPrefix(p.Header.Get("Content-Type"), want.kind) {
			t.Fatalf("part %q (%v), want %s", p.Header.Get("Content-Type"), err, want.kind)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		*want.to = strings.ReplaceAll(string(text), "\r\n", "\n")
	}
	return plain, rich
}

// certificate makes one for 127.0.0.1 that only its own file vouches for.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail of a test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}
