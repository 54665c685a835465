package commands

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"teal/deploy"
)

var releasesRow = command{
	name: "releases", usage: "APP", scope: oneApp, verb: deploy.VerbView, json: true,
	short: "what was built, and what can be brought back",
	long: "A release is a commit, its image, settings and config, under a number for ever.\n" +
		"One whose image is gone can't be brought back; push its commit again.",
	examples: []string{"releases shop"},
	run:      runReleases,
}

type releaseDocument struct {
	Release   int        `json:"release"`
	Commit    string     `json:"commit"`
	Subject   string     `json:"subject"`
	Author    string     `json:"author"`
	Cause     string     `json:"cause"`
	By        string     `json:"by"`
	CreatedAt *time.Time `json:"created_at"`
	Image     string     `json:"image"`
	Live      bool       `json:"live"`
	Previous  bool       `json:"previous"`
	Staged    bool       `json:"staged"`
	Gone      bool       `json:"gone"`
}

func runReleases(ctx context.Context, j *job) error {
	all, err := j.Store.Releases(ctx, j.app.Name)
	if err != nil {
		return err
	}
	docs := []releaseDocument{}
	for _, r := range all {
		docs = append(docs, releaseDocument{
			Release: r.Number, Commit: r.Commit.ID, Subject: r.Commit.Subject, Author: r.Commit.Author,
			Cause: string(r.Cause), By: r.CreatedBy, CreatedAt: stamp(r.CreatedAt), Image: r.Image,
			Live: r.Number == j.app.Live, Previous: r.Number == j.app.Previous,
			Staged: r.Number == j.app.Staged, Gone: r.Gone,
		})
	}
	if j.flags.on("json") {
		return j.document(map[string]any{"app": j.app.Name, "releases": docs})
	}
	if len(all) == 0 {
		j.say("No releases yet.")
		return nil
	}
	t := j.rows("RELEASE", "ROLE", "COMMIT", "CAUSE", "BY", "WHEN", "SUBJECT")
	for i, r := range all {
		t.add(r.Name(), docs[i].mark(), r.Commit.Short(), string(r.Cause), byWhom(r.CreatedBy), j.ago(r.CreatedAt), deploy.Clean(r.Commit.Subject, 60))
	}
	t.end()
	return nil
}

func (r releaseDocument) mark() string {
	switch {
	case r.Live:
		return "live"
	case r.Staged:
		return "staged"
	case r.Previous:
		return "previous"
	case r.Gone:
		return "gone"
	}
	return ""
}

// byWhom names who began something: a user, or Teal itself.
func byWhom(user string) string {
	if user == "" {
		return "Teal"
	}
	return user
}

// parseNumber reads a number above 0 that may have a letter before it ("v14").
func parseNumber(s, letter string) (int, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(s, letter))
	if err != nil || n < 1 || n > 1<<31-1 {
		return 0, fmt.Errorf("%q is not a number above 0", deploy.Clean(s, 40))
	}
	return n, nil
}
