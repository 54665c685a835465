package console

import (
	"context"
	"errors"
	"fmt"

	"teal/deploy"
)

// picture is what is known of one app at one moment: what the app's page and
// the confirmation of "restart previous" are drawn from.
type picture struct {
	app       deploy.App
	recent    []deploy.Deployment // newest first
	releases  map[int]deploy.Release
	instances map[int][]deploy.Instance // by release
	away      string                    // why instances is empty, for the page
	traffic   deploy.Traffic
}

// historyPage is how many deployments a page of the history shows.
const historyPage = 20

func (c *Console) look(ctx context.Context, name deploy.AppName) (picture, error) {
	app, err := c.Store.App(ctx, name)
	if err != nil {
		return picture{}, fmt.Errorf("app %s: %w", name, err)
	}
	p := picture{app: app, releases: map[int]deploy.Release{}}
	if p.recent, err = c.Store.Deployments(ctx, name, 0, historyPage+1); err != nil {
		return picture{}, fmt.Errorf("cannot read the deployments of %s: %w", name, err)
	}
	numbers := []int{app.Live, app.Previous, app.Staged}
	if d, ok := p.underWay(); ok {
		numbers = append(numbers, d.Release)
	}
	for _, n := range numbers {
		if err := c.addRelease(ctx, &p, n); err != nil {
			return picture{}, err
		}
	}
	p.instances, p.away = c.instances(ctx, name)
	p.traffic = c.detours(name)
	return p, nil
}

// addRelease reads a release into the picture. One that is missing stays
// missing: the page shows its number alone.
func (c *Console) addRelease(ctx context.Context, p *picture, number int) error {
	if _, there := p.releases[number]; there || number == 0 {
		return nil
	}
	r, err := c.Store.Release(ctx, p.app.Name, number)
	if errors.Is(err, deploy.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot read release %s of %s: %w", deploy.ReleaseName(number), p.app.Name, err)
	}
	p.releases[number] = r
	return nil
}

// underWay is the newest deployment that a worker is busy with.
func (p picture) underWay() (deploy.Deployment, bool) {
	for _, d := range p.recent {
		if d.State.Running() {
			return d, true
		}
	}
	return deploy.Deployment{}, false
}

// staged is the deployment that waits on the preview for "promote".
func (p picture) staged() (deploy.Deployment, bool) {
	for _, d := range p.recent {
		if d.State == deploy.Staged {
			return d, true
		}
	}
	return deploy.Deployment{}, false
}

// shifting is the deployment whose gradual promotion can be completed at once.
func (p picture) shifting() (deploy.Deployment, bool) {
	d, ok := p.underWay()
	return d, ok && d.State == deploy.Shifting
}

// cancelable is the deployment that "cancel" would end.
func (p picture) cancelable() (deploy.Deployment, bool) {
	if d, ok := p.underWay(); ok && !d.State.Committed() {
		return d, true
	}
	return p.staged()
}

// running tells whether every instance of the release runs.
func (p picture) running(release int) bool {
	list := p.instances[release]
	for _, in := range list {
		if !in.Running {
			return false
		}
	}
	return len(list) > 0
}

// mayDeploy tells whether the visitor's buttons should be shown as usable.
// Whether they work is asked of Authorize.
func (c *Console) mayDeploy(ctx context.Context, v visit) bool {
	if v.user.Admin {
		return true
	}
	right, err := c.Store.RightOf(ctx, v.user.Name, v.app)
	return err == nil && (right == deploy.Deployer || right == deploy.Admin)
}
