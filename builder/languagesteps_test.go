package builder

import (
	"archive/tar"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// django is a tree that is built as Django's are, with a stand-in for Django itself:
// reads are names that its settings want to be there.
func django(reads, more string) fsSource {
	return files("requirements.txt", "# whitenoise, gunicorn\n", "shop/wsgi.py", "",
		"manage.py", "import os, sys\nfor name in '"+reads+"'.split():\n    os.environ[name]\nopen('collected', 'w').write(' '.join(sys.argv[1:]))\n",
		"teal.toml", more)
}

func TestDjangosStaticFilesNeedNoSecretAndCanBeLeftOut(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	built, _ := b.build(request(django("SECRET_KEY DJANGO_SECRET_KEY DATABASE_URL", "")))
	if !slices.Contains(b.below(built.Image, "/app"), "collected") {
		t.Error("static files are not collected")
	}
	image, err := b.engine.ImageInspect(t.Context(), built.Image)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range image.Config.Env {
		if strings.Contains(name, "SECRET_KEY") || strings.Contains(name, "DATABASE_URL") {
			t.Errorf("the app runs with %s", name)
		}
	}
	f, _ := b.refused(request(django("REDIS_URL", "")))
	contains(t, f.Hint, `[build] args = { NAME = "…" }`, `DISABLE_COLLECTSTATIC = "1"`)
	built, log := b.build(request(django("REDIS_URL", "[build]\nargs = { DISABLE_COLLECTSTATIC = \"1\" }\n")))
	contains(t, log, "static files are not collected: DISABLE_COLLECTSTATIC in [build] args")
	if slices.Contains(b.below(built.Image, "/app"), "collected") {
		t.Error("static files are collected")
	}
	b.build(request(django("REDIS_URL SECRET_KEY", "[build]\nargs = { REDIS_URL = \"redis://127.0.0.1\", DISABLE_COLLECTSTATIC = \"0\" }\n")))
}

func TestOnlyProgramsOfTheCommitAreInARustImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	app := func(program, more string) fsSource {
		return files("Cargo.toml", "[package]\nname='shop'\nversion='0.1.0'\nedition='2021'\n[[bin]]\nname='"+program+"'\npath='src/main.rs'\n",
			"src/main.rs", "fn main() {}\n", "more", more)
	}
	for _, c := range []struct{ program, more string }{{"first", ""}, {"second", ""}, {"second", "nothing of it is compiled again"}} {
		built, _ := b.build(request(app(c.program, c.more)))
		if got := b.below(built.Image, "/app/bin"); !slices.Equal(got, []string{c.program}) {
			t.Errorf("programs of the commit with %s: %q", c.program, got)
		}
	}
}

// below are the names of the files in a directory of an image.
func (b *bench) below(image, dir string) (names []string) {
	b.t.Helper()
	made, err := b.engine.ContainerCreate(b.t.Context(), &container.Config{Image: image, Labels: map[string]string{labelNamespace: b.ns}}, nil, nil, nil, "teal-"+b.ns+"-"+randomID()[:6])
	if err != nil {
		b.t.Fatal(err)
	}
	stream, _, err := b.engine.CopyFromContainer(b.t.Context(), made.ID, dir)
	if err != nil {
		b.t.Fatal(err)
	}
	defer stream.Close()
	for in := tar.NewReader(stream); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			b.t.Fatal(err)
		}
		if path.Dir(header.Name) == path.Base(dir) && header.Typeflag == tar.TypeReg {
			names = append(names, path.Base(header.Name))
		}
	}
}

func TestRailsAssetsAreMadeWithoutTheAppsSecrets(t *testing.T) {
	const older = "GEM\n  specs:\n    rails (6.1.7)\n    sprockets-rails (3.4.2)\n    pg (1.5.0)\n"
	for _, c := range []struct {
		name   string
		source fsSource
		args   []string
		run    string // "": no assets are made
	}{
		{"7.1 and newer", files("Gemfile", "gem 'rails'\ngem 'propshaft'\ngem 'sqlite3'\n"), nil, "RUN SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=not-a-secret bundle exec rails assets:precompile"},
		{"6.1", files("Gemfile", "gem 'rails'\ngem 'pg'\n", "Gemfile.lock", older, "config/application.rb", "require_relative 'boot'\nrequire \"rails/all\"\n"), nil, "RUN SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=not-a-secret DATABASE_URL=postgresql://user:pass@127.0.0.1/none bundle exec"},
		{"6.1, API", files("Gemfile", "gem 'rails'\ngem 'pg'\n", "Gemfile.lock", older, "config/application.rb", "require \"rails\"\n# require \"sprockets/railtie\"\n"), nil, ""},
		{"6.1, parts", files("Gemfile", "gem 'rails'\n", "Gemfile.lock", older, "config/application.rb", "require \"rails\"\nrequire \"sprockets/railtie\"\n"), nil, "assets:precompile"},
		{"6.1, parts in a list", files("Gemfile", "gem 'rails'\n", "Gemfile.lock", older, "config/application.rb", "require \"rails\"\n%w[active_record/railtie sprockets/railtie].each { |r| require r }\n"), nil, "assets:precompile"},
		{"6.1, required by a gem", files("Gemfile", "gem 'rails'\n", "Gemfile.lock", older, "config/application.rb", "require \"rails\"\n# require \"sprockets/railtie\"\n", "app/assets/config/manifest.js", "//= link_tree ../images\n"), nil, "assets:precompile"},
		{"7.0, named by the Gemfile", files("Gemfile", "gem 'rails'\ngem 'sprockets-rails'\n", "Gemfile.lock", older, "config/application.rb", "require \"rails\"\n"), nil, "assets:precompile"},
		{"MySQL", files("Gemfile", "gem 'rails'\ngem 'mysql2'\ngem 'propshaft'\n"), nil, "DATABASE_URL=mysql2://user:pass@127.0.0.1/none bundle"},
		{"given", files("Gemfile", "gem 'rails'\ngem 'pg'\ngem 'propshaft'\n"), []string{"DATABASE_URL=x", "SECRET_KEY_BASE=y"}, "RUN SECRET_KEY_BASE_DUMMY=1 bundle exec rails assets:precompile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := detect(t.Context(), withArgs(t, c.source, c.args...))
			if err != nil {
				t.Fatal(err)
			}
			if c.run == "" && strings.Contains(p.dockerfile, "assets:precompile") {
				t.Errorf("assets are made\n%s", p.dockerfile)
			}
			contains(t, p.dockerfile, c.run)
			if strings.Contains(p.dockerfile, "ENV SECRET") {
				t.Errorf("the app runs with a secret of ours\n%s", p.dockerfile)
			}
		})
	}
}
