package commands

import (
	"context"
	"errors"
	"fmt"

	"teal/deploy"
)

var accessRow = command{
	name: "access", usage: "APP [USER RIGHT]", short: "who may do what with the app",
	subs: []command{
		{
			name: "list", usage: "APP", scope: oneApp, verb: deploy.VerbView, json: true,
			short: "users and their rights", examples: []string{"access list shop"}, run: runAccessList,
		},
		{
			name: "grant", usage: "APP USER RIGHT", scope: oneApp, verb: deploy.VerbAccess, least: 2, most: 2,
			short: "let a user in: viewer, deployer or admin",
			long: "viewer sees the app, its deployments and logs; deployer also pushes, rolls back,\n" +
				"and changes config; admin also changes domains and access, and may destroy it.",
			examples: []string{"access grant shop ben deployer"}, run: runAccessGrant,
		},
		{
			name: "revoke", usage: "APP USER", scope: oneApp, verb: deploy.VerbAccess, least: 1, most: 1,
			short: "let a user in no more", examples: []string{"access revoke shop ben"}, run: runAccessRevoke,
		},
	},
}

type accessDocument struct {
	User  string       `json:"user"`
	Right deploy.Right `json:"right"`
}

func runAccessList(ctx context.Context, j *job) error {
	list, err := j.Store.AccessList(ctx, j.app.Name)
	if err != nil {
		return err
	}
	docs := []accessDocument{}
	for _, a := range list {
		docs = append(docs, accessDocument{a.User, a.Right})
	}
	if j.flags.on("json") {
		return j.document(map[string]any{"app": j.app.Name, "access": docs})
	}
	if len(docs) > 0 {
		t := j.rows("USER", "RIGHT")
		for _, d := range docs {
			t.add(d.User, string(d.Right))
		}
		t.end()
	}
	j.remark("Administrators of this Teal may do everything with every app.")
	return nil
}

func runAccessGrant(ctx context.Context, j *job) error {
	right, err := deploy.ParseRight(j.words[1])
	if err != nil {
		return err
	}
	user, err := j.userNamed(ctx, j.words[0])
	if err != nil {
		return err
	}
	if err := j.Store.Grant(ctx, deploy.Access{User: user.Name, App: j.app.Name, Right: right}); err != nil {
		return err
	}
	j.say("%s is %s of %s now.", user.Name, right, j.app.Name)
	return nil
}

func runAccessRevoke(ctx context.Context, j *job) error {
	name, err := deploy.ParseUserName(j.words[0])
	if err != nil {
		return err
	}
	if err := j.Store.Revoke(ctx, name, j.app.Name); err != nil {
		return because(err, deploy.ErrNotFound, ExitNotFound,
			fmt.Sprintf("%s has no right on %s", name, j.app.Name), j.Hint.Command("access", "list", string(j.app.Name)))
	}
	j.say("%s has no right on %s any more.", name, j.app.Name)
	return nil
}

// userNamed gives the user that a word names.
func (j *job) userNamed(ctx context.Context, word string) (deploy.User, error) {
	name, err := deploy.ParseUserName(word)
	if err != nil {
		return deploy.User{}, err
	}
	u, err := j.Store.User(ctx, name)
	if errors.Is(err, deploy.ErrNotFound) {
		next := "an administrator adds users: " + j.Hint.Command("users", "add", name)
		return u, trouble(ExitNotFound, "there is no user "+name, next).because(err)
	}
	return u, err
}
