package builder

import (
	"errors"
	"strings"
	"testing"

	"teal/deploy"
)

// declaredTree is a tree with what its Procfile and Aptfile declare, as a build has it.
func declaredTree(t *testing.T, source fsSource) *tree {
	t.Helper()
	tree, err := newTree(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	var d declared
	if err := d.readProcfile(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	if tree.apt, err = readAptfile(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	tree.web = d.web
	return tree
}

const (
	flask = "from flask import Flask\napp = Flask(__name__)\n"
	rack  = "run App\n"
)

func TestEveryRowOfTheTableFindsItsApps(t *testing.T) {
	for _, c := range []struct {
		name       string
		source     fsSource
		what       string
		why        string // contained in one of the lines
		dockerfile string // contained
	}{
		{"Node server", files("package.json", `{"scripts":{"start":"node server.js"}}`, "server.js", ""), "Node 24: package.json found", "start: scripts.start in package.json, npm start → node server.js", `CMD ["node", "server.js"]`},
		{"Node, main", files("package.json", `{"main":"./lib.js"}`, "lib.js", ""), "Node 24: package.json found", "start: main in package.json", `CMD ["node", "lib.js"]`},
		{"Node, usual file", files("package.json", `{}`, "index.js", ""), "Node 24: package.json found", "start: index.js found", `CMD ["node", "index.js"]`},
		{"Node, npm lock", files("package.json", `{"dependencies":{"x":"1"}}`, "package-lock.json", "{}", "index.js", ""), "Node 24: package.json found", "exactly those of package-lock.json", "npm ci --omit=dev"},
		{"Node, yarn", files("package.json", `{"dependencies":{"x":"1"}}`, "yarn.lock", "", "index.js", ""), "Node 24: package.json found", "exactly those of yarn.lock", "yarn install --frozen-lockfile"},
		{"Node, pnpm", files("package.json", `{"dependencies":{"x":"1"}}`, "pnpm-lock.yaml", "lockfileVersion: '9.0'\n", "index.js", ""), "Node 24: package.json found", "pnpm 9", "pnpm install --frozen-lockfile"},
		{"Node, page", files("package.json", `{"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}}`), "Node 24: package.json found", "single-page app", "FROM teal/static"},
		{"Next", files("package.json", `{"scripts":{"build":"next build"},"dependencies":{"next":"15"}}`), "Node 24: package.json found", "Next's own server", `CMD ["next", "start"]`},
		{"Python, Flask", files("requirements.txt", "flask==3.0\ngunicorn==22.0\n", "app.py", flask), "Python 3.11: requirements.txt found", "a Flask app in app.py, with gunicorn", `"app:app"]`},
		{"Python, FastAPI", files("requirements.txt", "fastapi==1\nuvicorn==1\n", "main.py", "from fastapi import FastAPI\napi = FastAPI()\n"), "Python 3.11: requirements.txt found", "an ASGI app in main.py", `CMD ["uvicorn", "main:api"`},
		{"Python, Django", files("manage.py", "", "requirements.txt", "django==5\ngunicorn==22\n", "site/settings.py", "WSGI_APPLICATION = 'site.wsgi.application'\n"), "Python 3.11: requirements.txt found", "start: Django", `"site.wsgi:application"]`},
		{"Python, script", files("server.py", "print()\n"), "Python 3.11: server.py found", "start: server.py found", `CMD ["python3", "server.py"]`},
		{"Python, uv", files("pyproject.toml", "[project]\nname='x'\n", "uv.lock", "", "main.py", ""), "Python 3.11: pyproject.toml found", "exactly those of uv.lock", "uv sync --frozen"},
		{"Python, poetry", files("pyproject.toml", "[tool.poetry]\n", "poetry.lock", "", "main.py", ""), "Python 3.11: pyproject.toml found", "exactly those of poetry.lock", "poetry install --only main"},
		{"Python, pipenv", files("Pipfile", "", "Pipfile.lock", "{}", "main.py", ""), "Python 3.11: Pipfile found", "exactly those of Pipfile.lock", "pipenv install --deploy"},
		{"Python, wheels", files("requirements.txt", "x==1\n", "wheels/x-1-py3-none-any.whl", "", "main.py", ""), "Python 3.11: requirements.txt found", "from the wheels in wheels alone", "--no-index --find-links wheels"},
		{"Ruby, Rack", files("Gemfile", "gem 'puma'\n", "Gemfile.lock", "", "config.ru", rack), "Ruby 3.1: Gemfile found", "start: config.ru, with puma", `"puma", "--bind"`},
		{"Ruby, Rails", files("Gemfile", "gem 'rails'\n", "config/puma.rb", "", "config.ru", rack), "Ruby 3.1: Gemfile found", "start: Rails, with puma", "config/puma.rb"},
		{"Ruby, alone", files("config.ru", rack), "Ruby 3.1: config.ru found", "start: config.ru, with rackup", `CMD ["rackup"`},
		{"Ruby, native gem", files("Gemfile", "gem 'pg'\ngem 'puma'\n", "config.ru", rack), "Ruby 3.1: Gemfile found", "", "libpq-dev"},
		{"PHP, file", files("index.php", "<?php"), "PHP 8.2: index.php found", "directory . is served by Apache", "DOCUMENT_ROOT=/app "},
		{"PHP, public", files("composer.json", `{"require":{"slim/slim":"4"}}`, "composer.lock", "{}", "public/index.php", ""), "PHP 8.2: composer.json found", "exactly those of composer.lock", "DOCUMENT_ROOT=/app/public"},
		{"PHP, extension", files("composer.json", `{"require":{"ext-redis":"*","ext-json":"*"}}`, "index.php", ""), "PHP 8.2: composer.json found", "extensions: php-redis, which", "/apt/install php-redis"},
		{"PHP, Heroku's server", files("index.php", "", "web/index.php", "", "Procfile", "web: vendor/bin/heroku-php-apache2 web/\n"), "PHP 8.2: index.php found", "", "DOCUMENT_ROOT=/app/web"},
		{"Java", files("pom.xml", "<project/>"), "Java 17: pom.xml found", "start: the runnable jar", "teal-jar target /out"},
		{"Java, Procfile", files("pom.xml", "<project/>", "Procfile", "web: java -jar target/a.jar\n"), "Java 17: pom.xml found", "start: the declared web process", `CMD ["java", "-jar", "target/a.jar"]`},
		{"Java of Debian", files("pom.xml", "<project/>", "Aptfile", "libgoogle-gson-java"), "Java 17: pom.xml found", "Debian's, of the Aptfile, nothing is fetched", "--offline -Dmaven.repo.local=/usr/share/maven-repo"},
		{"Java, own repository", files("pom.xml", "<project/>", ".m2/repository/x/x.pom", ""), "Java 17: pom.xml found", "those in .m2/repository", "--offline"},
		{"Rust", files("Cargo.toml", "[package]\nname='a'\n", "Cargo.lock", "", "src/main.rs", ""), "Rust 1: Cargo.toml found", "program a: the only one", "cargo build --release --locked"},
		{"Rust, default-run", files("Cargo.toml", "[package]\nname='a'\ndefault-run='b'\n", "src/bin/b.rs", "", "src/bin/c.rs", ""), "Rust 1: Cargo.toml found", "program b: default-run", `CMD ["/app/bin/b"]`},
		{"Rust, vendored", files("Cargo.toml", "[package]\nname='a'\n", "src/main.rs", "", "vendor/x/Cargo.toml", ""), "Rust 1: Cargo.toml found", "those in vendor/", "--offline"},
		{"Procfile", files("Procfile", "web: ./run --port $PORT\n", "run", ""), "Procfile", "start: the declared web process, ./run --port 8080", "FROM teal/base"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := detect(t.Context(), declaredTree(t, c.source))
			if err != nil {
				t.Fatal(err)
			}
			if p.what != c.what {
				t.Errorf("what is %q, not %q", p.what, c.what)
			}
			contains(t, strings.Join(p.why, "\n"), c.why)
			contains(t, p.dockerfile, c.dockerfile)
			if p.on != stackPrefix+"static" {
				contains(t, p.dockerfile, "USER 65532:65532", "PORT=8080")
			}
			if strings.Contains(p.dockerfile, "<<") || strings.Contains(p.dockerfile, "syntax=") {
				t.Errorf("an old Engine can't build\n%s", p.dockerfile)
			}
			for _, ref := range fromRefs([]byte(p.dockerfile), nil) {
				if _, ok := recipeOf(ref); !ok {
					t.Errorf("is built on %s, which nobody makes", ref)
				}
			}
		})
	}
}

func TestTheVersionThatTheAppAsksForIsFound(t *testing.T) {
	node := func(pairs ...string) fsSource { return files(append([]string{"index.js", ""}, pairs...)...) }
	python := func(pairs ...string) fsSource { return files(append([]string{"main.py", ""}, pairs...)...) }
	ruby := func(pairs ...string) fsSource { return files(append([]string{"config.ru", ""}, pairs...)...) }
	java := func(pairs ...string) fsSource { return files(append([]string{"pom.xml", "<project/>"}, pairs...)...) }
	rust := func(pairs ...string) fsSource {
		return files(append([]string{"src/main.rs", "", "Cargo.lock", "", "Cargo.toml", "[package]\nname='a'\n"}, pairs...)...)
	}
	pom := func(s string) fsSource { return files("pom.xml", "<project>"+s+"</project>") }
	for _, c := range []struct {
		name   string
		source fsSource
		online bool
		on     string // image; "" for a refusal
		say    string // in why, warnings, or the refusal
	}{
		{"engines", node("package.json", `{"engines":{"node":">=20 <23"}}`), false, "teal/node:22", `engines.node in package.json says ">=20 <23"`},
		{"engines, exact", node("package.json", `{"engines":{"node":"22.3.0"}}`), false, "teal/node:22", "not exactly 22.3.0"},
		{"engines that nobody has", node("package.json", `{"engines":{"node":"12.x"}}`), true, "", `engines.node in package.json says "12.x", and there is Node 18, 20, 22, 24, 26`},
		{"volta before engines", node("package.json", `{"engines":{"node":"20"},"volta":{"node":"22.1.0"}}`), false, "teal/node:22", "volta.node"},
		{".nvmrc", node("package.json", `{}`, ".nvmrc", "v20\n"), false, "teal/node:20", ".nvmrc"},
		{".nvmrc, name", node("package.json", `{}`, ".nvmrc", "lts/iron\n"), false, "teal/node:20", ".nvmrc"},
		{"engines before .nvmrc", node("package.json", `{"engines":{"node":"22"}}`, ".nvmrc", "20"), false, "teal/node:22", "engines"},
		{".node-version", node("package.json", `{}`, ".node-version", "22.1"), false, "teal/node:22", ".node-version"},
		{".tool-versions", node("package.json", `{}`, ".tool-versions", "ruby 3.1\nnodejs 22.2.0\n"), false, "teal/node:22", ".tool-versions"},
		{"none", node("package.json", `{}`), false, "teal/node:24", "the app does not say, this is the default"},
		{".python-version", python(".python-version", "3.11\n"), false, "teal/python:3.11", ".python-version"},
		{".python-version, other, no registry", python(".python-version", "3.12.1\n"), false, "teal/python:3.11", "no container registry answers and Debian has Python 3.11"},
		{".python-version, other, registry", python(".python-version", "3.12.1\n"), true, "teal/python:3.12", "not exactly 3.12.1"},
		{"runtime.txt", python("runtime.txt", "python-3.11.4\n"), false, "teal/python:3.11", "runtime.txt"},
		{".python-version before runtime.txt", python("runtime.txt", "python-3.12.4\n", ".python-version", "3.11"), true, "teal/python:3.11", ".python-version"},
		{"Pipfile", python("Pipfile", "[requires]\npython_version = \"3.11\"\n"), false, "teal/python:3.11", "Pipfile"},
		{"requires-python", python("pyproject.toml", "[project]\nrequires-python = \">=3.10\"\n"), false, "teal/python:3.11", "pyproject.toml"},
		{"requires-python, too new", python("pyproject.toml", "[project]\nrequires-python = \">=3.13\"\n"), false, "", "there is Python 3.11"},
		{"poetry", python("pyproject.toml", "[tool.poetry.dependencies]\npython = \"^3.9\"\n"), false, "teal/python:3.11", "pyproject.toml"},
		{".ruby-version", ruby(".ruby-version", "ruby-3.1.2\n"), false, "teal/ruby:3.1", ".ruby-version"},
		{"Gemfile", ruby("Gemfile", "ruby '~> 3.1'\ngem 'puma'\n"), false, "teal/ruby:3.1", "Gemfile"},
		{"Gemfile before .ruby-version", ruby("Gemfile", "ruby '3.3.0'\ngem 'puma'\n", ".ruby-version", "3.1"), true, "teal/ruby:3.3", "Gemfile"},
		{"Gemfile.lock", ruby("Gemfile", "gem 'puma'\n", "Gemfile.lock", "RUBY VERSION\n   ruby 3.1.4p223\n"), false, "teal/ruby:3.1", "Gemfile.lock"},
		{"require.php", files("index.php", "", "composer.json", `{"require":{"php":"^8.1"}}`), false, "teal/php:8.2", "require.php"},
		{"platform.php", files("index.php", "", "composer.json", `{"require":{"php":"^8.1"},"config":{"platform":{"php":"8.3.2"}}}`), true, "teal/php:8.3", "config.platform.php"},
		{".php-version", files("index.php", "", ".php-version", "8.2"), false, "teal/php:8.2", ".php-version"},
		{"PHP too old", files("index.php", "", "composer.json", `{"require":{"php":"~7.4.0"}}`), false, "", "there is PHP 8.2"},
		{"pom.xml, older", pom("<maven.compiler.release>11</maven.compiler.release>"), false, "teal/java:17", `pom.xml says ">=11"`},
		{"pom.xml, 1.8", pom("<java.version>1.8</java.version>"), false, "teal/java:17", `">=8"`},
		{"pom.xml, newer", pom("<java.version>21</java.version>"), true, "teal/java:21", "pom.xml"},
		{"pom.xml, newer, no registry", pom("<java.version>21</java.version>"), false, "", "there is Java 17"},
		{"pom.xml, in a comment", pom("<!-- <java.version>21</java.version> -->"), false, "teal/java:17", "this is the default"},
		{"system.properties", java("system.properties", "java.runtime.version=17\n"), false, "teal/java:17", "system.properties"},
		{".java-version", java(".java-version", "temurin-21.0.1\n"), true, "teal/java:21", ".java-version"},
		{".sdkmanrc", java(".sdkmanrc", "java=11.0.2-tem\n"), true, "teal/java:11", ".sdkmanrc"},
		{"rust-toolchain", rust("rust-toolchain", "1.75.0\n"), false, "teal/base", "the newest Rust 1 is used, with its security fixes, not exactly 1.75.0"},
		{"rust-toolchain.toml", rust("rust-toolchain.toml", "[toolchain]\nchannel = \"1.80\"\n"), false, "teal/base", "rust-toolchain.toml"},
		{"rust-toolchain.toml, stable", rust("rust-toolchain.toml", "[toolchain]\nchannel = \"stable\"\n"), false, "teal/base", "this is the default"},
		{"rust-toolchain.toml, nightly", rust("rust-toolchain.toml", "[toolchain]\nchannel = \"nightly\"\n"), false, "", `rust-toolchain.toml says "nightly", and there is Rust 1`},
		{"rust-version", files("src/main.rs", "", "Cargo.toml", "[package]\nname='a'\nrust-version='1.70'\n"), false, "teal/base", "rust-version in Cargo.toml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := declaredTree(t, c.source)
			tree.online = func() bool { return c.online }
			p, err := detect(t.Context(), tree)
			var refused *deploy.Failure
			switch {
			case errors.As(err, &refused) && c.on == "":
				contains(t, refused.Reason, c.say)
			case err != nil:
				t.Fatal(err)
			case p.on != c.on:
				t.Errorf("runs on %s, not %q", p.on, c.on)
			default:
				contains(t, strings.Join(append(p.why, p.warn...), "\n"), c.say)
			}
		})
	}
}

func TestRepositoriesThatLookLikeSeveralAreSaidSoAndChosenByTealToml(t *testing.T) {
	both := func() fsSource {
		return files("Gemfile", "gem 'puma'\n", "config.ru", rack, "package.json", `{"main":"index.js"}`, "index.js", "", "index.html", "x")
	}
	p, err := detect(t.Context(), declaredTree(t, both()))
	if err != nil || p.kind != "ruby" {
		t.Fatalf("%+v %v", p, err)
	}
	contains(t, strings.Join(p.why, "\n"), `package.json is here, too: Ruby goes before Node. [build] language = "node" in teal.toml takes the other one`)
	for key, kind := range map[string]string{"node": "node", "static": "static", "ruby": "ruby"} {
		tree := declaredTree(t, both())
		tree.kind = key
		if p, err := detect(t.Context(), tree); err != nil || p.kind != kind {
			t.Errorf("%s: %+v %v", key, p, err)
		}
	}
	for key, say := range map[string]string{"python": "teal.toml says that the app is Python, and there is none", "perl": `build.language in teal.toml is "perl"`} {
		tree := declaredTree(t, both())
		tree.kind = key
		_, err := detect(t.Context(), tree)
		var f *deploy.Failure
		if !errors.As(err, &f) {
			t.Fatalf("%s: %v", key, err)
		}
		contains(t, f.Reason, say)
	}
}

func TestNearMissesAreNamed(t *testing.T) {
	for _, c := range []struct {
		name         string
		source       fsSource
		reason, hint string
	}{
		{"dockerfile", files("dockerfile", "FROM scratch"), "dockerfile is not spelled Dockerfile", ""},
		{"Dockerfile.prod", files("Dockerfile.prod", "FROM scratch"), "Dockerfile.prod is not called Dockerfile", ""},
		{"Go without a module", files("main.go", mainGo), "main.go is Go, but there is no go.mod", ""},
		{"JavaScript alone", files("server.js", ""), "server.js is JavaScript, but there is no package.json", ""},
		{"Python with an unusual name", files("robot.py", ""), "robot.py is Python", ""},
		{"Gradle", files("build.gradle.kts", ""), "build.gradle.kts is Gradle's", ""},
		{"Compose", files("docker-compose.yml", ""), "docker-compose.yml is Compose's", ""},
		{"below", files("web/package.json", "{}", "api/go.mod", "module x\n"), "nothing else that Teal knows", `api/go.mod, web/package.json could be built: say in teal.toml which directory the app lies in, [build] root = "api"`},
		{"package.json without a start", files("package.json", "{}"), "nothing that says how to start the app", "start script"},
		{"package.json that is none", files("package.json", "{"), "package.json cannot be read", ""},
		{"composer.json that is none", files("composer.json", "{"), "composer.json cannot be read", ""},
		{"Cargo.toml that is none", files("Cargo.toml", "["), "Cargo.toml cannot be read", ""},
		{"Rust library", files("Cargo.toml", "[package]\nname='a'\n", "src/lib.rs", ""), "no program", "build"},
		{"Rust with two programs", files("Cargo.toml", "[package]\nname='a'\n", "src/bin/a.rs", "", "src/bin/b.rs", ""), "several Rust programs: a, b", "default-run"},
		{"Gemfile alone", files("Gemfile", "gem 'x'\n"), "nothing that says how to start the app", "config.ru"},
		{"Flask without gunicorn", files("requirements.txt", "flask\n", "app.py", flask), "Flask is run by gunicorn, which is not among the app's packages", "add gunicorn"},
		{"Aptfile with an address", files("Aptfile", "https://example.org/x.deb\n", "index.html", ""), "Aptfile line 1", ""},
		{"Procfile without web", files("Procfile", "worker: ./run\n"), "nothing else that Teal knows", "Procfile with a web process"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree, err := newTree(t.Context(), c.source)
			if err == nil {
				if tree.apt, err = readAptfile(t.Context(), tree); err == nil {
					_, err = detect(t.Context(), tree)
				}
			}
			var f *deploy.Failure
			if !errors.As(err, &f) {
				t.Fatalf("error is %v", err)
			}
			contains(t, f.Reason, c.reason)
			contains(t, f.Hint, c.hint)
		})
	}
}

func TestConstraintsOfEveryLanguageAreRead(t *testing.T) {
	for _, c := range []struct {
		constraint, line string
		fit              int
	}{
		{"22", "22", fitsWell},
		{"v22.1.0", "22", fitsLine},
		{"22.x", "22", fitsWell},
		{"^20 || ^22", "22", fitsWell},
		{">=18 <21", "22", fitsNot},
		{"18 - 20", "20", fitsWell},
		{"*", "24", fitsWell},
		{"3.11.*", "3.11", fitsWell},
		{"==3.11.*", "3.11", fitsWell},
		{"~=3.9", "3.11", fitsWell},
		{">=3.9,<3.11", "3.11", fitsNot},
		{">=3.9,!=3.9.1", "3.11", fitsWell},
		{"~> 3.1.2", "3.1", fitsWell},
		{"~> 3.1.2", "3.2", fitsNot},
		{">= 3.0, < 4", "3.1", fitsWell},
		{"^7.4|^8.0", "8.2", fitsWell},
		{"1.75.0", "1", fitsLine},
		{"nightly", "1", fitsNot},
		{"\x00", "1", fitsNot},
	} {
		if got := fits(c.constraint, c.line); got != c.fit {
			t.Errorf("%q and %s: %d, not %d", c.constraint, c.line, got, c.fit)
		}
	}
}
