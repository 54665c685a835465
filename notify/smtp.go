package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"teal/deploy"
)

// transmit hands one mail to the mail server for all of to, in one transaction.
// refused holds, per address, why the server would not have it; the mail went
// to the others when err is nil. An err that wraps *unreachable is about the
// server, any other about the mail.
//
// The library opens the connection (TLS, login); the transaction is spoken
// here, because its own sends to nobody when one of the addresses is refused.
func (c Config) transmit(ctx context.Context, from string, to []string, wire []byte) (refused map[string]error, err error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(c.Mail.Timeout, 30*time.Second))
	defer cancel()
	session, err := c.connect(ctx)
	if err != nil {
		return nil, &unreachable{fmt.Errorf("cannot speak with the mail server %s port %d: %w", c.Mail.Host, c.Mail.port(), timely(ctx, err))}
	}
	defer func() { _ = session.Close() }()
	if err := session.Mail(from); err != nil {
		if !spoken(err) {
			return nil, &unreachable{fmt.Errorf("the mail server broke off: %w", timely(ctx, err))}
		}
		return nil, fmt.Errorf("the mail server refused the sender %s: %w", from, err)
	}
	refused = map[string]error{}
	for _, address := range to {
		if err := session.Rcpt(address); err != nil {
			if !spoken(err) {
				return nil, &unreachable{fmt.Errorf("the mail server broke off: %w", timely(ctx, err))}
			}
			refused[address] = err
		}
	}
	if len(refused) == len(to) {
		return refused, nil
	}
	if err := data(session, wire); err != nil {
		failure := fmt.Errorf("the mail server did not take the mail: %w", timely(ctx, err))
		if hung(ctx, err) {
			failure = &unreachable{failure} // it will for the next mail too
		}
		return refused, failure
	}
	_ = session.Quit() // it has the mail: what it says to a good-bye is nothing to us
	return refused, nil
}

func data(session *smtp.Client, wire []byte) error {
	w, err := session.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(wire); err != nil {
		return err
	}
	return w.Close()
}

// connect opens a session that is ready for a mail. The connection breaks when
// ctx ends, whatever the server is doing.
func (c Config) connect(ctx context.Context) (*smtp.Client, error) {
	secure, err := c.Mail.tlsConfig()
	if err != nil {
		return nil, err
	}
	policy := gomail.TLSMandatory
	if c.Mail.TLS == "tls" || c.Mail.TLS == "none" {
		policy = gomail.NoTLS // none, or there from the first byte
	}
	options := []gomail.Option{
		gomail.WithPort(c.Mail.port()), gomail.WithHELO(c.ServerName),
		gomail.WithTimeout(cmp.Or(c.Mail.Timeout, 30*time.Second)),
		gomail.WithTLSConfig(secure), gomail.WithTLSPolicy(policy),
		gomail.WithDialContextFunc(c.dial(ctx, secure)),
	}
	if c.Mail.Username != "" {
		options = append(options, gomail.WithUsername(c.Mail.Username), gomail.WithPassword(c.Mail.Password),
			// Those that send the password itself do so over TLS or loopback only.
			gomail.WithOpportunisticSMTPAuth(gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1,
				gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5))
	}
	client, err := gomail.NewClient(c.Mail.Host, options...)
	if err != nil {
		return nil, err
	}
	return client.DialToSMTPClientWithContext(ctx)
}

// dial connects for the library, which forgets its context once it is connected.
func (c Config) dial(delivery context.Context, secure *tls.Config) gomail.DialContextFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		context.AfterFunc(delivery, func() { _ = conn.Close() })
		if c.Mail.TLS != "tls" {
			return conn, nil
		}
		encrypted := tls.Client(conn, secure)
		if err := encrypted.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return encrypted, nil
	}
}

// hung tells whether err came of the time being over: ours, or the library's,
// which sets the same limit on the connection.
func hung(ctx context.Context, err error) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded)
}

// timely puts it plainly when the time was over: the error itself may say only
// that the connection was closed, which we did.
func timely(ctx context.Context, err error) error {
	if hung(ctx, err) {
		return fmt.Errorf("no answer in time (%w)", context.DeadlineExceeded)
	}
	return err
}

// spoken tells whether err is an answer of the server.
func spoken(err error) bool {
	_, ok := errors.AsType[*textproto.Error](err)
	return ok
}

// permanent tells whether err is the server's last word on the mail (RFC 5321,
// 4.2.1: a code of 500 or more). Its word on ourselves (greeting, TLS, login) is
// not: whoever runs Teal can mend that while the alert waits.
func permanent(err error) bool {
	if _, ok := errors.AsType[*unreachable](err); ok {
		return false
	}
	said, ok := errors.AsType[*textproto.Error](err)
	return ok && said.Code >= 500
}

// answer is what the server said, fit for a log.
func answer(err error) string { return deploy.Clean(err.Error(), 200) }
