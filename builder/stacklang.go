package builder

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// language is one row of the table of languages that have stack images: one to
// run apps, teal/NAME:VERSION, and one with compilers to build them,
// teal/NAME:VERSION-build. Both have the language at the same path.
type language struct {
	name      string   // "python"
	title     string   // "Python"
	lines     []string // the versions that there can be, oldest first
	preferred string   // the one for an app that does not say
	// debian is the one that Debian has, for where no registry answers; "": all
	// of them can be had there.
	debian string
	// libraries is what the names of Debian's packages of libraries begin with
	// that work with Debian's version alone; "": there are none, or all take them.
	libraries string
	// official are the images to go on from where a registry answers.
	official func(version string) (run, build string)
	// packages are Debian's packages for the two images where none does.
	packages, buildPackages []string
	// stages, and layers after the packages, where packages are not all.
	stages, layers, buildLayers func(prefix, version string) []string
	// over are the layers that make the official image one of Teal's; nil: none.
	over func(o official) []string
	// aside: the official image is not Debian's, so what the layers copy from its
	// stage "official" is laid over Teal's own base images.
	aside bool
	// beside is a further image that the layers of the one with compilers copy from.
	beside string
	tilde  bool   // "~8.1" takes 8.2, too: as composer has it, other than npm
	show   string // a command that prints title and version
}

// languages is the table. The first image of a language is made when an app needs it.
var languages = []language{
	{
		name: "java", title: "Java", lines: []string{"8", "11", "17", "21", "25"}, preferred: "17", debian: "17",
		official: func(v string) (string, string) {
			return "eclipse-temurin:" + v + "-jre", "maven:3-eclipse-temurin-" + v
		},
		packages:      []string{"openjdk-17-jre-headless"},
		buildPackages: javaBuildPackages,
		buildLayers:   javaBuildLayers,
		over:          javaOver, aside: true,
		show: `sed -n 's/^JAVA_VERSION="\(.*\)"/Java \1/p' "$(dirname "$(dirname "$(readlink -f "$(command -v java)")")")/release"`,
	},
	{
		name: "node", title: "Node", lines: []string{"18", "20", "22", "24", "26"}, preferred: "24",
		official: func(v string) (string, string) {
			return "node:" + v + "-bookworm-slim", "node:" + v + "-bookworm"
		},
		packages: []string{"libstdc++6"},
		stages:   nodeStages, layers: nodeLayers, buildLayers: nodeBuildLayers, over: nodeOver,
		show: `echo "Node $(node --version | cut -c2-)"`,
	},
	{
		name: "php", title: "PHP", tilde: true, lines: []string{"8.1", "8.2", "8.3", "8.4"}, preferred: "8.2", debian: "8.2",
		official: func(v string) (string, string) {
			return "php:" + v + "-apache-bookworm", "php:" + v + "-apache-bookworm"
		},
		packages: phpPackages, buildPackages: append(slices.Clone(phpPackages), "composer", "git", "unzip"),
		layers: phpLayers, buildLayers: phpLayers, over: phpOver, beside: composerImage,
		show: `php -r 'echo "PHP ", PHP_VERSION;'`,
	},
	{
		name: "python", title: "Python", lines: []string{"3.9", "3.10", "3.11", "3.12", "3.13", "3.14"}, preferred: "3.11", debian: "3.11", libraries: "python3-",
		official: func(v string) (string, string) {
			return "python:" + v + "-slim-bookworm", "python:" + v + "-bookworm"
		},
		packages:      []string{"python3", "tzdata"},
		buildPackages: []string{"python3", "python3-venv", "python3-dev", "tzdata"},
		show:          "python3 --version",
	},
	{
		name: "ruby", title: "Ruby", lines: []string{"3.1", "3.2", "3.3", "3.4"}, preferred: "3.1", debian: "3.1", libraries: "ruby-",
		official: func(v string) (string, string) {
			return "ruby:" + v + "-slim-bookworm", "ruby:" + v + "-bookworm"
		},
		packages:      []string{"ruby", "ruby-bundler", "tzdata"},
		buildPackages: []string{"ruby", "ruby-bundler", "ruby-dev", "libyaml-dev", "zlib1g-dev", "libffi-dev", "libssl-dev", "tzdata"},
		over:          rubyOver,
		show:          `ruby -e 'puts "Ruby #{RUBY_VERSION}"'`,
	},
	{
		name: "rust", title: "Rust", lines: []string{"1"}, preferred: "1",
		official:      func(v string) (string, string) { return "debian:bookworm-slim", "rust:" + v + "-bookworm" },
		packages:      []string{"libgcc-s1"},
		buildPackages: []string{"rustc-web", "cargo-web"},
		over:          rustOver,
		show:          `rustc --version 2>/dev/null | cut -d ' ' -f 1,2 || true`,
	},
}

// languageOf gives a row of the table.
func languageOf(name string) language {
	return languages[slices.IndexFunc(languages, func(l language) bool { return l.name == name })]
}

// recipe is how the image of one version is made.
func (l language) recipe(version string, build bool) recipe {
	r := recipe{name: l.name + ":" + version, needs: []string{"base", "apt"}}
	if build {
		r.name += "-build"
		r.needs = []string{"build"}
	}
	if version == l.preferred {
		r.aliases = []string{l.name}
		if build {
			r.aliases = []string{l.name + ":build"}
		}
	}
	r.prepare = func(s *Stack, ctx context.Context, p *progress) (*product, error) {
		return s.prepareLanguage(ctx, p, l, version, build)
	}
	return r
}

// prepareLanguage goes on from the official image, or from Debian's packages.
func (s *Stack) prepareLanguage(ctx context.Context, p *progress, l language, version string, build bool) (*product, error) {
	o := l.officialImage(s.prefix, version, build)
	digest, err := s.remoteDigest(ctx, o.ref)
	if err == nil {
		return s.fromOfficial(ctx, l.recipe(version, build).name, l, o, digest)
	}
	if err := s.keep(ctx, l.recipe(version, build).name, o.ref, err); err != nil {
		return nil, err
	}
	if l.debian != "" && l.debian != version {
		return nil, fmt.Errorf("%s %s comes from %s, whose registry does not answer; Debian %s has %s", l.title, version, o.ref, s.debianSuite, l.debian)
	}
	if l.stages == nil { // else there is more to it than Debian's packages
		if same, err := s.sameLanguage(ctx, l, version, build); err != nil || same != nil {
			return same, err
		}
	}
	p.say("no registry answers for %s; installing from packages, which takes a minute", o.ref)
	lines := l.fromPackages(s.prefix, version, build)
	script := strings.Join(lines, "\n") + "\n"
	return &product{
		script: script,
		source: "packages of Debian " + s.debianSuite,
		install: func(ctx context.Context, ref string, labels map[string]string, p *progress) error {
			return s.buildWith(ctx, ref, labels, s.asOf(), p, namedFile{"Dockerfile", []byte(script)})
		},
	}, nil
}

// sameLanguage gives the image as it is when nothing is newer.
func (s *Stack) sameLanguage(ctx context.Context, l language, version string, build bool) (*product, error) {
	name := l.recipe(version, build).name
	says, err := s.lists().File(ctx, s.prefix+name, versionFile)
	if err != nil {
		return nil, nil // it is not there, or was made in another way
	}
	script := strings.Join(l.fromPackages(s.prefix, version, build), "\n") + "\n"
	return s.upToDate(ctx, name, func(list string) string { return hashOf(script, list, string(says)) })
}

// fromPackages is the Dockerfile of an image of Debian's packages.
func (l language) fromPackages(prefix, version string, build bool) []string {
	var lines []string
	if l.stages != nil {
		lines = append(lines, l.stages(prefix, version)...)
	}
	from, packages, layers := "base", l.packages, l.layers
	if build {
		from, packages, layers = "build", l.buildPackages, l.buildLayers
	}
	lines = append(lines, "FROM "+prefix+from, "ARG AS_OF")
	if len(packages) > 0 {
		lines = append(lines, installing(prefix, packages...))
	}
	if layers != nil {
		lines = append(lines, layers(prefix, version)...)
	}
	return append(lines, l.finish()...)
}

// finish gives the image a user for apps, their directory, and the note of what it has.
func (l language) finish() []string {
	return []string{
		"RUN echo app:x:65532:65532:app:/app:/usr/sbin/nologin >>/etc/passwd && echo app:x:65532: >>/etc/group && \\\n" +
			"    mkdir -p /app && chown 65532:65532 /app && \\\n" +
			"    (" + l.show + ") >" + versionFile,
		"WORKDIR /app",
		"ENV PORT=8080",
	}
}

// prepareBuild adds what native parts of dependencies are compiled with.
func (s *Stack) prepareBuild(_ context.Context, _ *progress) (*product, error) {
	script := strings.Join([]string{
		"FROM " + s.prefix + "base", "ARG AS_OF",
		installing(s.prefix, "g++", "make", "libc6-dev", "patch", "git", "pkg-config", "python3", "unzip"),
	}, "\n") + "\n"
	return &product{
		script: script,
		source: "packages of Debian " + s.debianSuite,
		install: func(ctx context.Context, ref string, labels map[string]string, p *progress) error {
			return s.buildWith(ctx, ref, labels, s.asOf(), p, namedFile{"Dockerfile", []byte(script)})
		},
	}, nil
}
