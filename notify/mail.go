package notify

import (
	"bytes"
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"hash/fnv"
	html "html/template"
	"net/mail"
	"strings"
	text "text/template"

	gomail "github.com/wneessen/go-mail"

	"teal/deploy"
)

//go:embed mail.txt
var plainSource string

//go:embed mail.html
var htmlSource string

var (
	plainPart = text.Must(text.New("mail.txt").Funcs(text.FuncMap{
		"name": func(s string) string { return fmt.Sprintf("%-12s", s) },
		"wrap": wrap,
	}).Parse(plainSource))
	htmlPart = html.Must(html.New("mail.html").Parse(htmlSource))
)

// sendMail delivers one alert by mail. See Notifier.try for what it returns.
func (n *Notifier) sendMail(ctx context.Context, d deploy.Delivery) (retry bool, err error) {
	to, err := n.addressees(ctx, d)
	if err != nil {
		return true, fmt.Errorf("cannot look up whom to tell: %w", err)
	}
	if len(to) == 0 {
		return false, fmt.Errorf("nobody to tell: neither the pusher nor an owner of %s has a mail address", d.Alert.App)
	}
	m, err := n.c.compose(d, to)
	if err != nil {
		return false, err
	}
	var wire bytes.Buffer
	if _, err := m.WriteTo(&wire); err != nil {
		return false, fmt.Errorf("cannot write the mail: %w", err)
	}
	sender, err := n.c.Mail.sender(n.c.ServerName)
	if err != nil {
		return true, err
	}
	waiting := n.waiting(d.ID, to)
	if len(waiting) == 0 {
		return false, nil // the only one left is no recipient any more
	}
	refused, err := n.c.transmit(ctx, sender.Address, waiting, wire.Bytes())
	return n.judge(d, waiting, refused, err)
}

// judge turns the server's answers into an outcome, and remembers whom it is
// settled for: an address that has the mail does not get it again because
// another one's mailbox was busy.
func (n *Notifier) judge(d deploy.Delivery, asked []string, refused map[string]error, err error) (retry bool, _ error) {
	var later, never []string
	for _, address := range asked {
		switch reason := refused[address]; {
		case reason == nil && err == nil:
			n.settle(d.ID, address, true)
		case reason == nil:
		case permanent(reason):
			n.settle(d.ID, address, false)
			never = append(never, fmt.Sprintf("%s: %s", address, answer(reason)))
		default:
			later = append(later, fmt.Sprintf("%s: %s", address, answer(reason)))
		}
	}
	if len(never) > 0 {
		n.log.Warn("the mail server refuses an addressee of an alert", "app", d.Alert.App, "deployment", d.Alert.Deployment,
			"error", deploy.Clean(strings.Join(never, "; "), 300))
	}
	switch {
	case err != nil:
		return !permanent(err), err
	case len(later) > 0:
		return true, fmt.Errorf("the mail server put off %s", strings.Join(later, "; "))
	case !n.reached(d.ID):
		return false, fmt.Errorf("the mail server refused %s", strings.Join(never, "; "))
	}
	return false, nil
}

// settle remembers that the address has the alert, or that it never will.
func (n *Notifier) settle(id int64, address string, has bool) {
	if n.settled[id] == nil {
		for other := range n.settled {
			if len(n.settled) < remembered {
				break
			}
			delete(n.settled, other) // at worst someone gets a mail twice
		}
		n.settled[id] = map[string]bool{}
	}
	n.settled[id][address] = has
}

// reached tells whether anybody has the alert.
func (n *Notifier) reached(id int64) bool {
	for _, has := range n.settled[id] {
		if has {
			return true
		}
	}
	return false
}

// waiting gives those for whom the alert is not settled yet.
func (n *Notifier) waiting(id int64, to []string) []string {
	var left []string
	for _, address := range to {
		if _, known := n.settled[id][address]; !known {
			left = append(left, address)
		}
	}
	return left
}

// addressees gives the addresses to mail to, those that are none left out.
func (n *Notifier) addressees(ctx context.Context, d deploy.Delivery) ([]string, error) {
	all, err := n.c.Recipients(ctx, d.Alert.App, d.Alert.Pusher)
	if err != nil {
		return nil, err
	}
	var to []string
	for _, s := range all {
		a, err := mail.ParseAddress(s)
		if err != nil {
			n.log.Warn("not a mail address, so it gets no alerts", "app", d.Alert.App, "error", deploy.Clean(s, 100))
			continue
		}
		to = append(to, a.Address)
	}
	return to, nil
}

// compose writes the mail. Everything in it follows from the delivery, so that
// a later try sends the same one.
func (c Config) compose(d deploy.Delivery, to []string) (*gomail.Msg, error) {
	sender, err := c.Mail.sender(c.ServerName)
	if err != nil {
		return nil, err
	}
	f := c.describe(d.Alert)
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	m.FromMailAddress(sender)
	if err := m.To(to...); err != nil {
		return nil, fmt.Errorf("cannot address the mail: %w", err)
	}
	m.Subject(f.Subject)
	m.SetDateWithValue(d.Alert.At)
	m.SetMessageIDWithValue(c.messageID(d))
	// RFC 3834: keeps vacation notices from answering; the second is Exchange's word for it.
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetGenHeader("X-Teal-App", string(d.Alert.App))
	m.SetGenHeader("X-Teal-Deployment", fmt.Sprint(d.Alert.Deployment))
	var plain, rich bytes.Buffer
	if err := plainPart.Execute(&plain, f); err != nil {
		return nil, fmt.Errorf("cannot write the mail's text: %w", err)
	}
	if err := htmlPart.Execute(&rich, f); err != nil {
		return nil, fmt.Errorf("cannot write the mail's HTML: %w", err)
	}
	m.SetBodyString(gomail.TypeTextPlain, plain.String())
	m.AddAlternativeString(gomail.TypeTextHTML, rich.String())
	// The boundary would be a random one.
	m.SetBoundary(fmt.Sprintf("teal-%x", sum(c.messageID(d))))
	return m, nil
}

// messageID is the delivery's, kept to what may stand in a header.
func (c Config) messageID(d deploy.Delivery) string {
	id := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' || strings.ContainsRune("<>()[]\\,;:\"", r) {
			return -1
		}
		return r
	}, cmp.Or(d.MessageID, fmt.Sprintf("teal-%d-%x", d.ID, sum(d.Alert.Episode))))
	if !strings.Contains(id, "@") {
		id += "@" + c.ServerName
	}
	return id
}

func sum(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}

// wrap breaks text into lines of about 76 columns, the ones after the first
// indented by indent spaces.
func wrap(indent int, s string) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(s) {
		width := len([]rune(word))
		switch {
		case i == 0:
		case column+1+width > 76:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		default:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += width
	}
	return b.String()
}
