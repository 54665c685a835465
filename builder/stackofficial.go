package builder

import (
	"context"
	"fmt"
	"strings"
)

// official is the official image that a stack image is made of.
type official struct {
	ref    string // "python:3.12-slim-bookworm"
	prefix string // of the stack images
	build  bool   // for the image with compilers
}

// officialImage names the one of a version.
func (l language) officialImage(prefix, version string, build bool) official {
	run, builder := l.official(version)
	if build {
		return official{builder, prefix, true}
	}
	return official{run, prefix, false}
}

// fromOfficial lays over the official image what generated Dockerfiles count on.
func (s *Stack) fromOfficial(ctx context.Context, name string, l language, o official, digest string) (*product, error) {
	bundle, err := caBundle(s.caFile)
	if err != nil {
		return nil, err
	}
	ca := namedFile{"ca.crt", bundle}
	if !o.build && !l.aside {
		return s.upgraded(ctx, name, o.ref, digest, func(upgrade ...string) string { return l.fromOfficial(o, upgrade...) }, ca)
	}
	script := l.fromOfficial(o)
	p := &product{source: o.ref, official: o.ref, packages: hashOf(script, digest)}
	if l.aside { // the rest is Debian's, and what that is shows only when it is made
		p.packages, p.script = "", script+digest
	}
	p.install = func(ctx context.Context, ref string, labels map[string]string, p *progress) error {
		refs := []string{o.ref}
		if o.build && l.beside != "" {
			refs = append(refs, l.beside)
		}
		for _, ref := range refs {
			p.say("pulling %s", ref)
			if err := s.pull(ctx, ref); err != nil {
				return err
			}
		}
		return s.buildWith(ctx, ref, labels, s.asOf(), p, namedFile{"Dockerfile", []byte(script)}, ca)
	}
	return p, nil
}

// fromOfficial is the Dockerfile. Entry points of official images are scripts
// that guess what the command means, and images of Debian's packages have none.
// An upgrade may need the certificate authorities, and may bring its own.
func (l language) fromOfficial(o official, upgrade ...string) string {
	const bundle = "COPY ca.crt /" + bundlePath
	lines := []string{"FROM " + o.ref, bundle}
	if len(upgrade) > 0 {
		lines = append(append(lines, upgrade...), bundle)
	}
	lines = append(lines, "ENTRYPOINT []")
	if l.aside {
		from := "base"
		if o.build {
			from = "build"
		}
		lines = []string{"FROM " + o.ref + " AS official", "FROM " + o.prefix + from, "ARG AS_OF"}
	}
	if l.over != nil {
		lines = append(lines, l.over(o)...)
	}
	return strings.Join(append(lines, l.finish()...), "\n") + "\n"
}

// asOf are the build arguments by which packages are looked up anew: the value
// changes by the hour, and until then what apt fetched is new enough.
func (s *Stack) asOf() map[string]string {
	return map[string]string{"AS_OF": s.now().UTC().Format("2006-01-02T15")}
}

// keep is for when the registry gave no answer about an official image. A stack
// image that was made of it stays as it is, and the error says so: made of Debian's
// packages in its place it would be another one, often with an older language, and
// would change back tomorrow. nil: there is none that was.
func (s *Stack) keep(ctx context.Context, name, official string, why error) error {
	found, err := s.engine.ImageInspect(ctx, s.prefix+tagged(name))
	if err != nil || found.Config == nil || found.Config.Labels[labelOfficial] != official {
		return nil
	}
	return fmt.Errorf("it was made from %s, about which its registry gives no answer now; to have it from Debian's packages from now on, remove the image: %w", official, why)
}

// rubyOver adds the time zones, which Rails needs.
func rubyOver(o official) []string { return []string{installing(o.prefix, "tzdata")} }

// rustOver has the compiler itself in the path in place of rustup, which would
// fetch the very version that a repository names, and cargo keep what it fetched
// where generated Dockerfiles have a cache.
func rustOver(o official) []string {
	if !o.build {
		return nil
	}
	return []string{
		`RUN ln -sf "$(rustc --print sysroot)"/bin/* /usr/local/bin/`,
		"ENV CARGO_HOME=/root/.cargo PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}
}
