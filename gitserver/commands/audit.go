package commands

import (
	"context"
	"time"

	"teal/deploy"
)

var auditRow = command{
	name: "audit", scope: server, verb: deploy.VerbUsers, json: true,
	short:    "who asked for what, and whether it was allowed",
	options:  []option{{name: "lines", short: "n", value: "N", help: "the last N records (50)"}},
	examples: []string{"audit", "audit -n 500 --json"},
	run:      runAudit,
}

type auditDocument struct {
	ID      int64      `json:"id"`
	At      *time.Time `json:"at"`
	User    string     `json:"user"`
	Verb    string     `json:"verb"`
	App     string     `json:"app"`
	Allowed bool       `json:"allowed"`
}

func runAudit(ctx context.Context, j *job) error {
	n, err := j.flags.number("lines", 50, 1, 10000)
	if err != nil {
		return j.usage("%s", err)
	}
	var all []AuditRecord
	if j.Audit != nil {
		if all, err = j.Audit(ctx, n); err != nil {
			return err
		}
	}
	if j.flags.on("json") {
		docs := []auditDocument{}
		for _, r := range all {
			docs = append(docs, auditDocument{r.ID, stamp(r.At), r.User, string(r.Verb), string(r.App), r.Allowed})
		}
		return j.document(map[string]any{"records": docs})
	}
	t := j.rows("WHEN", "USER", "ASKED TO", "APP", "ANSWER")
	for _, r := range all {
		answer := "allowed"
		if !r.Allowed {
			answer = "REFUSED"
		}
		t.add(j.ago(r.At), r.User, string(r.Verb), string(r.App), answer)
	}
	t.end()
	return nil
}
