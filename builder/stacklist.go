package builder

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

// The labels of stack images.
const (
	labelStack    = "teal.stack"    // its name: "go", "node:24"
	labelPackages = "teal.packages" // what it holds: equal packages, equal value
	labelSource   = "teal.source"   // where that came from, for a person
	labelOfficial = "teal.official" // the official image that it was made from; "": none
)

// StackImage is one stack image that is there.
type StackImage struct {
	Name      string // "teal/go", "teal/node:24"
	ID        string // content address
	Version   string // stands for what it holds: equal content, equal version
	Source    string // "Go 1.26.8 of this host"
	CreatedAt time.Time
	Size      int64    // bytes
	Apps      []string // apps of this installation with an image that runs on it, by name
}

// List gives the stack images that are there, by name.
func (s *Stack) List(ctx context.Context) ([]StackImage, error) {
	summaries, err := s.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelStack))})
	if err != nil {
		return nil, engineError(ctx, s.engine, err)
	}
	var list []StackImage
	for _, i := range summaries {
		if slices.Contains(i.RepoTags, s.prefix+tagged(i.Labels[labelStack])) {
			list = append(list, StackImage{
				Name: s.prefix + i.Labels[labelStack], ID: i.ID, Version: contentVersion(i.Labels[labelPackages]),
				Source: i.Labels[labelSource], CreatedAt: time.Unix(i.Created, 0), Size: i.Size,
			})
		}
	}
	slices.SortFunc(list, func(a, b StackImage) int { return strings.Compare(a.Name, b.Name) })
	return list, s.addApps(ctx, list)
}

// addApps fills in who runs on which image.
func (s *Stack) addApps(ctx context.Context, list []StackImage) error {
	images, err := s.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", labelNamespace+"="+s.namespace), filters.Arg("label", labelBuildOn))})
	if err != nil {
		return engineError(ctx, s.engine, err)
	}
	for _, i := range images {
		at := slices.IndexFunc(list, func(l StackImage) bool { return l.Name == i.Labels[labelBuildOn] })
		if app := i.Labels[labelApp]; at >= 0 && !slices.Contains(list[at].Apps, app) {
			list[at].Apps = append(list[at].Apps, app)
		}
	}
	for _, l := range list {
		slices.Sort(l.Apps)
	}
	return nil
}
