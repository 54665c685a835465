package builder

import (
	"reflect"
	"strings"
	"testing"

	"teal/deploy"
)

// Dokku keeps what predeploy writes. Assets must be in the image here too, and
// where files would be lost the push says so.
func TestAssetsOfDokkusPredeployAreInTheImage(t *testing.T) {
	const (
		build = `{"scripts":{"start":"node i.js","build":"webpack","build:css":"sass a b"},"devDependencies":{"webpack":"5"}}`
		done  = " is done in the build, so that its files are in the image"
		lost  = " writes are not kept"
	)
	predeploy := func(line string) string { return `{"scripts":{"dokku":{"predeploy":"` + line + `"}}}` }
	for _, c := range []struct {
		name      string
		source    fsSource
		release   []string
		want, not []string // of the Dockerfile and the findings above it
	}{
		{"Node", files("package.json", build, "app.json", predeploy("npm run build")), nil, []string{"npm run build" + done, "RUN npm run build\nRUN --mount"}, []string{"/npm ", "release command", lost}},
		{"Node, another script, and more", files("package.json", build, "app.json", predeploy("yarn build:css && bin/prepare && npx knex migrate:latest")), []string{"/bin/sh", "-c", "bin/prepare && npx knex migrate:latest"}, []string{"yarn build:css" + done, "RUN npm run build\nRUN npm run build:css\n", "files that bin/prepare" + lost, npmThere}, []string{"files that npx"}},
		{"Node, only script", files("package.json", `{"scripts":{"start":"node i.js","build:css":"sass a b"},"devDependencies":{"sass":"1"}}`, "app.json", predeploy("npm run build:css")), nil, []string{"npm install\nCOPY . .\nRUN npm run build:css\n", "npm prune --omit=dev"}, []string{lost}},
		{"Node, no such script", files("package.json", `{"scripts":{"start":"node i.js"}}`, "app.json", predeploy("npm run build")), []string{"npm", "run", "build"}, []string{"files that npm run build" + lost, npmThere}, []string{done}},
		{"pages", files("package.json", `{"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}}`, "app.json", predeploy("npm run build")), nil, []string{done, "FROM teal/static"}, []string{lost}},
		{"Rails", files("Gemfile", "gem 'rails'\ngem 'propshaft'\n", "Gemfile.lock", "", "config/puma.rb", "", "app.json", predeploy("bundle exec rake assets:precompile && bundle exec rails db:migrate")), []string{"bundle", "exec", "rails", "db:migrate"}, []string{"rake assets:precompile" + done}, []string{lost}},
		{"Rails, another pipeline", files("Gemfile", "gem 'rails'\ngem 'webpacker'\n", "Gemfile.lock", "", "config/puma.rb", "", "app.json", predeploy("bin/rails assets:precompile")), nil, []string{done, "bundle exec rails assets:precompile"}, []string{lost}},
		{"Django with WhiteNoise", files("manage.py", "", "requirements.txt", "django==5\nwhitenoise==6\ngunicorn==22\n", "s/wsgi.py", "", "app.json", predeploy("python manage.py collectstatic --noinput")), nil, []string{done}, []string{lost}},
		{"Django that sends its files elsewhere", files("manage.py", "", "requirements.txt", "django==5\ngunicorn==22\n", "s/wsgi.py", "", "app.json", predeploy("python manage.py collectstatic --noinput")), []string{"python", "manage.py", "collectstatic", "--noinput"}, []string{lost}, []string{done}},
		{"PHP with Vite", files("public/index.php", "", "package.json", `{"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}}`, "app.json", predeploy("npm run build")), nil, []string{done}, []string{lost}},
		{"own Dockerfile", files("Dockerfile", "FROM teal/base\n", "app.json", predeploy("npm run build")), []string{"npm", "run", "build"}, []string{lost, "RUN in a Dockerfile"}, []string{done}},
		{"a line that hangs together", files("package.json", build, "app.json", predeploy("cd web && npm run build")), []string{"/bin/sh", "-c", "cd web && npm run build"}, []string{lost}, []string{done}},
		{"migration", files("package.json", build, "app.json", predeploy("npx knex migrate:latest")), []string{"npx", "knex", "migrate:latest"}, []string{"before the release is live: npx knex"}, []string{lost}},
		{"teal.toml goes over it", files("package.json", build, "teal.toml", "release = \"bin/x\"\n", "app.json", predeploy("npm run build && bin/y")), []string{"bin/x"}, []string{done, "predeploy is not run: teal.toml has a release command"}, []string{lost}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := New(Config{Engine: testEngine(t), Namespace: "predeploy"})
			var said lockedBuffer
			j := &job{Builder: b, req: deploy.BuildRequest{Source: c.source, Defaults: deploy.DefaultSettings()}, log: &said, progress: newProgress(&said, b.config.MaxLogBytes)}
			if err := j.open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := j.choose(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := j.manifest.Settings.Release; !reflect.DeepEqual(got, c.release) {
				t.Errorf("release command %q, not %q", got, c.release)
			}
			text := said.String() + string(j.dockerfile)
			contains(t, text, c.want...)
			for _, not := range c.not {
				if strings.Contains(text, not) {
					t.Errorf("%q is in\n%s", not, text)
				}
			}
		})
	}
}
