package gitserver

import (
	"context"
	"sync"
	"time"

	"teal/deploy"
)

// memory is a store for tests: apps, users, keys and rights, as the real one
// answers about them.
type memory struct {
	mu    sync.Mutex
	apps  map[deploy.AppName]deploy.App
	users map[string]deploy.User
	keys  map[string]deploy.Key // by fingerprint
	right map[string]deploy.Right
	audit []string
}

func newMemory() *memory {
	return &memory{
		apps: map[deploy.AppName]deploy.App{}, users: map[string]deploy.User{},
		keys: map[string]deploy.Key{}, right: map[string]deploy.Right{},
	}
}

func (m *memory) App(_ context.Context, name deploy.AppName) (deploy.App, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.apps[name]
	if !ok {
		return a, deploy.ErrNotFound
	}
	return a, nil
}

func (m *memory) CreateApp(_ context.Context, app deploy.App) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.apps[app.Name]; ok {
		return deploy.ErrExists
	}
	m.apps[app.Name] = app
	m.right[app.CreatedBy+"/"+string(app.Name)] = deploy.Admin
	return nil
}

// change edits an app as the core would.
func (m *memory) change(name deploy.AppName, f func(*deploy.App)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := m.apps[name]
	f(&a)
	m.apps[name] = a
}

func (m *memory) User(_ context.Context, name string) (deploy.User, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	u, ok := m.users[name]
	if !ok {
		return u, deploy.ErrNotFound
	}
	return u, nil
}

func (m *memory) RightOf(_ context.Context, user string, app deploy.AppName) (deploy.Right, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.right[user+"/"+string(app)], nil
}

func (m *memory) Audit(_ context.Context, user string, verb deploy.Verb, app deploy.AppName, allowed bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	answer := "refused"
	if allowed {
		answer = "allowed"
	}
	m.audit = append(m.audit, user+" "+string(verb)+" "+string(app)+" "+answer)
	return nil
}

func (m *memory) KeyOwner(_ context.Context, fingerprint string) (deploy.Key, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k, ok := m.keys[fingerprint]
	if !ok {
		return k, deploy.ErrNotFound
	}
	return k, nil
}

func (m *memory) TouchKey(_ context.Context, fingerprint string, at time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.keys[fingerprint]
	k.LastUsedAt = at
	m.keys[fingerprint] = k
	return nil
}

func (m *memory) grant(user string, app deploy.AppName, right deploy.Right) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.right[user+"/"+string(app)] = right
}

func (m *memory) removeKey(fingerprint string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.keys, fingerprint)
}
