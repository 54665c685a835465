package main

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// mailbox is a mail server that keeps what it gets.
type mailbox struct {
	t      *testing.T
	addr   string
	mails  chan letter
	server *smtp.Server
}

// letter is a mail as it arrived.
type letter struct {
	to      []string // of the envelope
	subject string
	id      string // Message-ID
	text    string // the plain part
	raw     string // all parts, decoded
}

// newMailbox makes a server that does not listen yet: nothing answers at its address.
func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	return &mailbox{t: t, addr: ownHost() + ":2525", mails: make(chan letter, 32)}
}

// args are the flags of a daemon that mails there.
func (b *mailbox) args() []string {
	return []string{
		"--mail-host", hostOf(b.addr), "--mail-port", portOf(b.addr), "--mail-tls", "none", "--mail-timeout", "30s",
		"--mail-from", "Teal <teal@example.org>", "--ssh-host", "teal.example.org",
	}
}

// open makes the server listen until the end of the test.
func (b *mailbox) open() {
	b.t.Helper()
	l, err := net.Listen("tcp", b.addr)
	if err != nil {
		b.t.Fatal(err)
	}
	b.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{box: b}, nil }))
	b.server.Domain = "mail.example.org"
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = b.server.Serve(l) // ends with Close
	}()
	b.t.Cleanup(func() {
		_ = b.server.Close()
		<-ended
	})
}

// next waits for the next mail.
func (b *mailbox) next() letter {
	b.t.Helper()
	select {
	case m := <-b.mails:
		return m
	case <-time.After(3 * patience): // a delivery that failed comes again after a minute
		b.t.Fatal("no mail came")
		return letter{}
	}
}

// empty checks that there is no mail that was not looked at.
func (b *mailbox) empty() {
	b.t.Helper()
	select {
	case m := <-b.mails:
		b.t.Errorf("an unexpected mail came: %s\n%s", m.subject, m.text)
	default:
	}
}

type mailSession struct {
	box *mailbox
	to  []string
}

func (*mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}
func (s *mailSession) Reset()      { s.to = nil }
func (*mailSession) Logout() error { return nil }

func (s *mailSession) Data(r io.Reader) error {
	m, err := readLetter(r)
	if err != nil {
		s.box.t.Errorf("a mail can't be read: %v", err)
		return err
	}
	m.to = s.to
	s.box.mails <- m
	return nil
}

func readLetter(r io.Reader) (letter, error) {
	msg, err := mail.ReadMessage(r)
	if err != nil {
		return letter{}, err
	}
	m := letter{id: msg.Header.Get("Message-Id")}
	if m.subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return letter{}, err
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return letter{}, err
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err == io.EOF {
			return m, nil
		}
		if err != nil {
			return letter{}, err
		}
		var b bytes.Buffer
		if _, err := io.Copy(&b, decoded(part)); err != nil {
			return letter{}, fmt.Errorf("part %s: %w", part.Header.Get("Content-Type"), err)
		}
		m.raw += b.String()
		if strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain") {
			m.text = strings.ReplaceAll(b.String(), "\r\n", "\n")
		}
	}
}

func decoded(part *multipart.Part) io.Reader {
	if strings.EqualFold(part.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		return quotedprintable.NewReader(part)
	}
	return part
}
