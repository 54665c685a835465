package main

import (
	"context"

	"teal/deploy"
)

// neededCommits gives the commits that may still be built, promoted or gone back
// to, whatever the app's branches hold: those of the releases whose images are
// kept, and of the deployments that are not over.
func neededCommits(store deploy.Store) func(ctx context.Context, app deploy.AppName) ([]string, error) {
	return func(ctx context.Context, app deploy.AppName) (commits []string, err error) {
		// Deployments first: one that ends in between has made its release by then.
		open, err := store.Open(ctx)
		if err != nil {
			return nil, err
		}
		releases, err := store.Releases(ctx, app)
		if err != nil {
			return nil, err
		}
		for _, d := range open {
			if d.App == app {
				commits = append(commits, d.Push.New, d.Push.Commit.ID)
			}
		}
		for _, r := range releases {
			if !r.Gone {
				commits = append(commits, r.Commit.ID)
			}
		}
		return commits, nil
	}
}
