package commands

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"time"

	"teal/deploy"
)

var userOptions = []option{
	{name: "email", value: "ADDRESS", help: "where alerts go; \"\" for none"},
	{name: "admin", help: "may do everything with every app, and manage users (--admin=false takes it)"},
	{name: "create", help: "may create apps (--create=false takes it)"},
}

var usersRow = command{
	name: "users", usage: "[NAME]", short: "who may log in at all",
	subs: []command{
		{
			name: "list", scope: server, verb: deploy.VerbUsers, json: true,
			short: "everybody", examples: []string{"users list"}, run: runUsersList,
		},
		{
			name: "add", usage: "NAME", scope: server, verb: deploy.VerbUsers, options: userOptions, least: 1, most: 1,
			short: "a new user, who gets keys next", examples: []string{"users add ben --email ben@example.com --create"}, run: runUsersAdd,
		},
		{
			name: "set", usage: "NAME", scope: server, verb: deploy.VerbUsers, options: userOptions, least: 1, most: 1,
			short: "change a user", examples: []string{"users set ben --admin", "users set ben --create=false"}, run: runUsersSet,
		},
		{
			name: "remove", usage: "NAME", scope: server, verb: deploy.VerbUsers, least: 1, most: 1,
			short: "remove a user with keys and rights; sessions end at once",
			long:  "Apps that the user made stay. The last administrator can't be removed.", examples: []string{"users remove ben"}, run: runUsersRemove,
		},
	},
}

type userDocument struct {
	Name       string     `json:"name"`
	Email      string     `json:"email"`
	Admin      bool       `json:"admin"`
	MayCreate  bool       `json:"may_create"`
	Keys       int        `json:"keys"`
	CreatedAt  *time.Time `json:"created_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

func runUsersList(ctx context.Context, j *job) error {
	users, err := j.Store.Users(ctx)
	if err != nil {
		return err
	}
	keys, err := j.Store.Keys(ctx, "")
	if err != nil {
		return err
	}
	owned, used := map[string]int{}, map[string]time.Time{}
	for _, k := range keys {
		owned[k.User]++
		if k.LastUsedAt.After(used[k.User]) {
			used[k.User] = k.LastUsedAt
		}
	}
	docs := []userDocument{}
	for _, u := range users {
		docs = append(docs, userDocument{u.Name, u.Email, u.Admin, u.MayCreate, owned[u.Name], stamp(u.CreatedAt), stamp(used[u.Name])})
	}
	if j.flags.on("json") {
		return j.document(map[string]any{"users": docs})
	}
	t := j.rows("USER", "EMAIL", "MAY", "KEYS", "LAST SEEN")
	for _, u := range users {
		t.add(u.Name, u.Email, powers(u), fmt.Sprint(owned[u.Name]), j.ago(used[u.Name]))
	}
	t.end()
	return nil
}

// powers says what a user may do beside the rights on apps.
func powers(u deploy.User) string {
	switch {
	case u.Admin:
		return "do everything"
	case u.MayCreate:
		return "create apps"
	}
	return ""
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// change puts what was typed on the user.
func (j *job) change(u *deploy.User) error {
	if email, ok := j.flags["email"]; ok {
		if !isAddress(email) {
			return j.usage("%q is not a mail address", deploy.Clean(email, 80))
		}
		u.Email = email
	}
	if j.flags.has("admin") {
		u.Admin = j.flags.on("admin")
	}
	if j.flags.has("create") {
		u.MayCreate = j.flags.on("create")
	}
	return nil
}

// isAddress accepts a bare mail address, or none.
func isAddress(s string) bool {
	if s == "" {
		return true
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Address == s && len(s) <= 254 && deploy.Clean(s, 254) == s
}

func runUsersAdd(ctx context.Context, j *job) error {
	name, err := deploy.ParseUserName(j.words[0])
	if err != nil {
		return err
	}
	u := deploy.User{Name: name, CreatedAt: j.Now()}
	if err := j.change(&u); err != nil {
		return err
	}
	if err := j.Store.CreateUser(ctx, u); err != nil {
		return because(err, deploy.ErrExists, ExitBusy, "there is a user "+name+" already", j.Hint.Command("users", "list"))
	}
	j.say("Added %s.", name)
	j.remark("next: %s", j.Hint.Command("keys", "add", "--user", name, "<", name+".pub"))
	return nil
}

func runUsersSet(ctx context.Context, j *job) error {
	if len(j.flags) == 0 {
		return j.usage("users set changes what its options say: --email, --admin, --create")
	}
	u, err := j.userNamed(ctx, j.words[0])
	if err != nil {
		return err
	}
	if err := j.change(&u); err != nil {
		return err
	}
	if err := j.Store.UpdateUser(ctx, u); err != nil {
		return j.lastAdmin(err, u.Name)
	}
	j.say("%s: mail %s, may %s.", u.Name, orElse(deploy.Clean(u.Email, 254), "unknown"), orElse(powers(u), "do what the rights on apps say"))
	return nil
}

func runUsersRemove(ctx context.Context, j *job) error {
	u, err := j.userNamed(ctx, j.words[0])
	if err != nil {
		return err
	}
	keys, err := j.Store.Keys(ctx, u.Name)
	if err != nil {
		return err
	}
	change, cancel := lasting(ctx)
	defer cancel()
	if err := j.Store.DeleteUser(change, u.Name); err != nil {
		return j.lastAdmin(err, u.Name)
	}
	j.say("Removed %s and %s.", u.Name, count(len(keys), "key"))
	for _, k := range keys {
		j.Cut(k.Fingerprint)
	}
	return nil
}

func (j *job) lastAdmin(err error, name string) error {
	if errors.Is(err, deploy.ErrConflict) {
		return trouble(ExitFailed, name+" is the last administrator of this Teal", "make another user one first: "+j.Hint.Command("users", "set", "NAME", "--admin")).because(err)
	}
	return err
}
