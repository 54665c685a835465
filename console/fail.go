package console

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"

	"teal/deploy"
)

// problem is a page that says what went wrong and what to do about it. As an
// error it is what a handler returns when it knows better words than the
// table in explain.
type problem struct {
	Status int
	Title  string
	Text   string
	Hint   string // what to do next; may be empty
	Back   string // where the button leads; "": to the apps
	BackTo string // what the button says
	ID     string // to find it in the log; "" when there is nothing to find
}

func (p *problem) Error() string { return p.Title + ": " + p.Text }

// fail answers a request that could not be done.
func (c *Console) fail(w http.ResponseWriter, r *http.Request, v visit, err error) {
	if errors.Is(err, errNoSession) {
		c.askToLogIn(w, r)
		return
	}
	if errors.Is(r.Context().Err(), context.Canceled) {
		return // nobody reads the answer
	}
	p := explain(err)
	if p.Status >= http.StatusInternalServerError {
		p.ID = rand.Text()[:8]
		c.Log.Error("console request failed", "id", p.ID, "method", r.Method, "path", r.URL.Path, "app", v.app, "error", err)
	}
	if p.Back == "" && v.app != "" && p.Status != http.StatusNotFound {
		p.Back, p.BackTo = appPath(v.app), "Back to "+string(v.app)
	}
	c.render(w, r, v, "problem", p.Status, page{Title: p.Title, Body: p})
}

// explain is the one place that maps errors to a status and to words.
func explain(err error) *problem {
	var told *problem
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &told):
		p := *told
		return &p
	case errors.As(err, &tooLong):
		return &problem{Status: http.StatusRequestEntityTooLarge, Title: "Too much", Text: "The form was larger than any of ours."}
	case errors.Is(err, deploy.ErrNotFound), errors.Is(err, deploy.ErrBadName):
		return &problem{
			Status: http.StatusNotFound, Title: "Not here",
			Text: "There is no such page, or it belongs to an app that you have no access to.",
		}
	case errors.Is(err, deploy.ErrDenied):
		return &problem{
			Status: http.StatusForbidden, Title: "You may look, not touch",
			Text: "Your access to this app does not include that. Nothing was done.",
			Hint: "An admin of the app can give you the right to deploy.",
		}
	case errors.Is(err, deploy.ErrAcross):
		return &problem{
			Status: http.StatusConflict, Title: "A migration lies between", Text: deploy.Clean(sentence(err.Error()), 400),
			Hint: "Nothing was done. Who knows that the older release can live with the database: rollback APP --across-migration, over SSH.",
		}
	case errors.Is(err, deploy.ErrNothing), errors.Is(err, deploy.ErrBusy), errors.Is(err, deploy.ErrConflict):
		return &problem{Status: http.StatusConflict, Title: "Nothing was done", Text: deploy.Clean(sentence(err.Error()), 300)}
	case errors.Is(err, deploy.ErrStopping):
		return &problem{
			Status: http.StatusServiceUnavailable, Title: "Teal is stopping",
			Text: "Nothing was done. What serves keeps serving.", Hint: "Try again in a moment.",
		}
	case errors.Is(err, deploy.ErrEngineAway):
		return &problem{
			Status: http.StatusServiceUnavailable, Title: "The container engine does not answer",
			Text: "Nothing was done. Requests still go to what was running.", Hint: "Try again when the engine is back.",
		}
	case errors.Is(err, context.DeadlineExceeded):
		return &problem{
			Status: http.StatusGatewayTimeout, Title: "That took too long",
			Text: "The answer did not come in time. It may still be under way: look at the app's history before you try again.",
		}
	}
	return &problem{Status: http.StatusInternalServerError, Title: "Something broke on our side", Text: "What serves your apps is not affected."}
}

// broken answers a request whose handler panicked.
func (c *Console) broken(w http.ResponseWriter, r *http.Request, id string) {
	p := explain(nil)
	p.ID = id
	c.render(w, r, visit{}, "problem", p.Status, page{Title: p.Title, Body: p})
}

// crossOrigin answers a form that another web site sent.
func (c *Console) crossOrigin(w http.ResponseWriter, r *http.Request) {
	c.Log.Warn("console refused a form from another site", "path", r.URL.Path, "origin", deploy.Clean(r.Header.Get("Origin"), 200))
	c.render(w, r, visit{}, "problem", http.StatusForbidden, page{Title: "Refused", Body: &problem{
		Status: http.StatusForbidden, Title: "Refused",
		Text: "This request was made by a page of another web site. Nothing was done.",
	}})
}
