package gitserver

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"teal/deploy"
)

// Commit reads what people want to know about a commit, cleaned of everything
// that could disturb a terminal or a page. ErrNotFound when the repository does
// not have it.
func (r *Repos) Commit(ctx context.Context, app deploy.AppName, id string) (deploy.Commit, error) {
	if !isHash(id) || !r.exists(app) {
		return deploy.Commit{}, fmt.Errorf("commit %s of %s: %w", deploy.Clean(id, 40), app, deploy.ErrNotFound)
	}
	p := r.plumbing(app)
	c, err := readCommit(ctx, p, app, id)
	if err == nil || ctx.Err() != nil {
		return c, err
	}
	if kind, kerr := p.kind(ctx, id); kerr == nil && kind != "commit" {
		err = fmt.Errorf("commit %s of %s: %w", id, app, deploy.ErrNotFound)
	}
	return deploy.Commit{}, err
}

// readCommit reads a commit. What is there and no commit is an error.
func readCommit(ctx context.Context, p plumbing, app deploy.AppName, id string) (deploy.Commit, error) {
	// log re-encodes old character sets to UTF-8. Widths bound what a commit with
	// a name or subject of megabytes makes it print.
	out, err := p.run(ctx, 64<<10, "",
		"log", "-1", "--no-color", "--no-decorate", "--no-show-signature", "--no-mailmap", "--encoding=UTF-8",
		"--format=%H%x00%<(400,trunc)%an%x00%<(400,trunc)%ae%x00%ct%x00%<(1000,trunc)%s", id)
	if err != nil {
		return deploy.Commit{}, fmt.Errorf("cannot read commit %s of %s: %w", id, app, err)
	}
	found, text, _ := strings.Cut(strings.TrimSuffix(string(out), "\n"), "\x00")
	parts := strings.SplitN(text, "\x00", 4)
	if len(parts) != 4 || found != id { // log takes a tag for what it names
		return deploy.Commit{}, fmt.Errorf("cannot read commit %s of %s: git log wrote %d fields", id, app, len(parts))
	}
	seconds, _ := strconv.ParseInt(parts[2], 10, 64) // a broken date is 1970, not a refused push
	author := strings.TrimSpace(parts[0]) + " <" + strings.TrimSpace(parts[1]) + ">"
	return deploy.Commit{
		ID:      id,
		Author:  deploy.Clean(author, 200),
		Subject: deploy.Clean(strings.TrimSpace(parts[3]), 200),
		At:      time.Unix(clampSeconds(seconds), 0).UTC(),
	}, nil
}

// clampSeconds keeps a date within what JSON and tar can hold.
func clampSeconds(s int64) int64 {
	const lastOf9999 = 253402300799
	return max(0, min(s, lastOf9999))
}

// kind gives the type of an object: "commit", "tree", "blob", "tag", or
// "missing".
func (p plumbing) kind(ctx context.Context, id string) (string, error) {
	kinds, err := p.kinds(ctx, []string{id})
	if err != nil {
		return "", err
	}
	return kinds[0], nil
}

func (p plumbing) kinds(ctx context.Context, ids []string) ([]string, error) {
	out, err := p.run(ctx, 64*(len(ids)+1), strings.Join(ids, "\n")+"\n", "cat-file", "--batch-check=%(objecttype)")
	if err != nil {
		return nil, fmt.Errorf("cannot look up objects: %w", err)
	}
	lines := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(lines) != len(ids) {
		return nil, fmt.Errorf("cannot look up objects: asked for %d, told of %d", len(ids), len(lines))
	}
	for i, line := range lines {
		if strings.HasSuffix(line, " missing") {
			lines[i] = "missing"
		}
	}
	return lines, nil
}
