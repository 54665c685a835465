package main

import (
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// mailSink is a small SMTP server that keeps what it gets.
type mailSink struct {
	addr   string
	mails  chan string // head and plain part of each mail
	server *smtp.Server
	ended  chan struct{}
}

func startMailSink() (*mailSink, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &mailSink{addr: l.Addr().String(), mails: make(chan string, 16), ended: make(chan struct{})}
	s.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{sink: s}, nil }))
	s.server.Domain = "localhost"
	s.server.ReadTimeout, s.server.WriteTimeout = 30*time.Second, 30*time.Second
	s.server.MaxMessageBytes = 1 << 20
	go func() {
		defer close(s.ended)
		_ = s.server.Serve(l)
	}()
	return s, nil
}

func (s *mailSink) close() error {
	err := s.server.Close()
	<-s.ended
	return err
}

// mailSession takes one mail after the other from a client.
type mailSession struct{ sink *mailSink }

func (*mailSession) Mail(string, *smtp.MailOptions) error { return nil }
func (*mailSession) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (*mailSession) Reset()                               {}
func (*mailSession) Logout() error                        { return nil }

// Data reads a mail and keeps what a person reads of it.
func (m *mailSession) Data(r io.Reader) error {
	text, err := readable(r)
	if err != nil {
		return err
	}
	select {
	case m.sink.mails <- text:
	default:
	}
	return nil
}

// readable gives a mail's head lines and its plain part.
func readable(r io.Reader) (string, error) {
	msg, err := mail.ReadMessage(r)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	decoder := new(mime.WordDecoder)
	for _, name := range []string{"From", "To", "Subject", "Message-Id"} {
		v, err := decoder.DecodeHeader(msg.Header.Get(name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%s: %s\n", name, v)
	}
	_, params, err := mime.ParseMediaType(msg.Header.Get("Content-Type"))
	if err != nil {
		return "", err
	}
	parts := multipart.NewReader(msg.Body, params["boundary"])
	for {
		part, err := parts.NextRawPart()
		if err != nil {
			return "", fmt.Errorf("the mail has no plain part: %w", err)
		}
		if !strings.HasPrefix(part.Header.Get("Content-Type"), "text/plain") {
			continue
		}
		var body io.Reader = part
		if part.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
			body = quotedprintable.NewReader(part)
		}
		b, err := io.ReadAll(body)
		if err != nil {
			return "", err
		}
		out.WriteString("\n" + strings.ReplaceAll(string(b), "\r\n", "\n"))
		return strings.TrimRight(out.String(), "\n"), nil
	}
}
