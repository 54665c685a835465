package builder

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"teal/deploy"
)

// stackPrefix is what the names of stack images begin with.
const stackPrefix = "teal/"

// recipe is how one stack image is made.
type recipe struct {
	name    string   // "base", "node:24", "node:24-build"
	needs   []string // names of those that have to be there before
	aliases []string // further names that it gets: "node"
	// prepare finds out what the image would hold now; no image is made yet.
	prepare func(s *Stack, ctx context.Context, p *progress) (*product, error)
}

// product is an image that is ready to be made.
type product struct {
	// packages stands for what the image will hold: see labelPackages. "": that
	// shows only when it is made, and a candidate is made to be compared.
	packages string
	// script is part of packages when those are read off a candidate.
	script string
	status []byte // dpkg's of the candidate
	source string
	// official is the image of a registry that it is made from; "": there is none.
	official string
	behind   bool // the official image could not be upgraded: see upgraded
	// install makes the image with the labels and gives it the name, tag included.
	install func(ctx context.Context, ref string, labels map[string]string, p *progress) error
	close   func() // removes what prepare left; may be nil
}

// fixed are the stack images that have one version only, each after those that it needs.
var fixed = []recipe{
	{name: "base", prepare: (*Stack).prepareBase},
	{name: "apt", prepare: (*Stack).prepareApt},
	{name: "build", needs: []string{"base", "apt"}, prepare: (*Stack).prepareBuild},
	{name: "go", prepare: (*Stack).prepareGo},
	{name: "static", needs: []string{"go"}, prepare: (*Stack).prepareStatic},
}

// StackNames lists the stack images that there can be, without versions.
func StackNames() []string {
	var names []string
	for _, r := range fixed {
		names = append(names, stackPrefix+r.name)
	}
	for _, l := range languages {
		names = append(names, stackPrefix+l.name)
	}
	return names
}

// recipeOf finds the recipe of a name: "go", "teal/node:24", "teal/node:latest".
func recipeOf(name string) (recipe, bool) {
	short := strings.TrimSuffix(strings.TrimPrefix(name, stackPrefix), ":latest")
	if i := slices.IndexFunc(fixed, func(r recipe) bool { return r.name == short }); i >= 0 {
		return fixed[i], true
	}
	name, tag, _ := strings.Cut(short, ":")
	i := slices.IndexFunc(languages, func(l language) bool { return l.name == name })
	if i < 0 {
		return recipe{}, false
	}
	version, build := strings.CutSuffix(tag, "build")
	version = strings.TrimSuffix(version, "-")
	if version == "" {
		version = languages[i].preferred
	}
	if !slices.Contains(languages[i].lines, version) {
		return recipe{}, false
	}
	return languages[i].recipe(version, build), true
}

// wanted gives the recipes of the names and of what they need, in the order of
// making; all that have one version for no names.
func (s *Stack) wanted(names []string) ([]recipe, error) {
	if len(names) == 0 {
		return fixed, nil
	}
	var found []recipe
	for _, name := range names {
		r, ok := recipeOf(strings.TrimPrefix(name, s.prefix))
		if !ok {
			return nil, fmt.Errorf("%w: no stack image %s: there are %s", deploy.ErrNotFound, deploy.Clean(name, 60), strings.Join(StackNames(), ", "))
		}
		found = addRecipe(found, r)
	}
	return found, nil
}

// addRecipe appends a recipe after those that it needs, each once.
func addRecipe(list []recipe, r recipe) []recipe {
	if slices.ContainsFunc(list, func(o recipe) bool { return o.name == r.name }) {
		return list
	}
	for _, need := range r.needs {
		if needed, ok := recipeOf(need); ok {
			list = addRecipe(list, needed)
		}
	}
	return append(list, r)
}

// ref is the name of a recipe's image, tag included.
func (s *Stack) ref(r recipe) string { return s.prefix + tagged(r.name) }

// show is the name for people.
func (s *Stack) show(r recipe) string { return s.prefix + r.name }

func tagged(name string) string {
	if strings.Contains(name, ":") {
		return name
	}
	return name + ":latest"
}
