package builder

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"teal/deploy"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
)

// kindDockerfile is the kind of an image whose repository brings a Dockerfile.
const kindDockerfile = "Dockerfile"

// baseRef is an image that another one was built from.
type baseRef struct {
	ID     string `json:"id"`               // content address
	Digest string `json:"digest,omitempty"` // one that its registry has it under, where it came from one
	Holds  string `json:"holds,omitempty"`  // of a stack image: see labelPackages

	env []string // what it sets
}

// origin is what the labels of an image say of how it was made.
type origin struct {
	kind  string
	on    string   // the stack image that it can be laid over; "": it has to be built anew
	base  string   // which one that was
	env   []string // what that one set in the environment
	known bool     // env was noted
	paths []string // what is laid over it
	bases map[string]baseRef
}

func originOf(found image.InspectResponse) origin {
	if found.Config == nil {
		return origin{}
	}
	l := found.Config.Labels
	o := origin{kind: l[labelBuildKind], paths: strings.Fields(l[labelBuildPaths])}
	if len(o.paths) > 0 && l[labelBuildOn] != "" {
		o.on, o.base = l[labelBuildOn], l[labelBuildBase]
		o.known = json.Unmarshal([]byte(l[labelBuildEnv]), &o.env) == nil
	}
	_ = json.Unmarshal([]byte(l[labelBuildBases]), &o.bases) // an app's Dockerfile may set what it likes: then there are none
	if o.on != "" {
		o.bases = map[string]baseRef{o.on: {ID: o.base, Holds: o.bases[o.on].Holds}}
	}
	return o
}

// stack is what apps are grouped by that fail alike.
func (o origin) stack() string {
	if o.kind != "" && o.kind != kindDockerfile && o.on == "" {
		return o.kind
	}
	return strings.Join(o.names(), ", ")
}

// isStill tells whether the image that has the base's name now is it, or holds the
// same: two installations on one Engine may each have made it.
func (r baseRef) isStill(found image.InspectResponse) bool {
	return r.ID == found.ID || r.Holds != "" && found.Config != nil && r.Holds == found.Config.Labels[labelPackages]
}

// names lists the base images that count.
func (o origin) names() []string {
	return slices.Sorted(maps.Keys(o.bases))
}

// noteBases remembers which images the Dockerfile's names stand for now, and
// says what the stack images among them hold: the version to the last digit.
func (j *job) noteBases(ctx context.Context, refs []string) error {
	j.bases = map[string]baseRef{}
	for _, ref := range refs {
		found, err := j.config.Engine.ImageInspect(ctx, ref)
		switch {
		case errdefs.IsNotFound(err) || errdefs.IsInvalidArgument(err):
			continue // the build says what is wrong with it
		case err != nil:
			return engineError(ctx, j.config.Engine, err)
		}
		base := baseRef{ID: found.ID}
		if digests := digestsOf(found, ref, j.config.Mirror); len(digests) > 0 {
			base.Digest = digests[0]
		}
		if found.Config != nil {
			base.env = found.Config.Env
			if strings.HasPrefix(ref, stackPrefix) { // images of others that are built on one have its labels, too
				base.Holds = found.Config.Labels[labelPackages]
			}
		}
		j.bases[ref] = base
		if strings.HasPrefix(ref, stackPrefix) && found.Config != nil && found.Config.Labels[labelSource] != "" {
			j.progress.say("%s: %s", ref, deploy.Clean(found.Config.Labels[labelSource], 120))
		}
	}
	return nil
}

func (j *job) basesLabel() string {
	text, _ := json.Marshal(j.bases) // strings alone can't fail
	return string(text)
}

// carried are a configuration's instructions for a Dockerfile that goes on from
// another base; false when there is something that can't be written there.
func carried(found image.InspectResponse, base []string) ([]string, bool) {
	c := found.Config
	if c == nil {
		return nil, false
	}
	var lines []string
	given := map[string]bool{}
	for _, e := range base {
		given[e] = true
	}
	for _, e := range c.Env {
		if given[e] {
			continue // the new base says what it is now
		}
		name, value, _ := strings.Cut(e, "=")
		if strings.ContainsAny(value, "\r\n") {
			return nil, false
		}
		lines = append(lines, "ENV "+name+`="`+strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`).Replace(value)+`"`)
	}
	for port := range c.ExposedPorts {
		lines = append(lines, "EXPOSE "+port)
	}
	slices.Sort(lines)
	if c.WorkingDir != "" {
		lines = append(lines, "WORKDIR "+c.WorkingDir)
	}
	if c.User != "" {
		lines = append(lines, "USER "+c.User)
	}
	if c.StopSignal != "" {
		lines = append(lines, "STOPSIGNAL "+c.StopSignal)
	}
	if len(c.Entrypoint) > 0 {
		lines = append(lines, "ENTRYPOINT "+execForm(c.Entrypoint...))
	}
	if len(c.Cmd) > 0 {
		lines = append(lines, "CMD "+execForm(c.Cmd...))
	}
	return lines, !slices.ContainsFunc(lines, func(l string) bool { return strings.ContainsAny(l, "\r\n") })
}
