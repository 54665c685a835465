package gitserver

import (
	"context"
	"errors"
	"net"
	"strings"

	"teal/deploy"
)

// repositoryName makes an app's name out of the path that a client sends:
// "/shop.git" and "shop" are the same.
func repositoryName(path string) (deploy.AppName, error) {
	name := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(path, "/"), "/"), ".git")
	app, err := deploy.ParseAppName(name)
	if err != nil {
		return "", refuse("%s", strings.TrimPrefix(err.Error(), deploy.ErrBadName.Error()+": "))
	}
	return app, nil
}

// appToPush finds the app that is pushed to and asks whether the user may.
// fresh: it does not exist, and the user may create it.
func (s *Server) appToPush(ctx context.Context, se *session, path string) (app deploy.App, fresh bool, err error) {
	name, err := repositoryName(path)
	if err != nil {
		return app, false, err
	}
	app, err = s.apps.App(ctx, name)
	if errors.Is(err, deploy.ErrNotFound) {
		if err := s.authorize(ctx, se.user, deploy.VerbCreate, name); err != nil {
			return app, false, unseen(err, name, "push to", se)
		}
		return deploy.App{Name: name}, true, nil
	}
	if err != nil {
		return app, false, err
	}
	if err := s.authorize(ctx, se.user, deploy.VerbPush, name); err != nil {
		if errors.Is(err, deploy.ErrDenied) {
			return app, false, refuse("%s may not push to %s; ask one of its admins for the right to deploy", se.user, name)
		}
		return app, false, unseen(err, name, "push to", se)
	}
	return app, false, nil
}

// appToFetch finds the app that is read from and asks whether the user may.
func (s *Server) appToFetch(ctx context.Context, se *session, path string) (deploy.AppName, error) {
	name, err := repositoryName(path)
	if err != nil {
		return "", err
	}
	if _, err := s.apps.App(ctx, name); err != nil {
		return "", unseen(err, name, "fetch from", se)
	}
	if err := s.authorize(ctx, se.user, deploy.VerbFetch, name); err != nil {
		return "", unseen(err, name, "fetch from", se)
	}
	return name, nil
}

// unseen words "no such app" and "not yours to see" alike, so that names of apps
// do not leak.
func unseen(err error, name deploy.AppName, verb string, se *session) error {
	if errors.Is(err, deploy.ErrNotFound) || errors.Is(err, deploy.ErrDenied) {
		return refuse("there is no app %s that %s may %s; see yours with: %s apps", name, se.user, verb, se.reach())
	}
	return err
}

// create makes the app of a first push, now that its pack is known to be good.
func (p *push) create(ctx context.Context) error {
	if !p.fresh {
		return nil
	}
	app := deploy.App{Name: p.app.Name, CreatedAt: p.s.now(), CreatedBy: p.se.user}
	err := p.s.apps.CreateApp(ctx, app)
	if errors.Is(err, deploy.ErrExists) {
		// Someone was faster: his app, and his to say who may push.
		app, fresh, err := p.s.appToPush(ctx, p.se, string(p.app.Name))
		if err != nil {
			return err
		}
		p.app, p.fresh = app, fresh
		return checkCommands(app, p.req.commands, p.se.reach())
	}
	if err != nil {
		return err
	}
	p.app, p.fresh = app, false
	p.tell("created app " + string(app.Name))
	return nil
}

// appExists gives the question that decides whether the repository of a first
// push stays. nil: it was no first push.
func (p *push) appExists() func(context.Context) bool {
	if !p.fresh {
		return nil
	}
	return func(ctx context.Context) bool {
		_, err := p.s.apps.App(ctx, p.app.Name)
		return !errors.Is(err, deploy.ErrNotFound)
	}
}

// words says to the client what went wrong. What is Teal's own fault goes to the
// log with the attributes, and in short to the client.
func (s *Server) words(err error, attrs ...any) string {
	var r *refusal
	var f *deploy.Failure
	var line *net.OpError
	switch {
	case errors.As(err, &r):
		return r.text
	case errors.As(err, &f):
		return f.Error()
	case errors.Is(err, deploy.ErrStopping), errors.Is(err, context.Canceled):
		return "teal is stopping: push again in a moment"
	case errors.Is(err, errClientGone), errors.As(err, &line):
		return errClientGone.Error()
	case errors.Is(err, deploy.ErrNotFound):
		return "the app was removed in the meantime"
	}
	s.log.Error("git session failed", append(attrs, "error", err)...)
	return "teal failed, and its log tells why: " + deploy.Clean(err.Error(), 120)
}
