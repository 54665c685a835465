package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"teal/deploy"
)

// to makes a configuration that mails through a server on loopback.
func to(port int, mode string) Config {
	c := config()
	c.Mail = &MailConfig{Host: "127.0.0.1", Port: port, TLS: mode, From: "Teal <teal@example.org>", Timeout: 10 * time.Second}
	return c
}

func TestMailGoesOutEncryptedAndLoggedIn(t *testing.T) {
	for _, mode := range []string{"starttls", "tls"} {
		server := serve(t, 0, func(b *mailbox, s *smtp.Server) {
			b.password = "correct horse"
			if mode == "tls" {
				s.AllowInsecureAuth = true // the server does not know that its listener is encrypted
			}
		})
		port := server.port
		if mode == "tls" {
			port = encrypted(t, server)
		}
		c := to(port, mode)
		c.Mail.CAFile, c.Mail.Username, c.Mail.Password = server.caFile, "teal", "correct horse"
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		b := newBox(delivery(ChannelMail, pushAlert()))
		start(t, b, c)
		if row := b.written(t); row.DoneAt.IsZero() || row.GaveUp {
			t.Fatalf("%s: not delivered: %s", mode, row.LastError)
		}
		mails := server.all()
		if len(mails) != 1 || mails[0].user != "teal" || mode == "starttls" && !mails[0].tls {
			t.Fatalf("%s: got %+v", mode, mails)
		}
		got := mails[0]
		if got.from != "teal@example.org" || !slices.Equal(got.to, []string{"anna@example.org", "owner@example.org"}) {
			t.Errorf("%s: from %s to %s", mode, got.from, got.to)
		}
		for header, want := range map[string]string{
			"Subject":        "[teal] shop: deploy of 3f2a1bc failed: probe answered 500 (blue v13 still serves)",
			"Message-Id":     "<alert-17-8c1f@deploy.example.org>",
			"Auto-Submitted": "auto-generated",
			"Date":           "Sat, 21 Nov 2026 14:03:22 +0000",
			"To":             "<anna@example.org>, <owner@example.org>",
		} {
			if h := got.msg.Header.Get(header); h != want {
				t.Errorf("%s: %s: %q, want %q", mode, header, h, want)
			}
		}
		plain, rich := parts(t, got.msg)
		golden(t, "push.txt", plain)
		golden(t, "push.html", rich)
	}
}

// encrypted puts TLS in front of a mail server, and gives the port.
func encrypted(t *testing.T, b *mailbox) int {
	t.Helper()
	cert, ca := certificate(t)
	b.caFile = ca
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	s := smtp.NewServer(b)
	s.Domain, s.ErrorLog = "localhost", quiet{}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}

func TestServerWithoutTrustedTLSGetsNoMail(t *testing.T) {
	untrusted := serve(t, 0, nil)
	without := serve(t, 0, func(_ *mailbox, s *smtp.Server) { s.TLSConfig = nil })
	for port, want := range map[int]string{untrusted.port: "certificate", without.port: "STARTTLS"} {
		b := newBox(delivery(ChannelMail, pushAlert()))
		start(t, b, to(port, ""))
		if row := b.written(t); !row.DoneAt.IsZero() || !strings.Contains(row.LastError, want) {
			t.Errorf("got %+v, want a retry because of %s", row, want)
		}
	}
	if len(untrusted.all())+len(without.all()) != 0 {
		t.Error("a mail went out all the same")
	}
}

func TestWrongPasswordIsTriedAgain(t *testing.T) {
	server := serve(t, 0, func(b *mailbox, s *smtp.Server) { b.password = "correct horse" })
	c := to(server.port, "starttls")
	c.Mail.CAFile, c.Mail.Username, c.Mail.Password = server.caFile, "teal", "wrong"
	b := newBox(delivery(ChannelMail, pushAlert()))
	start(t, b, c)
	row := b.written(t)
	if !row.DoneAt.IsZero() || !strings.Contains(row.LastError, "535") || strings.Contains(row.LastError, "wrong") {
		t.Errorf("got %+v, want a retry that names 535 and not the password", row)
	}
}

func TestServerThatComesBackGetsTheMailOnce(t *testing.T) {
	port := freePort(t)
	b := newBox(delivery(ChannelMail, pushAlert()))
	n := start(t, b, to(port, "none"))
	for try := 1; try <= 3; try++ {
		row := b.written(t)
		if row.Attempts != try || !strings.Contains(row.LastError, "refused") {
			t.Fatalf("try %d: %+v", try, row)
		}
		if try < 3 {
			b.advance()
			n.Wake()
		}
	}
	server := serve(t, port, nil)
	b.advance()
	n.Wake()
	if row := b.written(t); row.DoneAt.IsZero() || row.GaveUp {
		t.Fatalf("not delivered: %+v", row)
	}
	n.Wake()
	mails := server.all()
	if len(mails) != 1 || mails[0].msg.Header.Get("Message-Id") != "<alert-17-8c1f@deploy.example.org>" {
		t.Errorf("%d mails arrived", len(mails))
	}
}

func TestOneBadAddressDoesNotKeepTheMailFromOthers(t *testing.T) {
	server := serve(t, 0, func(b *mailbox, _ *smtp.Server) {
		b.refuse["anna@example.org"] = &smtp.SMTPError{Code: 550, Message: "no such user"}
	})
	b := newBox(delivery(ChannelMail, pushAlert()))
	start(t, b, to(server.port, "none"))
	if row := b.written(t); row.DoneAt.IsZero() || row.GaveUp {
		t.Errorf("got %+v, want it done", row)
	}
	if mails := server.all(); len(mails) != 1 || !slices.Equal(mails[0].to, []string{"owner@example.org"}) {
		t.Errorf("got %+v", mails)
	}
}

func TestBusyMailboxIsTriedAgainAloneAndTheOthersGetOneMail(t *testing.T) {
	server := serve(t, 0, func(b *mailbox, _ *smtp.Server) {
		b.refuse["anna@example.org"] = &smtp.SMTPError{Code: 450, Message: "mailbox busy"}
	})
	b := newBox(delivery(ChannelMail, pushAlert()))
	n := start(t, b, to(server.port, "none"))
	if row := b.written(t); row.Attempts != 1 || !strings.Contains(row.LastError, "anna@example.org: 450") {
		t.Fatalf("got %+v, want a retry for anna", row)
	}
	server.mu.Lock()
	server.refuse["anna@example.org"] = &smtp.SMTPError{Code: 550, Message: "gone"}
	server.mu.Unlock()
	b.advance()
	n.Wake()
	if row := b.written(t); row.DoneAt.IsZero() || row.GaveUp {
		t.Errorf("got %+v, want it done: one of the two has it", row)
	}
	if mails := server.all(); len(mails) != 1 || !slices.Equal(mails[0].to, []string{"owner@example.org"}) {
		t.Errorf("got %+v", mails)
	}
}

func TestFaultsOfARealMailServer(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string
		gaveUp bool
		want   string
	}{
		{"450 to the mail", []string{"-r", "DATA"}, false, "did not take the mail: 450"},
		{"500 to the recipients", []string{"-f", "RCPT"}, true, "refused anna@example.org: 500"},
		{"500 to the sender", []string{"-f", "MAIL"}, true, "refused the sender teal@example.org: 500"},
		{"hangs", []string{"-w", "120"}, false, "no answer in time"},
		{"breaks off at the mail", []string{"-q", "DATA"}, false, "did not take the mail"},
		{"breaks off at the recipients", []string{"-q", "RCPT"}, false, "broke off"},
		{"500 to the greeting", []string{"-f", "EHLO,HELO"}, false, "cannot speak with the mail server"},
		{"none", nil, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conf := to(sink(t, c.args...), "none")
			conf.Mail.Timeout = time.Minute
			if c.name == "hangs" {
				conf.Mail.Timeout = 2 * time.Second
			}
			b := newBox(delivery(ChannelMail, pushAlert()))
			begun := time.Now()
			start(t, b, conf)
			row := b.written(t)
			took := time.Since(begun)
			if row.GaveUp != c.gaveUp || row.DoneAt.IsZero() != (c.want != "" && !c.gaveUp) || !strings.Contains(row.LastError, c.want) {
				t.Errorf("got %+v, want given up %t and %q", row, c.gaveUp, c.want)
			}
			if took > 30*time.Second {
				t.Errorf("it took %s, with a limit of %s", took, conf.Mail.Timeout)
			}
		})
	}
}

func TestShutdownBreaksOffAHangingDelivery(t *testing.T) {
	conf := to(sink(t, "-w", "300"), "none")
	conf.Mail.Timeout = 5 * time.Minute
	b := newBox(delivery(ChannelMail, pushAlert()))
	conf.Outbox, conf.Now = b, b.clock
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan struct{})
	conf.Recipients = func(context.Context, deploy.AppName, string) ([]string, error) {
		close(asked)
		return []string{"anna@example.org"}, nil
	}
	done := make(chan error, 1)
	go func() { done <- New(conf).Run(ctx) }()
	<-asked
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Run still waits for a mail server that hangs")
	}
	if row := b.row(0); row.Attempts != 0 || !row.DoneAt.IsZero() {
		t.Errorf("the try that was broken off counts: %+v", row)
	}
}

func TestServerThatIsDownIsAskedOncePerRound(t *testing.T) {
	var rows []deploy.Delivery
	for i := range 5 {
		d := delivery(ChannelMail, pushAlert())
		d.ID = int64(i + 1)
		rows = append(rows, d)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	conf := to(silent.Addr().(*net.TCPAddr).Port, "none")
	conf.Mail.Timeout = time.Second
	b := newBox(rows...)
	start(t, b, conf)
	for range rows {
		b.written(t)
	}
	for i := range rows {
		if row := b.row(i); row.Attempts != 1 || !strings.Contains(row.LastError, "no answer in time") {
			t.Errorf("alert %d: %+v", i, row)
		}
	}
	if n := connectionsTo(t, silent); n != 1 {
		t.Errorf("the server was asked %d times", n)
	}
}

// connectionsTo tells how many connections there were to a listener from which
// nobody takes them.
func connectionsTo(t *testing.T, l net.Listener) (n int) {
	t.Helper()
	last, err := net.Dial("tcp", l.Addr().String()) // comes after all others
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = last.Close() }()
	for ; ; n++ {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if c.RemoteAddr().String() == last.LocalAddr().String() {
			return n
		}
	}
}

// sink starts postfix's smtp-sink with faults, and gives its port.
func sink(t *testing.T, faults ...string) int {
	t.Helper()
	port := freePort(t)
	args := append([]string{}, faults...)
	if os.Getuid() == 0 {
		args = append(args, "-u", "nobody")
	}
	path, err := exec.LookPath("smtp-sink")
	if err != nil {
		path = "/usr/sbin/smtp-sink" // not in the PATH of everyone
	}
	cmd := exec.Command(path, append(args, fmt.Sprintf("127.0.0.1:%d", port), "100")...)
	if err := cmd.Start(); err != nil {
		t.Fatalf("the package postfix brings smtp-sink: %v", err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = conn.Close()
			return port
		}
	}
	t.Fatal("smtp-sink did not listen within a minute")
	return 0
}

// freePort gives a port that refuses connections until somebody who is told of
// it listens there: it stays bound, so that the system gives it to nobody else.
func freePort(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return name.(*syscall.SockaddrInet4).Port
}

func TestPermanentIsOnlyWhatTheServerSaysOfTheMail(t *testing.T) {
	if permanent(errors.New("EOF")) || permanent(nil) {
		t.Error("a broken connection is taken for the last word")
	}
}
