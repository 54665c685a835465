package builder

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

var (
	gemfileRuby = regexp.MustCompile(`(?m)^\s*ruby\s+["']([^"']+)["'](?:\s*,\s*["']([^"']+)["'])?`)
	lockedRuby  = regexp.MustCompile(`(?m)^RUBY VERSION\s*\n\s*ruby\s+([\d.]+)`)
)

// rubyNative are libraries that gems with native parts need: to build, and to run.
var rubyNative = []struct{ gem, build, run string }{
	{"pg", "libpq-dev", "libpq5"},
	{"mysql2", "libmariadb-dev", "libmariadb3"},
	{"sqlite3", "libsqlite3-dev", "libsqlite3-0"},
}

// detectRuby takes a tree with a Gemfile or a config.ru: Rails, or a Rack app.
func detectRuby(ctx context.Context, t *tree) (*plan, error) {
	found := firstOf([]string{"Gemfile", "config.ru"}, t.has)
	if found == "" {
		return nil, nil
	}
	gemfile, err := t.readSmall(ctx, "Gemfile")
	if err != nil {
		return nil, err
	}
	lock, err := t.readSmall(ctx, "Gemfile.lock")
	if err != nil {
		return nil, err
	}
	asks, err := rubyAsks(ctx, t, gemfile, lock)
	if err != nil {
		return nil, err
	}
	version, err := t.version("ruby", asks)
	if err != nil {
		return nil, err
	}
	made, err := findAssets(ctx, t)
	if err != nil {
		return nil, err
	}
	application, err := t.readSmall(ctx, "config/application.rb")
	if err != nil {
		return nil, err
	}
	a := rubyApp{t: t, application: application, assets: made, gemfile: gemfile, gems: gemfile + "\n" + lock, bundle: gemfile != "", locked: lock != ""}
	argv, why, err := a.start()
	if err != nil {
		return nil, err
	}
	p := &plan{kind: "ruby", what: "Ruby " + version.line + ": " + found + " found", on: stackPrefix + "ruby:" + version.line, omit: []string{".bundle", "tmp", "log"}}
	p.why = present("Ruby: "+found+" found, and no Dockerfile", version.why, a.why(), why)
	p.warn = append(present(version.warn), a.warn()...)
	p.take(made)
	p.omit = made.omit(p.omit...)
	p.dockerfile = a.dockerfile(version.line, argv)
	if len(t.apt) == 0 && !strings.Contains(p.dockerfile, "lib") {
		p.paths = []string{"/app"}
	}
	return p, nil
}

func rubyAsks(ctx context.Context, t *tree, gemfile, lock string) (wish, error) {
	if m := gemfileRuby.FindStringSubmatch(gemfile); m != nil {
		constraint := m[1]
		if m[2] != "" {
			constraint += ", " + m[2]
		}
		return wish{constraint, "Gemfile"}, nil
	}
	text, err := t.readSmall(ctx, ".ruby-version")
	if err != nil {
		return wish{}, err
	}
	if v := strings.TrimPrefix(versionIn(text), "ruby-"); v != "" {
		return wish{v, ".ruby-version"}, nil
	}
	if m := lockedRuby.FindStringSubmatch(lock); m != nil {
		return wish{m[1], "Gemfile.lock"}, nil
	}
	return t.toolVersion(ctx, "ruby")
}

// rubyApp is a Ruby tree on its way to a plan.
type rubyApp struct {
	t              *tree
	gemfile        string
	application    string // config/application.rb
	assets         *assets
	gems           string // Gemfile and Gemfile.lock
	bundle, locked bool
}

func (a rubyApp) why() string {
	switch {
	case !a.bundle:
		return ""
	case a.t.hasDir("vendor/cache"):
		return "gems: bundler, from vendor/cache alone"
	case a.locked:
		return "gems: bundler, exactly those of Gemfile.lock; those that the Aptfile brings are taken from there"
	}
	return "gems: bundler"
}

func (a rubyApp) warn() (lines []string) {
	if a.bundle && !a.locked {
		lines = append(lines, "there is no Gemfile.lock: every build may get other versions of its gems. Run bundle lock and commit the file")
	}
	if a.has("image_processing") && !a.t.hasApt("libvips") && !a.t.hasApt("imagemagick") {
		lines = append(lines, "image_processing calls libvips or ImageMagick, and neither is here: name libvips42 or imagemagick in an Aptfile")
	}
	return lines
}

// wholeGemfile tells whether the Gemfile reads more of the tree than itself.
func (a rubyApp) wholeGemfile() bool { return readsTree.MatchString(a.gemfile) }

var readsTree = regexp.MustCompile(`(?m)^\s*(gemspec|eval_gemfile|path)\b|\bpath:|:path\s*=>|File\.read|require_relative|\.tool-versions`)

var gemLine = regexp.MustCompile(`(?m)^\s*gem\s+["']([\w-]+)["']|^    ([\w-]+) \(`)

func (a rubyApp) has(gem string) bool {
	for _, m := range gemLine.FindAllStringSubmatch(a.gems, -1) {
		if m[1] == gem || m[2] == gem {
			return true
		}
	}
	return false
}

// start finds what runs: what is declared, Rails, a Rack app with its server.
func (a rubyApp) start() ([]string, string, error) {
	prefix := []string{}
	if a.bundle {
		prefix = []string{"bundle", "exec"}
	}
	switch {
	case a.t.web != "":
		argv := commandOf(a.t.web)
		return argv, "start: the declared web process, " + deploy.Clean(strings.Join(argv, " "), 120), nil
	case a.has("rails") && a.t.has("config/puma.rb"):
		return append(prefix, "puma", "--config", "config/puma.rb", "--port", "8080"), "start: Rails, with puma and its config/puma.rb", nil
	case a.has("rails"):
		return append(prefix, "rails", "server", "--binding", "0.0.0.0", "--port", "8080"), "start: Rails' own server", nil
	case a.t.has("config.ru") && (a.has("puma") || a.t.hasApt("puma")):
		return append(prefix, "puma", "--bind", "tcp://0.0.0.0:8080", "config.ru"), "start: config.ru, with puma", nil
	case a.t.has("config.ru"):
		return append(prefix, "rackup", "--host", "0.0.0.0", "--port", "8080"), "start: config.ru, with rackup", nil
	}
	if name := firstOf(sinatraFiles, a.t.has); name != "" && a.has("sinatra") {
		return append(prefix, "ruby", name, "-o", "0.0.0.0", "-p", "8080"), "start: Sinatra, " + name + " found", nil
	}
	return nil, "", failure("a Gemfile found, but nothing that says how to start the app",
		`add a config.ru, or a Procfile with "web: …"`, nil, nil)
}

// sinatraFiles are usual names of an app that has no config.ru.
var sinatraFiles = []string{"app.rb", "main.rb", "server.rb", "web.rb"}

// dockerfile installs gems into /app/vendor/bundle; those that Debian's packages
// bring are found beside them.
func (a rubyApp) dockerfile(line string, argv []string) string {
	on := stackPrefix + "ruby:" + line
	build, run := append([]string(nil), a.t.apt...), append([]string(nil), a.t.apt...)
	for _, n := range rubyNative {
		if a.has(n.gem) && !a.t.hasApt("ruby-"+n.gem) {
			build, run = append(build, n.build), append(run, n.run)
		}
	}
	env := "ENV RACK_ENV=production RAILS_ENV=production RAILS_LOG_TO_STDOUT=1 RAILS_SERVE_STATIC_FILES=1 BUNDLE_PATH=vendor/bundle BUNDLE_WITHOUT=development:test BUNDLE_APP_CONFIG=/app/.bundle"
	if a.hasGemsOfDebian() { // which Debian's Ruby alone sees
		build, run = append(build, "ruby-bundler", "ruby-dev"), append(run, "ruby-bundler")
		env += " GEM_HOME=/var/lib/gems/3.1.0 PATH=/usr/bin:/bin:/usr/local/bin"
	}
	var d dockerfile
	a.assets.stage(&d)
	if a.bundle {
		d.add("FROM " + on + "-build AS build")
		d.install(build)
		d.add(env)
		files := "Gemfile*"
		if a.t.has(".ruby-version") {
			files += " .ruby-version"
		}
		if a.wholeGemfile() {
			d.add(a.assets.copy(""))
			d.args(a.t.buildArgs())
			d.bundle(a)
		} else {
			d.add("COPY " + files + " ./")
			d.args(a.t.installArgs())
			d.bundle(a)
			d.add(a.assets.copy(""))
			d.args(a.t.pageArgs())
		}
		if a.hasPipeline() || slices.ContainsFunc(a.t.predeploy, func(line string) bool { return strings.HasSuffix(line, "assets:precompile") }) {
			d.add("RUN " + a.precompile())
		}
		d.add("")
	}
	d.add("FROM " + on)
	d.install(run)
	if a.bundle {
		d.add("COPY --from=build --chown=65532:65532 /app /app")
	} else {
		d.add(a.assets.copy("--chown=65532:65532 "))
	}
	d.run(env, argv)
	return d.String()
}

var requiresSprockets = regexp.MustCompile(`(?m)^\s*require\s*\(?["']rails/all["']|^[^#\n]*\bsprockets/(?:rails?/)?railtie\b`)

// hasPipeline tells whether Rails has assets to make. Up to 6.1 its own gem brings
// sprockets-rails, and the application says whether it uses that: an API does not.
func (a rubyApp) hasPipeline() bool {
	onlyLocked := a.has("sprockets-rails") && !(rubyApp{gems: a.gemfile}).has("sprockets-rails")
	if onlyLocked && a.application != "" {
		return requiresSprockets.MatchString(a.application) || a.t.has("app/assets/config/manifest.js") || a.has("propshaft")
	}
	return a.has("sprockets-rails") || a.has("propshaft")
}

// railsDatabases are the gems of databases, and the address of one that is not
// there: a configuration that wants an address finds one, and nothing connects.
var railsDatabases = []struct{ gem, url string }{
	{"pg", "postgresql://user:pass@127.0.0.1/none"},
	{"mysql2", "mysql2://user:pass@127.0.0.1/none"},
	{"trilogy", "trilogy://user:pass@127.0.0.1/none"},
}

// precompile is the command that makes Rails' assets. From 7.1 on Rails makes up
// a secret by itself when it is asked to; older ones want one.
func (a rubyApp) precompile() string {
	names := []string{"SECRET_KEY_BASE_DUMMY=1", "SECRET_KEY_BASE=not-a-secret"}
	for _, database := range railsDatabases {
		if a.has(database.gem) {
			names = append(names, "DATABASE_URL="+database.url)
			break
		}
	}
	if a.assets != nil { // they are there already, and Node is not
		names = append(names, "SKIP_JS_BUILD=1", "SKIP_CSS_BUILD=1")
	}
	return a.t.standIns(names...) + "bundle exec rails assets:precompile"
}

// bundle installs gems. What the machine has already is enough where it
// satisfies the lock file; else they are fetched.
func (d *dockerfile) bundle(a rubyApp) {
	local := "bundle install --local"
	if a.t.hasDir("vendor/cache") {
		d.add("COPY vendor/cache vendor/cache", "RUN "+local)
		return
	}
	command := "bundle install --jobs 4"
	if a.hasGemsOfDebian() {
		command = "env --unset=BUNDLE_PATH " + local + " && bundle config set --local path.system true"
	}
	d.cached("gems", "/root/.bundle/cache", command)
}

func (a rubyApp) hasGemsOfDebian() bool { return a.t.hasApt(languageOf("ruby").libraries) }
