package builder

import (
	"context"
	"encoding/json"
	"maps"
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
	Apps      []string // apps of this installation with an image that was built from it, by name
}

// List gives the stack images that are there, by name.
func (s *Stack) List(ctx context.Context) ([]StackImage, error) {
	list, err := s.there(ctx)
	if err != nil {
		return nil, err
	}
	return list, s.addApps(ctx, list)
}

// there is List without the apps.
func (s *Stack) there(ctx context.Context) ([]StackImage, error) {
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
	return list, nil
}

// names are the names of the stack images that are there, without the prefix.
func (s *Stack) names(ctx context.Context) (names []string, err error) {
	list, err := s.there(ctx)
	for _, i := range list {
		names = append(names, strings.TrimPrefix(i.Name, s.prefix))
	}
	return names, err
}

// addApps fills in whose images are built from which.
func (s *Stack) addApps(ctx context.Context, list []StackImage) error {
	images, err := s.engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", labelNamespace+"="+s.namespace))})
	if err != nil {
		return engineError(ctx, s.engine, err)
	}
	for _, i := range images {
		app := i.Labels[labelApp]
		for _, name := range s.basesOf(i.Labels) {
			at := slices.IndexFunc(list, func(l StackImage) bool { return l.Name == name })
			if at >= 0 && app != "" && !slices.Contains(list[at].Apps, app) {
				list[at].Apps = append(list[at].Apps, app)
			}
		}
	}
	for _, l := range list {
		slices.Sort(l.Apps)
	}
	return nil
}

// basesOf names the stack images that an app's image was built from, as List has
// their names: those of its stages, too, which are not in it.
func (s *Stack) basesOf(labels map[string]string) (names []string) {
	var bases map[string]baseRef
	_ = json.Unmarshal([]byte(labels[labelBuildBases]), &bases) // a patched image of an earlier Teal has none
	for _, ref := range append(slices.Collect(maps.Keys(bases)), labels[labelBuildOn]) {
		name, ours := strings.CutPrefix(ref, s.prefix)
		if !ours {
			continue
		}
		if r, ok := recipeOf(name); ok {
			ref = s.show(r) // "teal/node" is "teal/node:24"
		}
		names = append(names, ref)
	}
	return names
}
