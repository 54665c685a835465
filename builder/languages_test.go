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
		{"Node, install hook of what develops", files("package.json", `{"scripts":{"start":"node i.js","prepare":"husky"},"devDependencies":{"husky":"9"}}`, "package-lock.json", "{}", "i.js", ""), "Node 24: package.json found", "", "COPY package.json package-lock.json ./\nRUN --mount=type=cache,id=npm,target=/root/.npm \\\n    npm ci && npm prune --omit=dev"},
		{"Node, install hook of the app", files("package.json", `{"scripts":{"start":"node i.js","postinstall":"tsc"},"devDependencies":{"typescript":"5"}}`, "package-lock.json", "{}", "i.js", ""), "Node 24: package.json found", "", "COPY . .\nRUN --mount=type=cache,id=npm,target=/root/.npm \\\n    npm ci\nRUN"},
		{"Node, heroku-postbuild", files("package.json", `{"scripts":{"start":"node i.js","build":"x","heroku-postbuild":"y"}}`, "i.js", ""), "Node 24: package.json found", "build: scripts.heroku-postbuild in package.json, y", "RUN npm run heroku-postbuild"},
		{"Node, started by what develops", files("package.json", `{"scripts":{"start":"nodemon i.js"},"devDependencies":{"nodemon":"3"}}`, "package-lock.json", "{}", "i.js", ""), "Node 24: package.json found", "devDependencies stay in the image: what runs names nodemon", "    npm ci && mkdir -p node_modules\n"},
		{"Node, script that names what develops", files("package.json", `{"scripts":{"start":"npm run serve","serve":"node -r ts-node/register i.ts"},"devDependencies":{"ts-node":"10"}}`, "package-lock.json", "{}", "i.ts", ""), "Node 24: package.json found", "what runs names ts-node", "    npm ci && mkdir"},
		{"Node, odd package.json", files("package.json", "\ufeff"+`{"engines":["node >= 22"],"main":false,"scripts":{"start":"node i.js","x":1},"dependencies":[]}`, "i.js", ""), "Node 24: package.json found", `engines.node in package.json says ">= 22"`, ""},
		{"Node, yarn 4 without its settings", files("package.json", `{"dependencies":{"x":"1"}}`, "yarn.lock", "# x\n\n__metadata:\n  version: 8\n", "index.js", ""), "Node 24: package.json found", "packages: yarn 4", "yarn workspaces focus --all --production"},
		{"Node, yarn 3", files("package.json", `{"dependencies":{"x":"1"}}`, "yarn.lock", "__metadata:\n  version: 6\n", "index.js", ""), "Node 24: package.json found", "packages: yarn 3", "yarn install --immutable && mkdir"},
		{"Node, bun", files("package.json", `{"scripts":{"start":"bun run index.ts"},"dependencies":{"x":"1"}}`, "bun.lock", "{}", "index.ts", ""), "Node 24: package.json found", "packages: bun 1, exactly those of bun.lock", "bun.exe /usr/local/bin/bun"},
		{"Node, two lock files", files("package.json", `{"packageManager":"npm@10.2.0","dependencies":{"x":"1"}}`, "yarn.lock", "", "package-lock.json", "{}", "index.js", ""), "Node 24: package.json found", "exactly those of package-lock.json", "npm ci"},
		{"pages of a generator", files("package.json", `{"scripts":{"build":"astro build","start":"astro dev"},"dependencies":{"astro":"5"}}`), "Node 24: package.json found", "pages: astro in package.json, and no server", "COPY --from=build /app/dist/ /public/"},
		{"pages, and package.json for tools", files("index.html", "", "package.json", `{"main":"index.js","scripts":{"lint":"prettier ."},"devDependencies":{"prettier":"3"}}`), "static site: files in .", "package.json has nothing to start or to build: it is for tools", "FROM teal/static"},
		{"pages that were built before", files("dist/index.html", "", "README.md", ""), "static site: files in dist", "directory dist: dist/index.html found", `COPY ["dist/", "/public/"]`},
		{"PHP with Vite", files("public/index.php", "", "package.json", `{"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}}`, "package-lock.json", "{}"), "PHP 8.2: public/index.php found", "for browsers: vite in package.json, built by scripts.build, vite build", "RUN npm run build && rm -rf node_modules\n\nFROM teal/php:8.2\nCOPY --from=assets --chown=65532:65532 /app .\n"},
		{"Python with a package.json for browsers", files("requirements.txt", "", "main.py", "", "package.json", `{"scripts":{"build":"webpack"},"devDependencies":{"webpack":"5"}}`), "Python 3.11: requirements.txt found", "for browsers: webpack in package.json", "COPY --from=assets --chown=65532:65532 /app .\n"},
		{"Python with a package.json for something", files("requirements.txt", "", "main.py", "", "package.json", `{"scripts":{"build":"x"}}`), "Python 3.11: requirements.txt found", "package.json is here, too: Python goes before Node", "COPY --chown=65532:65532 . .\n"},
		{"Rails with esbuild", files("Gemfile", "gem 'rails'\ngem 'jsbundling-rails'\ngem 'sprockets-rails'\n", "config/puma.rb", "", "package.json", `{"scripts":{"build":"esbuild app.js"},"dependencies":{"esbuild":"0"}}`), "Ruby 3.1: Gemfile found", "for browsers: esbuild in package.json", "RUN SECRET_KEY_BASE_DUMMY=1 SECRET_KEY_BASE=not-a-secret SKIP_JS_BUILD=1 SKIP_CSS_BUILD=1 bundle exec rails assets:precompile"},
		{"Node, registry of its own", files("package.json", `{"dependencies":{"@ours/x":"1"}}`, "package-lock.json", "{}", ".npmrc", "//npm.example.com/:_authToken=${NPM_TOKEN}\ncache=${HOME}/x\n", "index.js", ""), "Node 24: package.json found", "build secret NPM_TOKEN, where the app has one, is given to what installs packages", "target=/root/.npm \\\n    --mount=type=secret,id=NPM_TOKEN \\\n    if [ -f /run/secrets/NPM_TOKEN ]; then export NPM_TOKEN=\"$(cat /run/secrets/NPM_TOKEN)\"; fi && \\\n    npm ci --omit=dev"},
		{"Python, index of its own", files("requirements.txt", "--extra-index-url https://${PYPI_TOKEN}@pypi.example.com/simple\nx==1\n", "main.py", ""), "Python 3.11: requirements.txt found", "build secret PYPI_TOKEN", "--mount=type=secret,id=PYPI_TOKEN \\\n    if [ -f"},
		{"Python, wsgi.py", files("requirements.txt", "flask==3\ngunicorn==22\n", "app/__init__.py", "def create_app():\n", "wsgi.py", "from app import create_app\napp = create_app()\n"), "Python 3.11: requirements.txt found", "start: app in wsgi.py, with gunicorn", `"wsgi:app"]`},
		{"Python, UTF-16", files("requirements.txt", "\xff\xfef\x00l\x00a\x00s\x00k\x00\r\x00\n\x00g\x00u\x00n\x00i\x00c\x00o\x00r\x00n\x00", "app.py", flask), "Python 3.11: requirements.txt found", "a Flask app in app.py", "gunicorn"},
		{"Python, project that is no package", files("pyproject.toml", "[project]\nname='x'\ndependencies=['flask>=3', \"gunicorn; python_version > '3.8'\"]\n", "app.py", flask), "Python 3.11: pyproject.toml found", "packages: pip, the dependencies in pyproject.toml", `pip install 'flask>=3' 'gunicorn; python_version > '\''3.8'\'`},
		{"Python, package", files("pyproject.toml", "[project]\nname='x'\n[build-system]\nrequires=['hatchling']\n", "main.py", ""), "Python 3.11: pyproject.toml found", "those of the project itself", "pip install ."},
		{"Python, poetry without a lock", files("pyproject.toml", "[tool.poetry]\nname='x'\n", "main.py", ""), "Python 3.11: pyproject.toml found", "packages: poetry", "poetry install --only main"},
		{"Python, pdm", files("pyproject.toml", "[project]\nname='x'\n", "pdm.lock", "", "main.py", ""), "Python 3.11: pyproject.toml found", "exactly those of pdm.lock", "pdm install --prod"},
		{"Python, requirements/", files("requirements/base.txt", "x==1\n", "requirements/production.txt", "-r base.txt\n", "main.py", ""), "Python 3.11: main.py found", "packages: pip, requirements/production.txt", "--requirement requirements/production.txt"},
		{"Python, Streamlit", files("requirements.txt", "streamlit==1\n", "streamlit_app.py", ""), "Python 3.11: requirements.txt found", "start: Streamlit, with streamlit_app.py", `"streamlit", "run", "streamlit_app.py"`},
		{"Node with a script in Python", files("package.json", `{"scripts":{"start":"node web.js"}}`, "web.js", "", "run.py", ""), "Node 24: package.json found", "run.py is here, too, and nothing that names Python packages", `CMD ["node", "web.js"]`},
		{"Node with a script in Python, usual file", files("package.json", `{}`, "server.js", "", "server.py", ""), "Node 24: package.json found", "server.py is here, too", `CMD ["node", "server.js"]`},
		{"Node with a script in Python, Procfile", files("package.json", `{}`, "x.js", "", "main.py", "", "Procfile", "web: node x.js\n"), "Node 24: package.json found", "main.py is here, too", `CMD ["node", "x.js"]`},
		{"Python with a start script of Node", files("package.json", `{"scripts":{"start":"node watch.js"}}`, "requirements.txt", "", "main.py", ""), "Python 3.11: requirements.txt found", "start: main.py found", `CMD ["python3", "main.py"]`},
		{"Python with a start script of Node, Django", files("package.json", `{"scripts":{"start":"webpack --watch"},"main":"index.js"}`, "index.js", "", "manage.py", "", "Procfile", "web: gunicorn x\n"), "Python 3.11: manage.py found", "", `CMD ["gunicorn", "x"]`},
		{"Python with a start script of Node, Procfile", files("package.json", `{"scripts":{"start":"node x.js"}}`, "main.py", "", "Procfile", "web: python3 main.py\n"), "Python 3.11: main.py found", "", `CMD ["python3", "main.py"]`},
		{"Python with pages that a bundler serves", files("package.json", `{"scripts":{"start":"vite","build":"vite build"},"devDependencies":{"vite":"5"}}`, "server.py", ""), "Python 3.11: server.py found", "for browsers: vite in package.json", `CMD ["python3", "server.py"]`},
		{"Python that npm starts", files("package.json", `{"scripts":{"start":"npm run css && python3 main.py"}}`, "main.py", ""), "Python 3.11: main.py found", "start: main.py found", `CMD ["python3", "main.py"]`},
		{"Node with a script in Python that runs first", files("package.json", `{"scripts":{"start":"python3 main.py && node web.js"}}`, "web.js", "", "main.py", ""), "Node 24: package.json found", "main.py is here, too", `python3 main.py && node web.js"]`},
		{"Python that serves, with a browser's script", files("package.json", `{"devDependencies":{"prettier":"3"}}`, "index.html", "", "app.js", "", "server.py", "from http.server import HTTPServer\n"), "Python 3.11: server.py found", "start: server.py found", `CMD ["python3", "server.py"]`},
		{"Python that listens on 8080, with a browser's script", files("package.json", `{"devDependencies":{"eslint":"9"}}`, "index.html", "", "main.js", "", "server.py", "s.bind(('', 8080))\n"), "Python 3.11: server.py found", "start: server.py found", `CMD ["python3", "server.py"]`},
		{"Node with a script in Python that asks it", files("package.json", `{}`, "server.js", "", "run.py", "get('http://localhost:8080/')\n"), "Node 24: package.json found", "run.py is here, too", `CMD ["node", "server.js"]`},
		{"Python with what a bundler takes", files("package.json", `{"scripts":{"build":"webpack"},"devDependencies":{"webpack":"5"}}`, "src/index.js", "", "server.py", ""), "Python 3.11: server.py found", "for browsers: webpack in package.json", `CMD ["python3", "server.py"]`},
		{"Python with a package.json for browsers alone", files("package.json", `{"scripts":{"build":"x"}}`, "app.py", ""), "Python 3.11: app.py found", "", `CMD ["python3", "app.py"]`},
		{"Ruby, Sinatra without config.ru", files("Gemfile", "gem 'sinatra'\n", "app.rb", ""), "Ruby 3.1: Gemfile found", "start: Sinatra, app.rb found", `"ruby", "app.rb", "-o", "0.0.0.0"`},
		{"Ruby, gem in the tree", files("Gemfile", "gem 'x', path: 'x'\ngem 'puma'\n", "config.ru", rack), "Ruby 3.1: Gemfile found", "", "COPY . .\nRUN --mount=type=cache,id=gems"},
		{"PHP, www", files("www/index.php", ""), "PHP 8.2: www/index.php found", "directory www is served", "DOCUMENT_ROOT=/app/www"},
		{"PHP, Heroku's server with options", files("composer.json", "{}", "public/index.php", "", "Procfile", "web: vendor/bin/heroku-php-nginx -C nginx.conf public/\n"), "PHP 8.2: composer.json found", "directory public is served by Apache", `CMD ["apache2"`},
		{"PHP, own server", files("index.php", "", "Procfile", "web: php -S 0.0.0.0:$PORT\n"), "PHP 8.2: index.php found", "start: the declared web process, php -S 0.0.0.0:8080", "STOPSIGNAL SIGTERM"},
		{"Rust, workspace", files("Cargo.toml", "[workspace]\nmembers=['crates/*']\n", "crates/web/Cargo.toml", "[package]\nname='web'\n", "crates/web/src/main.rs", "", "crates/lib/Cargo.toml", "[package]\nname='lib'\n", "crates/lib/src/lib.rs", ""), "Rust 1: Cargo.toml found", "program web: the only one", `CMD ["/app/bin/web"]`},
		{"Rust, program in a directory", files("Cargo.toml", "[package]\nname='a'\n", "src/lib.rs", "", "src/bin/web/main.rs", ""), "Rust 1: Cargo.toml found", "program web: the only one", `CMD ["/app/bin/web"]`},
		{"Python, Flask", files("requirements.txt", "flask==3.0\ngunicorn==22.0\n", "app.py", flask), "Python 3.11: requirements.txt found", "a Flask app in app.py, with gunicorn", `"app:app"]`},
		{"Python, FastAPI", files("requirements.txt", "fastapi==1\nuvicorn==1\n", "main.py", "from fastapi import FastAPI\napi = FastAPI()\n"), "Python 3.11: requirements.txt found", "an ASGI app in main.py", `CMD ["uvicorn", "main:api"`},
		{"Python, Django", files("manage.py", "", "requirements.txt", "django==5\ngunicorn==22\n", "site/settings.py", "WSGI_APPLICATION = 'site.wsgi.application'\n"), "Python 3.11: requirements.txt found", "start: Django", `"site.wsgi:application"]`},
		{"Python, script", files("server.py", "print()\n"), "Python 3.11: server.py found", "start: server.py found", `CMD ["python3", "server.py"]`},
		{"Python, uv", files("pyproject.toml", "[project]\nname='x'\n", "uv.lock", "", "main.py", ""), "Python 3.11: pyproject.toml found", "exactly those of uv.lock", "uv sync --frozen"},
		{"Python, poetry", files("pyproject.toml", "[tool.poetry]\n", "poetry.lock", "", "main.py", ""), "Python 3.11: pyproject.toml found", "exactly those of poetry.lock", "poetry install --only main"},
		{"Python, pipenv", files("Pipfile", "", "Pipfile.lock", "{}", "main.py", ""), "Python 3.11: Pipfile found", "exactly those of Pipfile.lock", "pipenv install --deploy"},
		{"Python, wheels", files("requirements.txt", "x==1\n", "wheels/x-1-py3-none-any.whl", "", "main.py", ""), "Python 3.11: requirements.txt found", "from the wheels in wheels alone", "--no-index --find-links wheels"},
		{"Python, annotated app", files("requirements.txt", "fastapi==1\nuvicorn==1\n", "main.py", "app: FastAPI = FastAPI(\n    title='x')\n"), "Python 3.11: requirements.txt found", "an ASGI app in main.py", `CMD ["uvicorn", "main:app"`},
		{"Python, app of a factory", files("requirements.txt", "fastapi==1\nuvicorn==1\n", "main.py", "from shop import create_app\napp = create_app()\n"), "Python 3.11: requirements.txt found", "start: app in main.py, with uvicorn", `CMD ["uvicorn", "main:app"`},
		{"Python, Flask of a factory", files("requirements.txt", "flask==3\ngunicorn==22\n", "run.py", "from shop import create_app\napp = create_app('production')\nif __name__ == '__main__':\n    app.run()\n"), "Python 3.11: requirements.txt found", "start: app in run.py, with gunicorn", `"run:app"]`},
		{"Python, script of a factory that serves by itself", files("requirements.txt", "flask==3\ngunicorn==22\n", "run.py", "app = create_app()\nsocketio.run(app, port=os.environ['PORT'])\n"), "Python 3.11: requirements.txt found", "start: run.py found", `CMD ["python3", "run.py"]`},
		{"Python, script of a factory that listens on 8080", files("requirements.txt", "fastapi==1\nuvicorn==1\n", "main.py", "app = create_app()\nif __name__ == '__main__':\n    uvicorn.run(app, host='0.0.0.0', port=8080)\n"), "Python 3.11: requirements.txt found", "start: main.py found", `CMD ["python3", "main.py"]`},
		{"Python, factory with a port for its developer", files("requirements.txt", "flask==3\ngunicorn==22\n", "run.py", "app = create_app()\nif __name__ == '__main__':\n    app.run(debug=True, port=8080)\n"), "Python 3.11: requirements.txt found", "start: app in run.py, with gunicorn", `"run:app"]`},
		{"Python, Gradio on 8080", files("requirements.txt", "fastapi==1\nuvicorn==1\ngradio==5\n", "app.py", "app = build_ui()\napp.launch(server_port=8080)\n"), "Python 3.11: requirements.txt found", "start: app.py found", `CMD ["python3", "app.py"]`},
		{"Python, factory that allows an origin", files("requirements.txt", "fastapi==1\nuvicorn==1\n", "main.py", "app = create_app(origins=['http://localhost:8080'])\n"), "Python 3.11: requirements.txt found", "start: app in main.py, with uvicorn", `CMD ["uvicorn", "main:app"`},
		{"Python, long requirements included", files("requirements.txt", "-r requirements/locked.txt\n", "requirements/locked.txt", "flask==3\ngunicorn==22\n"+strings.Repeat("# hash\n", maxSmallFile/4), "app.py", flask), "Python 3.11: requirements.txt found", "a Flask app in app.py, with gunicorn", "COPY . ."},
		{"Python, requirements too long to read", files("requirements.txt", "-r all.txt\n", "all.txt", strings.Repeat("# hash\n", maxSourceFile/4), "main.py", ""), "Python 3.11: requirements.txt found", "start: main.py found", "COPY . ."},
		{"Python, Quart's own server", files("requirements.txt", "quart==1\n", "app.py", "app = Quart(__name__)\napp.run()\n"), "Python 3.11: requirements.txt found", "start: app.py found", `CMD ["python3", "app.py"]`},
		{"Python, Quart with uvicorn", files("requirements.txt", "quart==1\nuvicorn==1\n", "app.py", "app = Quart(__name__)\n"), "Python 3.11: requirements.txt found", "an ASGI app in app.py", `"uvicorn", "app:app"`},
		{"Python, no factory", files("requirements.txt", "flask==3\n", "run.py", "app = 1\n"), "Python 3.11: requirements.txt found", "start: run.py found", `CMD ["python3", "run.py"]`},
		{"Python, included requirements", files("requirements.txt", "-r deps/web.txt\n", "deps/web.txt", "flask==3\n--requirement more.txt\n", "deps/more.txt", "gunicorn==22\n-r web.txt\n", "app.py", flask), "Python 3.11: requirements.txt found", "a Flask app in app.py", "COPY . .\nRUN --mount=type=cache,id=pip"},
		{"Python, setup.py", files("setup.py", "setup(install_requires=['flask', 'gunicorn'])\n", "app.py", flask), "Python 3.11: setup.py found", "a Flask app in app.py", "pip install ."},
		{"Python, uv with a package in the tree", files("pyproject.toml", "[project]\nname='x'\n[tool.uv.sources]\nlib = { path = \"lib\" }\n", "uv.lock", "", "lib/pyproject.toml", "", "main.py", ""), "Python 3.11: pyproject.toml found", "uv.lock", "COPY . .\nRUN --mount=type=cache,id=pip"},
		{"Python, src/", files("pyproject.toml", "[project]\nname='x'\n[build-system]\n", "uv.lock", "", "src/shop/__init__.py", "", "Procfile", "web: python -m shop\n"), "Python 3.11: pyproject.toml found", "", "PATH=/app/.venv/bin:$PATH PYTHONPATH=/app/src PORT=8080"},
		{"Python, Django with WebSockets", files("manage.py", "", "requirements.txt", "django==5\ngunicorn==22\nchannels==4\ndaphne==4\n", "site/settings/base.py", "WSGI_APPLICATION = 'site.wsgi.application'\nASGI_APPLICATION = 'site.asgi.application'\n"), "Python 3.11: requirements.txt found", "start: Django, ASGI_APPLICATION in site/settings/base.py, with daphne", `CMD ["daphne", "--bind=0.0.0.0", "--port=8080", "site.asgi:application"]`},
		{"Python, Django with uvicorn alone", files("manage.py", "", "requirements.txt", "django==5\nuvicorn==1\n", "site/settings.py", "ASGI_APPLICATION = 'site.asgi.application'\nWSGI_APPLICATION = 'site.wsgi.application'\n"), "Python 3.11: requirements.txt found", "with uvicorn", `"uvicorn", "site.asgi:application"`},
		{"Python, Django that uses gunicorn", files("manage.py", "", "requirements.txt", "django==5\nuvicorn==1\ngunicorn==1\n", "site/settings.py", "ASGI_APPLICATION = 'site.asgi.application'\nWSGI_APPLICATION = 'site.wsgi.application'\n"), "Python 3.11: requirements.txt found", "with gunicorn", `"site.wsgi:application"]`},
		{"Ruby, Rack", files("Gemfile", "gem 'puma'\n", "Gemfile.lock", "", "config.ru", rack), "Ruby 3.1: Gemfile found", "start: config.ru, with puma", `"puma", "--bind"`},
		{"Ruby, Rails", files("Gemfile", "gem 'rails'\n", "config/puma.rb", "", "config.ru", rack), "Ruby 3.1: Gemfile found", "start: Rails, with puma", "config/puma.rb"},
		{"Ruby, alone", files("config.ru", rack), "Ruby 3.1: config.ru found", "start: config.ru, with rackup", `CMD ["rackup"`},
		{"Ruby, native gem", files("Gemfile", "gem 'pg'\ngem 'puma'\n", "config.ru", rack), "Ruby 3.1: Gemfile found", "", "libpq-dev"},
		{"PHP, file", files("index.php", "<?php"), "PHP 8.2: index.php found", "directory . is served by Apache", "DOCUMENT_ROOT=/app "},
		{"PHP, public", files("composer.json", `{"require":{"slim/slim":"4"}}`, "composer.lock", "{}", "public/index.php", ""), "PHP 8.2: composer.json found", "exactly those of composer.lock", "DOCUMENT_ROOT=/app/public"},
		{"PHP, extension", files("composer.json", `{"require":{"ext-redis":"*","ext-json":"*"}}`, "index.php", ""), "PHP 8.2: composer.json found", "extensions: redis, which", "/apt/install php-redis"},
		{"PHP, extensions that a package or the app provides", files("composer.json", `{"require":{"a/b":"1"},"config":{"platform":{"ext-x":"1.0"}},"provide":{"ext-y":"*"}}`, "composer.lock", `{"packages":[{"require":{"ext-mongo":"*","ext-x":"*","ext-y":"*","ext-gd":"*"}},{"provide":{"ext-mongo":"1"},"replace":["none"]}]}`, "index.php", ""), "PHP 8.2: composer.json found", "extensions: gd, which", "/apt/install php-gd"},
		{"PHP, extension of a package", files("composer.json", `{"require":{"a/b":"1"},"config":{"platform":{"ext-x":false}}}`, "composer.lock", `{"packages":[{"require":[]},{"require":{"ext-gd":"*","ext-shmop":"*","ext-json":"*","ext-redis":"*"}},{"require":{"ext-gd":"*"}}]}`, "index.php", ""), "PHP 8.2: composer.json found", "extensions: gd redis, which", "/apt/install php-gd php-redis"},
		{"Symfony", files("composer.json", `{"require":{"symfony/framework-bundle":"7.*"}}`, "public/index.php", "", ".env", "APP_ENV=dev\n"), "PHP 8.2: composer.json found", "APP_ENV is prod", "DOCUMENT_ROOT=/app/public APP_ENV=prod APP_DEBUG=0"},
		{"PHP, Heroku's server", files("index.php", "", "web/index.php", "", "Procfile", "web: vendor/bin/heroku-php-apache2 web/\n"), "PHP 8.2: web/index.php found", "", "DOCUMENT_ROOT=/app/web"},
		{"Java", files("pom.xml", "<project/>"), "Java 17: pom.xml found", "start: the runnable jar", "teal-jar target /out"},
		{"Java, Procfile", files("pom.xml", "<project/>", "Procfile", "web: java -jar target/a.jar\n"), "Java 17: pom.xml found", "start: the declared web process", `CMD ["java", "-jar", "target/a.jar"]`},
		{"Java of Debian", files("pom.xml", "<project/>", "Aptfile", "libgoogle-gson-java"), "Java 17: pom.xml found", "Debian's, of the Aptfile, nothing is fetched", "--offline -Dmaven.repo.local=/usr/share/maven-repo"},
		{"Java, module", files("pom.xml", "<project><packaging>pom</packaging><modules><module>core</module><module>web</module></modules></project>", "core/pom.xml", "<project/>", "web/pom.xml", "<project><build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build></project>"), "Java 17: pom.xml found", "start: the runnable jar in web/target/", "RUN teal-jar web/target /out"},
		{"Java, war with a jar that serves it", files("pom.xml", "<project><packaging>war</packaging><artifactId>wildfly-jar-maven-plugin</artifactId></project>"), "Java 17: pom.xml found", "start: the runnable jar in target/", "RUN teal-jar target /out"},
		{"Java, war", files("pom.xml", "<project><packaging>war</packaging><artifactId>spring-boot-maven-plugin</artifactId></project>"), "Java 17: pom.xml found", "start: the runnable war in target/", "RUN mkdir -p /out && cp target/*.war /out/app.jar"},
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
		{".nvmrc with a comment", node("package.json", `{}`, ".nvmrc", "\ufeff# ours\r\n22 # jod\r\n"), false, "teal/node:22", `.nvmrc says "22"`},
		{".nvmrc, newest", node("package.json", `{}`, ".nvmrc", "lts/*\n"), false, "teal/node:24", `.nvmrc says "lts/*", this is the default`},
		{"engines, newest", node("package.json", `{"engines":{"node":"latest"}}`), false, "teal/node:24", `engines.node in package.json says "latest", this is the default`},
		{"none", node("package.json", `{}`), false, "teal/node:24", "the app does not say, this is the default"},
		{".python-version", python(".python-version", "3.11\n"), false, "teal/python:3.11", ".python-version"},
		{".python-version, other, no registry", python(".python-version", "3.12.1\n"), false, "teal/python:3.11", "no container registry answers and Debian has Python 3.11"},
		{".python-version, other, registry", python(".python-version", "3.12.1\n"), true, "teal/python:3.12", "not exactly 3.12.1"},
		{".python-version that nobody has", python(".python-version", "3.99\n"), false, "", `.python-version says "3.99", and there is no such Python: Teal knows 3.9, 3.10`},
		{".python-version with a comment", python(".python-version", "# pyenv\n3.11\n"), false, "teal/python:3.11", ".python-version"},
		{".python-version, name of an environment", python(".python-version", "shop-env\n"), false, "teal/python:3.11", `.python-version says "shop-env", which is no version`},
		{"composer's tilde", files("index.php", "", "composer.json", `{"require":{"php":"~8.1"}}`), false, "teal/php:8.2", `require.php in composer.json says "~8.1"`},
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
		{"PHP too old", files("index.php", "", "composer.json", `{"require":{"php":"~7.4.0"}}`), false, "", "there is no such PHP: Teal knows 8.1, 8.2"},
		{"pom.xml, older", pom("<maven.compiler.release>11</maven.compiler.release>"), false, "teal/java:17", `pom.xml says ">=11"`},
		{"pom.xml, 1.8", pom("<java.version>1.8</java.version>"), false, "teal/java:17", `">=8"`},
		{"pom.xml, newer", pom("<java.version>21</java.version>"), true, "teal/java:21", "pom.xml"},
		{"pom.xml, newer, no registry", pom("<java.version>21</java.version>"), false, "", "there is Java 17"},
		{"pom.xml, of the compiler's plugin", pom("<configuration><source>11</source><target>11</target></configuration>"), false, "teal/java:17", `pom.xml says ">=11"`},
		{"pom.xml, another property", pom("<javaVersion>21</javaVersion>"), true, "teal/java:21", "pom.xml"},
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
			runsOn(t, tree, c.on, c.say)
		})
	}
}

// TestLinesWhoseBaseImageIsHereCanBeHadWithoutARegistry: one that is silent for a
// few seconds changes no app's language.
func TestLinesWhoseBaseImageIsHereCanBeHadWithoutARegistry(t *testing.T) {
	python := func(pairs ...string) fsSource { return files(append([]string{"main.py", ""}, pairs...)...) }
	here := []string{"base", "python:3.11", "python:3.12", "python:3.12-build", "python:3.14-build", "ruby:3.3"}
	for _, c := range []struct {
		name   string
		source fsSource
		on     string // image; "" for a refusal
		say    string
	}{
		{"pin", python(".python-version", "3.12\n"), "teal/python:3.12", `Python 3.12: .python-version says "3.12"`},
		{"pin to the last digit", python(".python-version", "3.12.1\n"), "teal/python:3.12", "not exactly 3.12.1"},
		{"at least", python("pyproject.toml", "[project]\nrequires-python = \">=3.12\"\n"), "teal/python:3.12", "pyproject.toml"},
		{"nothing said", python(), "teal/python:3.11", "this is the default"},
		{"a line that is not here", python(".python-version", "3.13\n"), "teal/python:3.11", "no container registry answers and Debian has Python 3.11"},
		{"no line that is here", python("pyproject.toml", "[project]\nrequires-python = \">=3.13\"\n"), "", "there is Python 3.11, 3.12"},
		{"for builds alone", python("pyproject.toml", "[project]\nrequires-python = \">=3.14\"\n"), "", "there is Python 3.11, 3.12"},
		{"libraries of Debian's", python(".python-version", "3.12\n", "Aptfile", "python3-numpy\n"), "teal/python:3.11", "libraries of Debian's Python"},
		{"another language", files("config.ru", rack, "Gemfile", "ruby '3.3.0'\ngem 'puma'\n"), "teal/ruby:3.3", "Gemfile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := declaredTree(t, c.source)
			tree.online = func() bool { return false }
			tree.here = func() ([]string, error) { return here, nil }
			runsOn(t, tree, c.on, c.say)
		})
	}
	away := errors.New("the Engine is away")
	tree := declaredTree(t, python(".python-version", "3.12\n"))
	tree.here = func() ([]string, error) { return nil, away }
	if _, err := detect(t.Context(), tree); !errors.Is(err, away) {
		t.Errorf("which images are here can't be told, and the plan is made: %v", err)
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
		{"PROCFILE", files("PROCFILE", "web: x"), "PROCFILE is not spelled Procfile", "rename it"},
		{"Conda", files("environment.yml", ""), "environment.yml is Conda's", ""},
		{"docs beside what needs a Dockerfile", files("shop.csproj", "", "docs/index.html", ""), "shop.csproj is .NET's", ""},
		{"nothing at all", files(), "there are no files", "add a Dockerfile"},
		{"two below", files("services/api/package.json", "{}"), "nothing else that Teal knows", `[build] root = "services/api"`},
		{"FastAPI without uvicorn", files("requirements.txt", "fastapi\n", "main.py", "from fastapi import FastAPI\napp = FastAPI()\n"), "run by uvicorn, which is not among the app's packages", "add uvicorn"},
		{"PHP library", files("composer.json", `{"require":{"a/b":"1"}}`, "src/a.php", ""), "composer.json found, but no index.php", "heroku-php-apache2 DIRECTORY"},
		{"go.mod with a mark", files("go.mod", "\ufeffmodule x\n", "main.go", mainGo), "go.mod begins with a byte order mark, which Go refuses", "plain UTF-8"},
		{"Rust workspace with two programs", files("Cargo.toml", "[workspace]\nmembers=['a','b']\n", "a/Cargo.toml", "[package]\nname='a'\n", "a/src/main.rs", "", "b/Cargo.toml", "[package]\nname='b'\n", "b/src/main.rs", ""), "several Rust programs: a, b", "web: a"},
		{"below", files("web/package.json", "{}", "api/go.mod", "module x\n"), "nothing else that Teal knows", `api/go.mod, web/package.json could be built: say in teal.toml which directory the app lies in, [build] root = "api"`},
		{"package.json without a start", files("package.json", "{}"), "nothing that says how to start the app", "start script"},
		{"package.json that is none", files("package.json", "{"), "package.json cannot be read", ""},
		{"composer.json that is none", files("composer.json", "{"), "composer.json cannot be read", ""},
		{"Cargo.toml that is none", files("Cargo.toml", "["), "Cargo.toml cannot be read", ""},
		{"Rust library", files("Cargo.toml", "[package]\nname='a'\n", "src/lib.rs", ""), "no program", "build"},
		{"Rust with two programs", files("Cargo.toml", "[package]\nname='a'\n", "src/bin/a.rs", "", "src/bin/b.rs", ""), "several Rust programs: a, b", "default-run"},
		{"Java, two modules that run", files("pom.xml", "<project><packaging>pom</packaging><module>a</module><module>b</module></project>", "a/pom.xml", "<mainClass>A</mainClass>", "b/pom.xml", "<mainClass>B</mainClass>"), "several modules of pom.xml make programs: a, b", "web: java -jar MODULE/target/NAME.jar"},
		{"Java, modules that do not run", files("pom.xml", "<project><packaging>pom</packaging><module>a</module></project>", "a/pom.xml", "<project/>"), "none of them says that it makes a program: a", "Procfile"},
		{"Java, war for a server", files("pom.xml", "<project><packaging>war</packaging></project>"), "pom.xml packages a war, which runs in an application server", "webapp-runner"},
		{"Jekyll's source", files("_config.yml", "title: x\n", "index.html", "---\nlayout: default\n---\n{{ site.title }}\n"), "index.html begins with front matter (---)", "commit the site that it makes"},
		{"Gemfile alone", files("Gemfile", "gem 'x'\n"), "nothing that says how to start the app", "config.ru"},
		{"Flask without gunicorn", files("requirements.txt", "flask\n", "app.py", flask), "Flask is run by gunicorn, which is not among the app's packages", "add gunicorn"},
		{"Aptfile with an address", files("Aptfile", "https://example.org/x.deb\n", "index.html", ""), "Aptfile line 1", ""},
		{"Procfile without web", files("Procfile", "worker: ./run\n"), "the Procfile has no web process", "web: COMMAND"},
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
		{">=3.9,!=3.11.*", "3.11", fitsNot},
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

// runsOn is a claim about what is made of a tree: the image that it runs on and
// words of why; without an image, words of why it is refused.
func runsOn(t *testing.T, tree *tree, on, say string) {
	t.Helper()
	p, err := detect(t.Context(), tree)
	var refused *deploy.Failure
	switch {
	case errors.As(err, &refused) && on == "":
		contains(t, refused.Reason, say)
	case err != nil:
		t.Fatal(err)
	case p.on != on:
		t.Errorf("runs on %s, not %q", p.on, on)
	default:
		contains(t, strings.Join(append(p.why, p.warn...), "\n"), say)
	}
}
