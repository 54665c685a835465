package commands

import (
	"context"
	"fmt"
	"strings"
	"time"

	"teal/deploy"
)

var stackRow = command{
	name: "stack", scope: self, json: true, limit: undoTime,
	short: "the base images of this Teal, and who runs on them",
	long: "Apps without a Dockerfile are built and run on them, and a Dockerfile may begin with\n" +
		"one: FROM teal/node:24. The version stands for what an image holds: it changes when\n" +
		"that does. Patch runs look for newer parts of those that apps run on.",
	examples: []string{"stack", "stack --json"},
	run:      runStack,
}

// StackImage is one base image of Teal's own.
type StackImage struct {
	Name    string           // "teal/node:24"
	Version string           // stands for what it holds
	Source  string           // "Node 24.1.0; packages of Debian bookworm"
	Size    int64            // bytes
	MadeAt  time.Time        //
	Apps    []deploy.AppName // that run on it, of this installation
}

type stackDocument struct {
	Name    string           `json:"name"`
	Version string           `json:"version"`
	Source  string           `json:"source"`
	Size    int64            `json:"size"`
	MadeAt  *time.Time       `json:"made_at"`
	Apps    []deploy.AppName `json:"apps"`
}

func runStack(ctx context.Context, j *job) error {
	var all []StackImage
	var err error
	if j.Stack != nil {
		if all, err = j.Stack(ctx); err != nil {
			return err
		}
	}
	may, err := j.Store.AppsOf(ctx, j.user.Name)
	if err != nil {
		return err
	}
	seen := map[deploy.AppName]bool{}
	for _, a := range may {
		seen[a.Name] = true
	}
	docs := []stackDocument{}
	t := j.rows("IMAGE", "VERSION", "SIZE", "MADE", "FROM", "APPS")
	for _, i := range all {
		apps, names := []deploy.AppName{}, []string{}
		for _, app := range i.Apps {
			if seen[app] { // others are none of the user's business
				apps, names = append(apps, app), append(names, string(app))
			}
		}
		docs = append(docs, stackDocument{i.Name, i.Version, i.Source, i.Size, stamp(i.MadeAt), apps})
		t.add(i.Name, i.Version, fmt.Sprintf("%d MB", i.Size/1e6), j.ago(i.MadeAt), deploy.Clean(i.Source, 80), strings.Join(names, " "))
	}
	if j.flags.on("json") {
		return j.document(map[string]any{"images": docs})
	}
	if len(docs) == 0 {
		j.say("No base image is there yet: each is made when it is first needed.")
		return nil
	}
	t.end()
	return nil
}
