package router

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"teal/deploy"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// page is what the router says itself, when no app can.
type page struct {
	Status    int
	Title     string
	Text      string
	Hint      string
	RequestID string
	App       deploy.AppName // the app that was asked for; "" when none is known
	// RetryAfter is in seconds; 0: not said.
	RetryAfter int
	realm      bool // WWW-Authenticate goes with it
}

func pageNoApp(x *exchange) page {
	p := page{
		Status: http.StatusNotFound,
		Title:  "There is no app here",
		Text:   "No app answers to this address.",
		Hint:   "If you expect one here, check the address, or whether the app has this domain.",
	}
	if x.host != "" {
		p.Text = fmt.Sprintf("No app answers to %s.", x.host)
	}
	if name, ok := strings.CutSuffix(x.host, "."+x.router.config.Domain); ok && name != "" {
		if app, err := deploy.ParseAppName(name); err == nil {
			p.Hint = fmt.Sprintf("The first push to an app named %s would put it here.", app)
		}
	}
	return p
}

func pageNoRelease(x *exchange, e *entry) page {
	if x.front == preview {
		return page{
			Status: http.StatusNotFound,
			App:    e.route.App,
			Title:  "There is nothing to preview",
			Text:   fmt.Sprintf("No release of %s waits to be promoted, and none was replaced a moment ago.", e.route.App),
			Hint:   "Push with -o no-promote to look at a release here before it goes live.",
		}
	}
	p := page{
		Status:     http.StatusServiceUnavailable,
		App:        e.route.App,
		Title:      "Nothing is live yet",
		Text:       fmt.Sprintf("The app %s is there, but none of its releases has gone live.", e.route.App),
		Hint:       "It will answer here after its first successful push.",
		RetryAfter: 10,
	}
	if e.route.Preview.Release != 0 {
		p.Text = fmt.Sprintf("The first release of %s is being tried.", e.route.App)
		p.Hint = "It will answer here as soon as it is promoted."
	}
	return p
}

// pageFor says why there is no place for the request.
func (x *exchange) pageFor(v verdict) page {
	switch v {
	case noRelease:
		return pageNoRelease(x, x.entry)
	case tooMany:
		return pageBusy(x)
	case queueFull, heldLong:
		return pageHeld(x.entry.route.App, v)
	}
	return pageNoApp(x)
}

func pageHeld(app deploy.AppName, v verdict) page {
	p := page{
		Status:     http.StatusServiceUnavailable,
		App:        app,
		Title:      "A new release is starting",
		Text:       fmt.Sprintf("%s is being replaced by a newer release, which takes longer than usual.", app),
		Hint:       "Please try again in a moment.",
		RetryAfter: 5,
	}
	if v == queueFull {
		p.Text = fmt.Sprintf("%s is being replaced by a newer release, and many are waiting for it already.", app)
	}
	return p
}

// startingFor is how long an app that does not answer is said to be starting,
// before it is said to be down.
const startingFor = time.Minute

func pageStarting(app deploy.AppName) page {
	return page{
		Status:     http.StatusServiceUnavailable,
		App:        app,
		Title:      "The app is starting",
		Text:       fmt.Sprintf("%s is being started and will answer here in a moment.", app),
		Hint:       "Please try again in a few seconds.",
		RetryAfter: 2,
	}
}

// pageDown is for an app of which no instance runs.
func pageDown(x *exchange) page {
	app := x.owner.app
	if since := x.entry.emptySince; x.router.now()-since < int64(startingFor) {
		return pageStarting(app)
	}
	return page{
		Status:     http.StatusServiceUnavailable,
		App:        app,
		Title:      "The app is down",
		Text:       fmt.Sprintf("No instance of %s is running at the moment.", app),
		Hint:       "Teal goes on trying to start it. Its owner finds the reason in the app's log.",
		RetryAfter: 10,
	}
}

// pageUnreachable is for an app whose instances run, but take no connections.
func pageUnreachable(x *exchange) page {
	app := x.owner.app
	if in := x.avoid; in != nil && !in.health.answered.Load() && x.router.now()-in.born < int64(startingFor) {
		return pageStarting(app)
	}
	return page{
		Status: http.StatusBadGateway,
		App:    app,
		Title:  "The app is down",
		Text:   fmt.Sprintf("%s is running, but takes no connections: it may have crashed, or be starting again.", app),
		Hint:   "Please try again shortly. If it stays like this, its owner finds the reason in the app's log.",
	}
}

func pageBusy(x *exchange) page {
	return page{
		Status:     http.StatusServiceUnavailable,
		App:        x.owner.app,
		Title:      "Too busy",
		Text:       fmt.Sprintf("%s is answering as many requests as it may at once.", x.owner.app),
		Hint:       "Please try again in a moment.",
		RetryAfter: 1,
	}
}

func pageBroken(x *exchange) page {
	if x.fault != nil && x.fault.kind == faultDial {
		return pageUnreachable(x)
	}
	return page{
		Status:     http.StatusBadGateway,
		App:        x.owner.app,
		Title:      "The app did not answer",
		Text:       fmt.Sprintf("The connection to %s failed before there was an answer.", x.owner.app),
		Hint:       "Please try again. If it stays like this, its owner finds the reason in the app's log.",
		RetryAfter: 0,
	}
}

func pageLate(x *exchange) page {
	return page{
		Status: http.StatusGatewayTimeout,
		App:    x.owner.app,
		Title:  "The app took too long",
		Text:   fmt.Sprintf("%s did not answer in time.", x.owner.app),
		Hint:   "What was asked for may have been done all the same: look before you try again.",
	}
}

func pagePreviewClosed(tried bool) page {
	p := page{
		Status: http.StatusUnauthorized,
		Title:  "Previews need a password",
		Text:   "What is not promoted yet is shown only to people who have the link to it.",
		Hint:   "The push that made it, and the app's page in the console, give the link with its password.",
		realm:  true,
	}
	if tried {
		p.Text = "The name or the password is not the one that opens previews."
	}
	return p
}

// refuse answers a request that is not let in, and closes the connection,
// because what follows on it can't be trusted to be a request.
func (x *exchange) refuse(no *refusal) {
	x.closes = true
	x.page(page{Status: no.status, Title: http.StatusText(no.status), Text: "The request was refused: " + no.text + "."})
}

// page answers with p: as HTML to a browser, as JSON to who asks for it, else as text.
func (x *exchange) page(p page) {
	p.RequestID = x.requestID()
	kind, body := p.render(string(x.req.Get("accept")))
	h := http.Header{
		"Content-Type":            {kind},
		"Cache-Control":           {"no-store"},
		"X-Content-Type-Options":  {"nosniff"},
		"Content-Security-Policy": {"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"},
		"X-Request-Id":            {p.RequestID},
	}
	if p.RetryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfter))
	}
	if p.realm {
		h.Set("WWW-Authenticate", `Basic realm="preview", charset="UTF-8"`) // RFC 7617
	}
	x.reply(p.Status, h, string(body))
}

// reply answers without asking an instance.
func (x *exchange) reply(status int, h http.Header, body string) {
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if x.method == http.MethodHead {
		body = ""
	}
	x.status, x.began = status, true
	x.sent += int64(len(body))
	x.client.reply(x, status, h, body)
}

// render makes the body in the form that the Accept field prefers.
func (p page) render(accept string) (kind string, body []byte) {
	switch preferred(accept) {
	case "html":
		var b bytes.Buffer
		if err := pageTemplate.Execute(&b, p); err == nil {
			return "text/html; charset=utf-8", b.Bytes()
		}
	case "json":
		body, _ := json.Marshal(map[string]any{
			"status": p.Status, "error": p.Title, "message": p.Text, "hint": p.Hint,
			"app": p.App, "request_id": p.RequestID, "retry_after": p.RetryAfter,
		})
		return "application/json", append(body, '\n')
	}
	text := fmt.Sprintf("%d %s\n%s\n", p.Status, p.Title, p.Text)
	if p.Hint != "" {
		text += p.Hint + "\n"
	}
	return "text/plain; charset=utf-8", []byte(text)
}
