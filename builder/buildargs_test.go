package builder

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// withArgs is a tree whose teal.toml has build arguments, as detection sees it.
func withArgs(t *testing.T, source fsSource, args ...string) *tree {
	t.Helper()
	tree := declaredTree(t, source)
	tree.args = map[string]string{}
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		tree.args[name] = value
	}
	return tree
}

func TestBuildArgumentsReachTheStepsThatBuildAndNoPackageIsInstalledForAPage(t *testing.T) {
	const page = `{"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}}`
	for _, c := range []struct {
		name    string
		source  fsSource
		install string // what installs packages
		build   string // what builds; "": install does
	}{
		{"Go", files("go.mod", "module a\n\ngo 1.23\n", "go.sum", "", "main.go", mainGo), `"mod", "download"`, `"go", "build"`},
		{"Rust", files("Cargo.toml", "[package]\nname='a'\n", "src/main.rs", ""), "cargo build", ""},
		{"Java", files("pom.xml", "<project/>"), "mvn", ""},
		{"PHP", files("composer.json", `{"require":{"a/b":"1"}}`, "index.php", ""), "composer install", ""},
		{"PHP with pages", files("composer.json", `{"require":{"a/b":"1"}}`, "index.php", "", "package.json", page), "npm install", "npm run build"},
		{"Ruby", files("Gemfile", "gem 'rails'\ngem 'propshaft'\n"), "bundle install", "assets:precompile"},
		{"Ruby, gem in the tree", files("Gemfile", "gem 'x', path: 'x'\ngem 'puma'\n", "config.ru", rack), "bundle install", ""},
		{"Python", files("manage.py", "", "requirements.txt", "django\nwhitenoise\ngunicorn\n", "a/wsgi.py", ""), "pip install", "collectstatic"},
		{"Python, project", files("pyproject.toml", "[project]\nname='x'\n[build-system]\nrequires=['hatchling']\n", "main.py", ""), "pip install", ""},
		{"Node", files("package.json", `{"scripts":{"start":"node i.js","build":"x"},"dependencies":{"x":"1"}}`, "i.js", ""), "npm install", "npm run build"},
		{"Node, hook", files("package.json", `{"scripts":{"start":"node i.js","postinstall":"x","build":"y"},"dependencies":{"x":"1"}}`, "i.js", ""), "npm install", ""},
		{"pages", files("package.json", page), "npm install", "npm run build"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := detect(t.Context(), withArgs(t, c.source, "FLAVOR=plain", "VITE_API=https://api.example.com", "https_proxy=x"))
			if err != nil {
				t.Fatal(err)
			}
			install := strings.Index(p.dockerfile, c.install)
			flavor, api := strings.Index(p.dockerfile, "\nARG FLAVOR\n"), strings.Index(p.dockerfile, "\nARG VITE_API\n")
			if flavor < 0 || install < flavor {
				t.Errorf("what installs packages does not see FLAVOR\n%s", p.dockerfile)
			}
			before := install
			if c.build != "" {
				before = strings.Index(p.dockerfile, c.build)
			}
			if api < 0 || before < api {
				t.Errorf("what builds does not see VITE_API\n%s", p.dockerfile)
			}
			if c.build != "" && c.name != "Go" && api < install {
				t.Errorf("another VITE_API installs packages again\n%s", p.dockerfile)
			}
			if i := strings.LastIndex(p.dockerfile, "\nFROM "); strings.Contains(p.dockerfile[i:], "ARG ") {
				t.Errorf("what runs sees an argument\n%s", p.dockerfile)
			}
			if strings.Contains(p.dockerfile, "plain") || strings.Contains(p.dockerfile, "example.com") || strings.Contains(p.dockerfile, "proxy") {
				t.Errorf("a value, or a proxy, is written down\n%s", p.dockerfile)
			}
		})
	}
}

func TestBuildArgumentsThatNoStepCanReadAreSaid(t *testing.T) {
	tree := withArgs(t, files("index.html", ""), "FLAVOR=plain")
	p, err := detect(t.Context(), tree)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, tree.unusedArgs(p), "[build] args in teal.toml has no effect (FLAVOR)", "config set")
	tree.args = nil
	if said := tree.unusedArgs(p); said != "" {
		t.Errorf("said %q without any", said)
	}
}

func TestPagesGetTheirArgumentsAndOnlyTheBuildIsDoneAgain(t *testing.T) {
	b := newBench(t)
	app := func(api string) fsSource {
		return files("package.json", `{"scripts":{"build":"node build.js"},"devDependencies":{},"dependencies":{}}`,
			"build.js", `require("fs").writeFileSync("api.txt", "api "+process.env.NEXT_PUBLIC_API)`,
			"server.js", `require("http").createServer((q, a) => a.end(require("fs").readFileSync("api.txt")+" "+process.env.NEXT_PUBLIC_API)).listen(8080)`,
			"teal.toml", "[build]\nargs = { NEXT_PUBLIC_API = \""+api+"\" }\n")
	}
	built, _ := b.build(request(app("one-" + b.ns)))
	url, _ := b.startHardened(built.Image)
	if status, body := get(t, url+"/"); status != 200 || body != "api one-"+b.ns+" undefined" {
		t.Errorf("answered %d %q", status, body)
	}
	_, log := b.build(request(app("two-" + b.ns)))
	if !regexp.MustCompile(`(?m)^#.* npm install  cached$`).MatchString(log) {
		t.Errorf("packages are installed again\n%s", log)
	}
	contains(t, log, "   | ARG NEXT_PUBLIC_API\n")
}

func TestVariablesOfPagesThatNothingGivesAreNamed(t *testing.T) {
	const next = `{"scripts":{"build":"next build"},"dependencies":{"next":"15"}}`
	const reads = "const a = process.env.NEXT_PUBLIC_API_URL;\nprocess.env['NEXT_PUBLIC_KEY']\nprocess.env.NEXT_PUBLIC_MODE ?? 'plain'\nprocess.env.SECRET\nimport.meta.env.VITE_OTHER\n"
	const said = "nothing gives the build NEXT_PUBLIC_API_URL, NEXT_PUBLIC_KEY, which src/api.ts reads: pages get undefined in its place. " +
		`In teal.toml: [build] args = { NEXT_PUBLIC_API_URL = "…", NEXT_PUBLIC_KEY = "…" }; config set is for where the app runs`
	for _, c := range []struct {
		name   string
		source fsSource
		args   []string
		say    string // "": nothing
	}{
		{"nothing gives them", files("package.json", next, "src/api.ts", reads), nil, said},
		{"arguments", files("package.json", next, "src/api.ts", reads), []string{"NEXT_PUBLIC_API_URL=x", "NEXT_PUBLIC_KEY="}, ""},
		{"one argument", files("package.json", next, "src/api.ts", reads), []string{"NEXT_PUBLIC_API_URL=x"}, "nothing gives the build NEXT_PUBLIC_KEY, which"},
		{".env", files("package.json", next, "src/api.ts", reads, ".env.production", "NEXT_PUBLIC_API_URL=x\nexport NEXT_PUBLIC_KEY = y\n"), nil, ""},
		{".env of developers", files("package.json", next, "src/api.ts", reads, ".env.development", "NEXT_PUBLIC_API_URL=x\nNEXT_PUBLIC_KEY=y\n"), nil, said},
		{"next.config.js", files("package.json", next, "src/api.ts", reads, "next.config.js", "module.exports = {env: {NEXT_PUBLIC_API_URL: 'x', 'NEXT_PUBLIC_KEY': 'y'}}"), nil, ""},
		{"another tool's", files("package.json", `{"scripts":{"build":"tsc","start":"node i.js"}}`, "src/api.ts", reads), nil, ""},
		{"in a test", files("package.json", next, "src/api.test.ts", reads, "tests/x.ts", reads), nil, ""},
		{"pages of another language", files("index.php", "", "package.json", `{"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}}`, "resources/js/app.js", "import.meta.env.VITE_HOST"), nil, "VITE_HOST, which resources/js/app.js reads"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := detect(t.Context(), withArgs(t, c.source, c.args...))
			if err != nil {
				t.Fatal(err)
			}
			i := slices.IndexFunc(p.warn, func(line string) bool { return strings.Contains(line, "nothing gives the build") })
			switch {
			case c.say == "" && i >= 0:
				t.Errorf("said %q", p.warn[i])
			case c.say != "" && i < 0:
				t.Errorf("not said: %q", p.warn)
			case c.say != "":
				contains(t, p.warn[i], c.say)
			}
		})
	}
}
