package commands

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"teal/deploy"
)

var appsRow = command{
	name: "apps", scope: self, json: true,
	short:    "your apps: what serves, and what happened last",
	examples: []string{"apps", "apps --json"},
	run:      runApps,
}

func runApps(ctx context.Context, j *job) error {
	apps, err := j.Store.AppsOf(ctx, j.user.Name)
	if err != nil {
		return err
	}
	docs := []appDocument{}
	lasts := make([]*deploy.Deployment, len(apps))
	for i, a := range apps {
		if lasts[i], err = j.newest(ctx, a.Name); err != nil {
			return err
		}
		docs = append(docs, j.appDocument(a, lasts[i]))
	}
	if j.flags.on("json") {
		return j.document(map[string]any{"apps": docs})
	}
	if len(apps) == 0 {
		j.say("No apps yet.")
		j.remark("next: %s", j.Hint.Command("create", "APP"))
		return nil
	}
	t := j.rows("APP", "SERVES", "SINCE", "LAST DEPLOYMENT", "URL")
	for i, a := range apps {
		t.add(string(a.Name), serving(a), j.ago(a.ReplacedAt), j.brief(lasts[i]), j.URL(string(a.Name)))
	}
	t.end()
	return nil
}

// newest gives the app's last deployment; nil when it never had one.
func (j *job) newest(ctx context.Context, app deploy.AppName) (*deploy.Deployment, error) {
	list, err := j.Store.Deployments(ctx, app, 0, 1)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// serving says what answers production: "v14 on green".
func serving(a deploy.App) string {
	if a.Live == 0 {
		return "nothing yet"
	}
	return fmt.Sprintf("%s on %s", deploy.ReleaseName(a.Live), a.Active)
}

// brief says what became of a deployment: "17 failed at probe, 3 min ago".
func (j *job) brief(d *deploy.Deployment) string {
	if d == nil {
		return ""
	}
	s := fmt.Sprintf("%d %s", d.ID, d.State)
	if d.State == deploy.Failed && d.Failure != nil {
		s += " at " + string(d.Failure.Step)
	}
	at := d.FinishedAt
	if at.IsZero() {
		at = d.CreatedAt
	}
	return s + ", " + j.ago(at)
}

var createRow = command{
	name: "create", usage: "APP", scope: newApp, verb: deploy.VerbCreate,
	short: "a new app, ready for its first push",
	long: "You become admin of the app. A first push to a name that is not taken creates\n" +
		"the app too; create is for setting its config or domains before that.",
	examples: []string{"create shop"},
	run:      runCreate,
}

func runCreate(ctx context.Context, j *job) error {
	name := j.app.Name
	err := j.Store.CreateApp(ctx, deploy.App{Name: name, CreatedAt: j.Now(), CreatedBy: j.user.Name})
	if err != nil {
		return because(err, deploy.ErrExists, ExitBusy,
			fmt.Sprintf("the name %s is taken", name), "choose another one, or see yours: "+j.Hint.Command("apps"))
	}
	j.say("Created %s.", name)
	if url := j.URL(string(name)); url != "" {
		j.say("It will be at %s after the first push:", url)
	}
	j.say("\n  git remote add teal %s\n  git push teal main", j.Hint.Remote(name))
	return nil
}

var destroyRow = command{
	name: "destroy", usage: "APP [APP]", scope: oneApp, verb: deploy.VerbDestroy, most: 1, limit: undoTime,
	short: "remove an app for good; asks for its name",
	long: "Takes the app off the router and removes its containers, images, repository,\n" +
		"config, domains and history. There is no way back. To show that you mean it,\n" +
		"type the name a second time, or give it on standard input. Its volumes are kept,\n" +
		"and an app of the same name finds them again, unless --volumes is given.",
	options:  []option{{name: "volumes", help: "remove its volumes and all that is in them, too"}},
	examples: []string{"destroy shop shop", "destroy shop shop --volumes"},
	run:      runDestroy,
}

func runDestroy(ctx context.Context, j *job) error {
	name := j.app.Name
	var typed string
	if len(j.words) > 0 {
		typed = j.words[0]
	} else {
		j.remark("This removes %s for good: containers, images, repository, config, domains, history.", name)
		if j.app.Live != 0 {
			j.remark("%s serves %s now.", serving(j.app), j.URL(string(name)))
		}
		j.remark("Type its name to go on:")
		var err error
		if typed, err = j.read(ctx, readName); err != nil {
			return err
		}
	}
	if typed != string(name) {
		return trouble(ExitUsage, fmt.Sprintf("that is not its name: %s was left as it is", name),
			"if you mean it: "+j.Hint.Command("destroy", string(name), string(name)))
	}
	// Half destroyed is worse than either: a client that hangs up now does not stop it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	if err := j.Engine.Destroy(ctx, name, j.user.Name); err != nil {
		return err
	}
	if j.flags.on("volumes") && j.RemoveVolumes != nil {
		if err := j.RemoveVolumes(ctx, name); err != nil {
			return fmt.Errorf("%s is destroyed, but volumes are left: %w", name, err)
		}
	}
	j.say("Destroyed %s.", name)
	return nil
}

func readName(r io.Reader) (string, error) {
	s, err := bufio.NewReader(io.LimitReader(r, 200)).ReadString('\n')
	if err == io.EOF {
		err = nil
	}
	return strings.TrimSpace(s), err
}
