package console

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"teal/deploy"
)

// restartView is the confirmation of "restart previous" (or of an older
// release): it names both versions, and its form carries their numbers.
type restartView struct {
	App      deploy.AppName
	Path     string
	Back     version // comes back
	Rest     version // goes to rest
	Effect   string  // how, and how long it takes
	Previous bool    // Back is the previous release, not an older one
	Busy     *row    // is canceled by it
	Staged   string  // "v15", is taken off the preview by it
	Across   string  // which migration lies between; "": none
}

// version is a release in the confirmation.
type version struct {
	Number  int
	Name    string
	Color   deploy.Color
	Commit  string
	Subject string
	Author  string
	Made    moment
}

func (c *Console) restartPage(w http.ResponseWriter, r *http.Request, v visit) error {
	p, err := c.look(r.Context(), v.app)
	if err != nil {
		return err
	}
	target := p.app.Previous
	if n, err := strconv.Atoi(r.URL.Query().Get("release")); err == nil && n > 0 {
		target = n
	}
	if err := c.restartable(r.Context(), &p, target); err != nil {
		return err
	}
	body := c.restartView(p, target)
	return c.render(w, r, v, "restart", http.StatusOK, page{Title: "Restart " + body.Back.Name + " of " + string(v.app), Nav: "apps", Body: body})
}

// restartable tells why a release can't be brought back, before anything is asked.
func (c *Console) restartable(ctx context.Context, p *picture, target int) error {
	no := func(text string) error {
		return &problem{Status: http.StatusConflict, Title: "There is nothing to bring back", Text: text}
	}
	switch target {
	case 0:
		return no("No release was replaced on this app yet. With the next one, this one is kept.")
	case p.app.Live:
		return no(deploy.ReleaseName(target) + " is what serves now.")
	}
	if err := c.addRelease(ctx, p, target); err != nil {
		return err
	}
	r, there := p.releases[target]
	switch {
	case !there:
		return no("This app has no release " + deploy.ReleaseName(target) + ".")
	case r.Gone:
		return no(fmt.Sprintf("The image of %s was removed. Push its commit %s again to have it back.", r.Name(), r.Commit.Short()))
	}
	return nil
}

func (c *Console) restartView(p picture, target int) restartView {
	out := restartView{App: p.app.Name, Path: appPath(p.app.Name), Previous: target == p.app.Previous}
	out.Back = c.version(p, target, p.app.Idle())
	out.Rest = c.version(p, p.app.Live, p.app.Active)
	if live, ok := p.releases[p.app.Live]; ok {
		out.Across = deploy.Clean(deploy.Crossing(live, p.releases[target]), 400)
	}
	switch {
	case out.Previous && p.warm():
		out.Effect = "It is still running: it answers at once, after one more probe."
	case out.Previous:
		out.Effect = "It sleeps: it is started and probed first, which takes a few seconds. Nothing is built."
	default:
		out.Effect = "Its image is kept: it is started and probed first, which takes a few seconds. Nothing is built."
	}
	if d, ok := p.underWay(); ok && !d.State.Committed() {
		one := c.row(d)
		out.Busy = &one
	}
	if p.app.Staged != 0 && p.app.Staged != target {
		out.Staged = deploy.ReleaseName(p.app.Staged)
	}
	return out
}

func (c *Console) version(p picture, number int, color deploy.Color) version {
	if number == 0 {
		return version{}
	}
	r := p.releases[number]
	return version{
		Number: number, Name: deploy.ReleaseName(number), Color: color,
		Commit: deploy.Clean(r.Commit.Short(), 7), Subject: subject(r.Commit.Subject), Author: author(r.Commit.Author), Made: c.moment(r.CreatedAt),
	}
}

// restart does what the confirmation said, or nothing: when another release
// serves by now, or another one is the previous, what the person agreed to is
// not what would happen.
func (c *Console) restart(w http.ResponseWriter, r *http.Request, v visit) error {
	target, err := formNumber(r, "release")
	if err != nil {
		return err
	}
	live, err := formNumber(r, "live")
	if err != nil {
		return err
	}
	p, err := c.look(r.Context(), v.app)
	if err != nil {
		return err
	}
	if p.app.Live != live {
		return c.changed(v.app, fmt.Sprintf("You were about to replace %s with %s. By now %s serves.",
			deploy.ReleaseName(live), deploy.ReleaseName(target), deploy.ReleaseName(p.app.Live)), "/restart")
	}
	if r.PostForm.Get("previous") != "" && p.app.Previous != target {
		return c.changed(v.app, fmt.Sprintf("You were about to bring %s back. By now the previous release is %s.",
			deploy.ReleaseName(target), deploy.ReleaseName(p.app.Previous)), "/restart")
	}
	if err := c.restartable(r.Context(), &p, target); err != nil {
		return err
	}
	return c.act(w, r, v, func(ctx context.Context) (deploy.Deployment, error) {
		return c.Engine.Rollback(ctx, v.app, target, v.user.Name)
	})
}

// changed refuses an action whose page is out of date.
func (c *Console) changed(app deploy.AppName, text, look string) error {
	return &problem{
		Status: http.StatusConflict, Title: "It changed meanwhile", Text: text + " Nothing was done.",
		Hint: "Look again, then decide.", Back: appPath(app) + look, BackTo: "Look again",
	}
}
