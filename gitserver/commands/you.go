package commands

import (
	"context"
	"time"

	"teal/deploy"
)

// loginLife is how long a link into the console is good.
const loginLife = 15 * time.Minute

var loginRow = command{
	name: "login", scope: self,
	short:    "a link into the console, good once and for 15 minutes",
	long:     "Who has the link is you: open it, and send it to nobody.",
	examples: []string{"login"},
	run:      runLogin,
}

func runLogin(ctx context.Context, j *job) error {
	token, err := j.Store.CreateLoginToken(ctx, j.user.Name, j.Now().Add(loginLife))
	if err != nil {
		return err
	}
	j.say("%s", j.LoginURL(token))
	j.remark("Good once, for the next %s. Send it to nobody.", span(loginLife))
	return nil
}

var whoamiRow = command{
	name: "whoami", scope: self, json: true,
	short:    "who your key says you are, and what you may do",
	examples: []string{"whoami"},
	run:      runWhoami,
}

type ownApp struct {
	Name  string `json:"name"`
	Right string `json:"right"`
}

type whoamiDocument struct {
	Name      string   `json:"name"`
	Email     string   `json:"email"`
	Admin     bool     `json:"admin"`
	MayCreate bool     `json:"may_create"`
	Apps      []ownApp `json:"apps"`
}

func runWhoami(ctx context.Context, j *job) error {
	u := j.user
	doc := whoamiDocument{u.Name, u.Email, u.Admin, u.MayCreate, []ownApp{}}
	apps, err := j.Store.AppsOf(ctx, u.Name)
	if err != nil {
		return err
	}
	for _, a := range apps {
		right, err := j.Store.RightOf(ctx, u.Name, a.Name)
		if err != nil {
			return err
		}
		if u.Admin {
			right = deploy.Admin
		}
		doc.Apps = append(doc.Apps, ownApp{string(a.Name), string(right)})
	}
	if j.flags.on("json") {
		return j.document(doc)
	}
	j.say("You are %s.", u.Name)
	if u.Email != "" {
		j.say("Alerts for you go to %s.", deploy.Clean(u.Email, 254))
	} else {
		j.say("No mail address of yours is known: alerts can't reach you.")
	}
	if may := powers(u); may != "" {
		j.say("You may %s.", may)
	}
	if len(doc.Apps) > 0 {
		j.say("")
		t := j.rows("APP", "YOU ARE")
		for _, a := range doc.Apps {
			t.add(a.Name, a.Right)
		}
		t.end()
	}
	return nil
}

var versionRow = command{
	name: "version", scope: anyone,
	short:    "which Teal this is, and its host keys",
	examples: []string{"version"},
	run:      runVersion,
}

func runVersion(_ context.Context, j *job) error {
	version := j.Version
	if version == "" {
		version = "(unknown version)"
	}
	j.say("teal %s", version)
	for _, f := range j.HostFingerprints {
		j.say("host key %s", f)
	}
	return nil
}
