package commands

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unicode"

	"teal/deploy"
)

// document prints v as one JSON value. What a terminal could take for an
// instruction is escaped, so that nothing has to be changed to be safe.
func (j *job) document(v any) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("cannot write the document: %w", err)
	}
	var out bytes.Buffer
	for _, r := range b.String() {
		switch {
		case r == '\n', unicode.IsPrint(r) && !unicode.Is(unicode.Bidi_Control, r):
			out.WriteRune(r)
		case r > 0xffff:
			r -= 0x10000
			fmt.Fprintf(&out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
	}
	if _, err := j.Stdout.Write(out.Bytes()); err != nil {
		return fmt.Errorf("%w: %w", errGone, err)
	}
	return nil
}

// stamp is a time in a document: null when it is not known.
func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

type appDocument struct {
	Name           string              `json:"name"`
	URL            string              `json:"url"`
	PreviewURL     string              `json:"preview_url"`
	Active         string              `json:"active"`
	Live           int                 `json:"live"`
	Previous       int                 `json:"previous"`
	Staged         int                 `json:"staged"`
	Since          *time.Time          `json:"since"`
	Branch         string              `json:"branch"`
	Domains        []string            `json:"domains"`
	PatchSchedule  string              `json:"patch_schedule"`
	PatchPinned    bool                `json:"patch_pinned"`
	CreatedAt      *time.Time          `json:"created_at"`
	CreatedBy      string              `json:"created_by"`
	LastDeployment *deploymentDocument `json:"last_deployment"`
}

func (s *Set) appDocument(a deploy.App, last *deploy.Deployment) appDocument {
	doc := appDocument{
		Name: string(a.Name), URL: s.URL(string(a.Name)), PreviewURL: s.PreviewURL(string(a.Name)),
		Active: string(a.Active), Live: a.Live, Previous: a.Previous, Staged: a.Staged, Since: stamp(a.ReplacedAt),
		Branch: a.Branch, Domains: append([]string{}, a.Domains...),
		PatchSchedule: a.PatchSchedule, PatchPinned: a.PatchPinned,
		CreatedAt: stamp(a.CreatedAt), CreatedBy: a.CreatedBy,
	}
	if last != nil {
		d := s.deploymentDocument(*last)
		doc.LastDeployment = &d
	}
	return doc
}

type deploymentDocument struct {
	ID         int64            `json:"id"`
	App        string           `json:"app"`
	Cause      string           `json:"cause"`
	State      string           `json:"state"`
	Color      string           `json:"color"`
	Release    int              `json:"release"`
	Replaces   int              `json:"replaces"`
	By         string           `json:"by"`
	Ref        string           `json:"ref"`
	Commit     string           `json:"commit"`
	Subject    string           `json:"subject"`
	Author     string           `json:"author"`
	Note       string           `json:"note"`
	CreatedAt  *time.Time       `json:"created_at"`
	StartedAt  *time.Time       `json:"started_at"`
	PromotedAt *time.Time       `json:"promoted_at"`
	FinishedAt *time.Time       `json:"finished_at"`
	Duration   float64          `json:"duration_s"`
	Failure    *failureDocument `json:"failure"`
	Receipt    *deploy.Receipt  `json:"receipt"`
	Changes    []deploy.Change  `json:"changes,omitempty"` // of a security patch
}

type failureDocument struct {
	Step   string   `json:"step"`
	Class  string   `json:"class,omitempty"` // what kind of failure: see deploy.Class; releases before there were classes have none
	Reason string   `json:"reason"`
	Hint   string   `json:"hint"`
	Log    []string `json:"log"`
}

func (s *Set) deploymentDocument(d deploy.Deployment) deploymentDocument {
	c := d.Push.Commit
	doc := deploymentDocument{
		ID: int64(d.ID), App: string(d.App), Cause: string(d.Cause), State: string(d.State),
		Color: string(d.Color), Release: d.Release, Replaces: d.Replaces, By: d.By,
		Ref: d.Push.Ref, Commit: c.ID, Subject: c.Subject, Author: c.Author, Note: d.Note,
		CreatedAt: stamp(d.CreatedAt), StartedAt: stamp(d.StartedAt),
		PromotedAt: stamp(d.PromotedAt), FinishedAt: stamp(d.FinishedAt),
		Duration: d.Duration(s.Now()).Seconds(), Receipt: d.Receipt, Changes: d.Changes,
	}
	if f := d.Failure; f != nil {
		doc.Failure = &failureDocument{string(f.Step), string(f.Class), f.Reason, f.Hint, append([]string{}, f.Log...)}
	}
	return doc
}
