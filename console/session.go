package console

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"teal/deploy"
)

// sessionLife is how long a person stays logged in on one browser.
const sessionLife = 30 * 24 * time.Hour

// maxToken is longer than any token of ours; anything beyond is not looked up.
const maxToken = 128

// loginView is the page that a link leads to, and the one that says how to get a link.
type loginView struct {
	Token        string // "": there is none, say how to get one
	Notice       string // what went wrong with the last try
	Command      string
	Fingerprints []string
	Wanted       bool // another page was asked for, at this very URL
}

// loginPage shows one button and changes nothing: previews of links, which
// fetch every URL they see, can't burn the token.
func (c *Console) loginPage(w http.ResponseWriter, r *http.Request, v visit) error {
	token := r.URL.Query().Get("token")
	if len(token) > maxToken {
		token = ""
	}
	return c.render(w, r, v, "login", http.StatusOK, page{Title: "Log in", Body: c.loginView(token, "")})
}

// login turns a one-time token into a session.
func (c *Console) login(w http.ResponseWriter, r *http.Request, v visit) error {
	if err := parseForm(r); err != nil {
		return err
	}
	from := network(r)
	if !c.attempts.take(from) {
		w.Header().Set("Retry-After", "60")
		return &problem{
			Status: http.StatusTooManyRequests, Title: "Too many tries",
			Text: "Links that do not work were tried too often from your address.", Hint: "Wait a minute.", Back: "/login", BackTo: "Back to log in",
		}
	}
	user, err := c.redeem(r)
	if errors.Is(err, deploy.ErrNotFound) {
		c.Log.Warn("console login refused", "from", from.Addr())
		return c.render(w, r, v, "login", http.StatusForbidden, page{
			Title: "Log in", Body: c.loginView("", "This link was used already, or it is too old. A link works once."),
		})
	}
	if err != nil {
		return fmt.Errorf("cannot redeem the login token: %w", err)
	}
	c.attempts.succeeded(from)
	if err := c.openSession(w, r, user); err != nil {
		return err
	}
	c.Log.Info("console login", "user", user, "from", from.Addr())
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (c *Console) redeem(r *http.Request) (user string, err error) {
	token := r.PostForm.Get("token")
	if token == "" || len(token) > maxToken {
		return "", deploy.ErrNotFound
	}
	return c.Store.RedeemLoginToken(r.Context(), token)
}

// openSession sets a fresh cookie and ends the session that the browser had.
func (c *Console) openSession(w http.ResponseWriter, r *http.Request, user string) error {
	expires := c.Now().Add(sessionLife)
	token, err := c.Store.CreateSession(r.Context(), user, expires)
	if err != nil {
		return fmt.Errorf("cannot open a session: %w", err)
	}
	if old, err := r.Cookie(c.cookieName()); err == nil {
		if err := c.Store.DeleteSession(r.Context(), old.Value); err != nil && !errors.Is(err, deploy.ErrNotFound) {
			c.Log.Warn("console cannot end the replaced session", "error", err)
		}
	}
	http.SetCookie(w, c.cookie(token, int(sessionLife/time.Second)))
	return nil
}

func (c *Console) logout(w http.ResponseWriter, r *http.Request, _ visit) error {
	cookie, err := r.Cookie(c.cookieName())
	if err == nil {
		err = c.Store.DeleteSession(r.Context(), cookie.Value)
	}
	if err != nil && !errors.Is(err, deploy.ErrNotFound) {
		return fmt.Errorf("cannot end the session: %w", err)
	}
	http.SetCookie(w, c.cookie("", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
	return nil
}

// askToLogIn answers a visitor without a session at the URL he asked for, so
// that a reload after the log in shows it.
func (c *Console) askToLogIn(w http.ResponseWriter, r *http.Request) {
	view := c.loginView("", "")
	view.Wanted = r.Method == http.MethodGet
	c.render(w, r, visit{}, "login", http.StatusUnauthorized, page{Title: "Log in", Body: view})
}

func (c *Console) loginView(token, notice string) loginView {
	return loginView{Token: token, Notice: notice, Command: c.SSHHint + " login", Fingerprints: c.HostFingerprints}
}

// cookieName has the prefix with which browsers guarantee that only this host
// set the cookie, over HTTPS (RFC 6265bis, section 4.1.3.2).
func (c *Console) cookieName() string {
	if c.Secure {
		return "__Host-teal"
	}
	return "teal"
}

func (c *Console) cookie(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: c.cookieName(), Value: value, Path: "/", MaxAge: maxAge,
		Secure: c.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

func parseForm(r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		var tooLong *http.MaxBytesError
		if errors.As(err, &tooLong) {
			return err
		}
		return &problem{Status: http.StatusBadRequest, Title: "That form cannot be read", Text: "Nothing was done."}
	}
	return nil
}
