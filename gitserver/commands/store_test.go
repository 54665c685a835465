package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"teal/deploy"
)

func (w *world) User(_ context.Context, name string) (deploy.User, error) {
	u, ok := w.users[name]
	if !ok {
		return u, fmt.Errorf("user %s: %w", name, deploy.ErrNotFound)
	}
	return u, w.broken["User"]
}

func (w *world) RightOf(_ context.Context, user string, app deploy.AppName) (deploy.Right, error) {
	for _, a := range w.rights {
		if a.User == user && a.App == app {
			return a.Right, nil
		}
	}
	return "", nil
}

func (w *world) Audit(_ context.Context, user string, verb deploy.Verb, app deploy.AppName, allowed bool) error {
	w.audit = append(w.audit, AuditRecord{ID: int64(len(w.audit) + 1), At: noon, User: user, Verb: verb, App: app, Allowed: allowed})
	return w.broken["Audit"]
}

func (w *world) App(_ context.Context, name deploy.AppName) (deploy.App, error) {
	a, ok := w.apps[name]
	if !ok {
		return a, fmt.Errorf("app %s: %w", name, deploy.ErrNotFound)
	}
	return a, nil
}

func (w *world) AppsOf(ctx context.Context, user string) ([]deploy.App, error) {
	var all []deploy.App
	for _, name := range slices.Sorted(maps.Keys(w.apps)) {
		if right, _ := w.RightOf(ctx, user, name); right != "" || w.users[user].Admin {
			all = append(all, w.apps[name])
		}
	}
	return all, w.broken["AppsOf"]
}

func (w *world) CreateApp(_ context.Context, a deploy.App) error {
	if _, ok := w.apps[a.Name]; ok {
		return fmt.Errorf("app %s: %w", a.Name, deploy.ErrExists)
	}
	w.apps[a.Name] = a
	w.rights = append(w.rights, deploy.Access{User: a.CreatedBy, App: a.Name, Right: deploy.Admin})
	return nil
}

func (w *world) edit(app deploy.AppName, f func(*deploy.App)) error {
	a, err := w.App(context.Background(), app)
	if err == nil {
		f(&a)
		w.apps[app] = a
	}
	return err
}

func (w *world) SetEnv(_ context.Context, app deploy.AppName, set map[string]string, unset []string) (deploy.App, error) {
	if err := w.broken["SetEnv"]; err != nil {
		return deploy.App{}, err
	}
	err := w.edit(app, func(a *deploy.App) {
		env := map[string]string{}
		maps.Copy(env, a.Env)
		for _, k := range unset {
			delete(env, k)
		}
		maps.Copy(env, set)
		a.Env = env
	})
	return w.apps[app], err
}

func (w *world) SetBuildSecrets(_ context.Context, app deploy.AppName, set map[string]string, unset []string) (deploy.App, error) {
	err := w.edit(app, func(a *deploy.App) {
		secrets := map[string]string{}
		maps.Copy(secrets, a.BuildSecrets)
		for _, k := range unset {
			delete(secrets, k)
		}
		maps.Copy(secrets, set)
		a.BuildSecrets = secrets
	})
	return w.apps[app], err
}

func (w *world) AddDomain(_ context.Context, app deploy.AppName, host string) error {
	for _, a := range w.apps {
		if slices.Contains(a.Domains, host) {
			return fmt.Errorf("domain %s: %w", host, deploy.ErrExists)
		}
	}
	return w.edit(app, func(a *deploy.App) { a.Domains = append(a.Domains, host) })
}

func (w *world) RemoveDomain(_ context.Context, app deploy.AppName, host string) error {
	if !slices.Contains(w.apps[app].Domains, host) {
		return fmt.Errorf("domain %s: %w", host, deploy.ErrNotFound)
	}
	return w.edit(app, func(a *deploy.App) {
		a.Domains = slices.DeleteFunc(slices.Clone(a.Domains), func(h string) bool { return h == host })
	})
}

func (w *world) SetBranch(_ context.Context, app deploy.AppName, branch string) error {
	return w.edit(app, func(a *deploy.App) { a.Branch = branch })
}

func (w *world) SetPatchSchedule(_ context.Context, app deploy.AppName, spec string) error {
	return w.edit(app, func(a *deploy.App) { a.PatchSchedule = spec })
}

func (w *world) Deployment(_ context.Context, id deploy.DeploymentID) (deploy.Deployment, error) {
	for _, d := range w.history {
		if d.ID == id {
			return d, nil
		}
	}
	return deploy.Deployment{}, fmt.Errorf("deployment %d: %w", id, deploy.ErrNotFound)
}

func (w *world) Deployments(_ context.Context, app deploy.AppName, before deploy.DeploymentID, limit int) ([]deploy.Deployment, error) {
	var all []deploy.Deployment
	for _, d := range slices.Backward(w.history) {
		if d.App == app && (before == 0 || d.ID < before) && len(all) < limit {
			all = append(all, d)
		}
	}
	return all, w.broken["Deployments"]
}

func (w *world) Log(_ context.Context, id deploy.DeploymentID, after, limit int) ([]deploy.LogLine, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []deploy.LogLine
	for _, l := range w.logs[id] {
		if l.N > after && len(all) < limit {
			all = append(all, l)
		}
	}
	return all, w.broken["Log"]
}

func (w *world) Deliveries(_ context.Context, limit int) ([]deploy.Delivery, error) {
	return w.outbox[:min(limit, len(w.outbox))], nil
}

func (w *world) Release(_ context.Context, app deploy.AppName, number int) (deploy.Release, error) {
	for _, r := range w.releases {
		if r.App == app && r.Number == number {
			return r, nil
		}
	}
	return deploy.Release{}, fmt.Errorf("release v%d: %w", number, deploy.ErrNotFound)
}

func (w *world) Releases(_ context.Context, app deploy.AppName) ([]deploy.Release, error) {
	var all []deploy.Release
	for _, r := range slices.Backward(w.releases) {
		if r.App == app {
			all = append(all, r)
		}
	}
	return all, nil
}

func (w *world) CreateUser(_ context.Context, u deploy.User) error {
	if _, ok := w.users[u.Name]; ok {
		return fmt.Errorf("user %s: %w", u.Name, deploy.ErrExists)
	}
	w.users[u.Name] = u
	return nil
}

func (w *world) Users(context.Context) ([]deploy.User, error) {
	var all []deploy.User
	for _, name := range slices.Sorted(maps.Keys(w.users)) {
		all = append(all, w.users[name])
	}
	return all, nil
}

func (w *world) lastAdmin(name string) error {
	for _, u := range w.users {
		if u.Admin && u.Name != name {
			return nil
		}
	}
	return fmt.Errorf("%w: last admin", deploy.ErrConflict)
}

func (w *world) UpdateUser(_ context.Context, u deploy.User) error {
	if err := w.lastAdmin(u.Name); !u.Admin && err != nil {
		return err
	}
	w.users[u.Name] = u
	return nil
}

func (w *world) DeleteUser(_ context.Context, name string) error {
	if err := w.lastAdmin(name); err != nil {
		return err
	}
	delete(w.users, name)
	w.keys = slices.DeleteFunc(w.keys, func(k deploy.Key) bool { return k.User == name })
	return nil
}

func (w *world) AddKey(_ context.Context, k deploy.Key) error {
	if slices.ContainsFunc(w.keys, func(o deploy.Key) bool { return o.Fingerprint == k.Fingerprint }) {
		return fmt.Errorf("key %s: %w", k.Fingerprint, deploy.ErrExists)
	}
	w.keys = append(w.keys, k)
	return nil
}

func (w *world) RemoveKey(_ context.Context, user, fingerprint string) error {
	n := len(w.keys)
	w.keys = slices.DeleteFunc(w.keys, func(k deploy.Key) bool { return k.User == user && k.Fingerprint == fingerprint })
	if len(w.keys) == n {
		return fmt.Errorf("key %s: %w", fingerprint, deploy.ErrNotFound)
	}
	return nil
}

func (w *world) Keys(_ context.Context, user string) ([]deploy.Key, error) {
	var all []deploy.Key
	for _, k := range w.keys {
		if user == "" || k.User == user {
			all = append(all, k)
		}
	}
	return all, nil
}

func (w *world) Grant(_ context.Context, a deploy.Access) error {
	w.rights = slices.DeleteFunc(w.rights, func(o deploy.Access) bool { return o.User == a.User && o.App == a.App })
	w.rights = append(w.rights, a)
	return nil
}

func (w *world) Revoke(_ context.Context, user string, app deploy.AppName) error {
	n := len(w.rights)
	w.rights = slices.DeleteFunc(w.rights, func(o deploy.Access) bool { return o.User == user && o.App == app })
	if len(w.rights) == n {
		return deploy.ErrNotFound
	}
	return nil
}

func (w *world) AccessList(_ context.Context, app deploy.AppName) ([]deploy.Access, error) {
	var all []deploy.Access
	for _, a := range w.rights {
		if a.App == app {
			all = append(all, a)
		}
	}
	return all, nil
}

func (w *world) CreateLoginToken(_ context.Context, user string, expires time.Time) (string, error) {
	w.tokens[user] = expires
	return "token-of-" + user, nil
}
