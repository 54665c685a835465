package builder

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/build"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"teal/deploy"
)

// layer is one step of an image's history. The Engine does not say how large
// each layer is, but how large each step was; two images share a layer when
// their histories are the same up to it. Steps of one second that say the same
// and are of the same size pass for one: a layer too few is counted then.
type layer struct {
	lineage string // of all steps up to this one
	bytes   int64
}

// Images implements deploy.Builder. What an image takes on disk alone is what
// none of the others, and no stack image, has in common with it.
func (b *Builder) Images(ctx context.Context) ([]deploy.Image, error) {
	found, err := b.config.Engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelNamespace+"="+b.config.Namespace))})
	if err != nil {
		return nil, fmt.Errorf("list the images of apps: %w", engineError(ctx, b.config.Engine, err))
	}
	stacks, err := b.config.Engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("reference", stackPrefix+"*"))})
	if err != nil {
		return nil, fmt.Errorf("list the stack images: %w", engineError(ctx, b.config.Engine, err))
	}
	users := map[string]int{}
	steps := map[string][]layer{}
	for _, i := range append(stacks, found...) {
		if steps[i.ID] != nil {
			continue
		}
		all, err := b.history(ctx, i.ID)
		if errdefs.IsNotFound(err) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("look at image %s: %w", i.ID, engineError(ctx, b.config.Engine, err))
		}
		steps[i.ID] = all
		for _, l := range all {
			users[l.lineage]++
		}
	}
	b.forgetOthers(steps)
	var out []deploy.Image
	for _, i := range found {
		var own int64
		for _, l := range steps[i.ID] {
			if users[l.lineage] == 1 {
				own += l.bytes
			}
		}
		out = append(out, deploy.Image{ID: i.ID, App: deploy.AppName(i.Labels[labelApp]), Bytes: own, CreatedAt: time.Unix(i.Created, 0)})
	}
	return out, nil
}

// history gives the image's steps, the first one first.
func (b *Builder) history(ctx context.Context, id string) ([]layer, error) {
	b.mu.Lock()
	known := b.layers[id]
	b.mu.Unlock()
	if known != nil {
		return known, nil
	}
	items, err := b.config.Engine.ImageHistory(ctx, id)
	if err != nil {
		return nil, err
	}
	all := make([]layer, 0, len(items))
	lineage := ""
	for k := len(items) - 1; k >= 0; k-- {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s|%d|%d|%s", lineage, items[k].Created, items[k].Size, items[k].CreatedBy))
		lineage = hex.EncodeToString(sum[:])
		all = append(all, layer{lineage: lineage, bytes: items[k].Size})
	}
	b.mu.Lock()
	b.layers[id] = all
	b.mu.Unlock()
	return all, nil
}

// forgetOthers forgets the images that are gone.
func (b *Builder) forgetOthers(there map[string][]layer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id := range b.layers {
		if there[id] == nil {
			delete(b.layers, id)
		}
	}
}

// trimCache keeps BuildKit's cache within its bound while the build runs: what
// was used longest ago goes first, and nothing that is in use. It is the whole
// Engine's cache, which has no labels, but nothing but time is lost with it. The
// function that it returns waits for the end.
func (j *job) trimCache(ctx context.Context) (wait func()) {
	if !j.trimIsDue() {
		return func() {}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		began := j.config.Now()
		report, err := j.config.Engine.BuildCachePrune(ctx, build.CachePruneOptions{KeepStorage: j.config.MaxCache})
		switch {
		case err != nil && ctx.Err() == nil:
			j.config.Log.Warn("cannot trim the build cache", "error", err)
		case err == nil && report.SpaceReclaimed > 0:
			j.config.Log.Info("trimmed the build cache", "bytes", report.SpaceReclaimed, "duration", j.config.Now().Sub(began))
		}
	}()
	return func() { <-done }
}

// trimEvery is how often the build cache is looked at: the Engine takes half a
// second for that even when nothing is to be removed, as long as many a rebuild.
const trimEvery = 5 * time.Minute

// trimIsDue tells whether it is time to trim, and notes that it is being done.
func (b *Builder) trimIsDue() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.config.Now()
	if !b.trimmed.IsZero() && now.Sub(b.trimmed) < trimEvery {
		return false
	}
	b.trimmed = now
	return true
}
