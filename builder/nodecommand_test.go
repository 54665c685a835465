package builder

import (
	"strings"
	"testing"

	"teal/deploy"
)

const (
	prismaApp = `{"scripts":{"start":"node i.js","migrate":"npx prisma migrate deploy","seed":"node seed.js","postseed":"node after.js","work":"npm run work:all","work:all":"run-p work:*"},"dependencies":{"prisma":"6","sequelize-cli":"6","npm-run-all":"4"}}`
	npmThere  = "ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx"
)

func TestNodeAppStartedByItsManagerFindsItWhereItRuns(t *testing.T) {
	b := newBench(t)
	b.caches = "teal-tests"
	built, _ := b.build(request(files(
		"package.json", `{"private":true,"workspaces":["api"],"scripts":{"start":"yarn workspace api start"}}`, "yarn.lock", "# yarn lockfile v1\n\n\n",
		"api/package.json", `{"name":"api","version":"1.0.0","scripts":{"prestart":"echo hello > /tmp/x","start":"node s.js"}}`,
		"api/s.js", "const text = require('fs').readFileSync('/tmp/x')\nrequire('http').createServer((q, r) => r.end(text)).listen(process.env.PORT)\n",
	)))
	url, _ := b.startHardened(built.Image)
	if status, body := get(t, url+"/"); status != 200 || body != "hello\n" {
		t.Errorf("%d %q", status, body)
	}
}

// Whatever a command of an app names must be there where it runs, whichever file
// names it: nothing but Node itself is there else.
func TestNodeCommandsFindTheirProgramsWhereTheyRun(t *testing.T) {
	start := func(script string) string {
		return `{"scripts":{"start":"` + script + `"},"dependencies":{"next":"15"}}`
	}
	for _, c := range []struct {
		name      string
		source    fsSource
		want, not []string // of the Dockerfile and the findings above it
	}{
		{
			"release of teal.toml, a script", files("package.json", prismaApp, "teal.toml", "release = \"npm run migrate\"\n"),
			[]string{"# release command: prisma migrate deploy"},
			[]string{"/npm "},
		},
		{
			"release of teal.toml, npx", files("package.json", prismaApp, "teal.toml", "release = \"npx prisma migrate deploy\"\n"),
			[]string{"# release command: prisma migrate deploy"},
			[]string{npmThere},
		},
		{
			"release of teal.toml, a list", files("package.json", prismaApp, "teal.toml", "release = [\"npm\", \"run\", \"migrate\"]\n"),
			[]string{"# release command: prisma migrate deploy"},
			[]string{npmThere},
		},
		{
			"release of the Procfile", files("package.json", prismaApp, "Procfile", "release: npm run migrate -- --schema x\n"),
			[]string{"# release command: npm run migrate -- --schema x", npmThere, "# npm in the image, too"},
			nil,
		},
		{
			"release of several lines", files("package.json", prismaApp, "Procfile", "release: npm run migrate\n", "app.json", `{"scripts":{"release":"npm start; true"}}`),
			[]string{"# release command: /bin/sh -c ( npm start; true ) && prisma migrate deploy", npmThere},
			nil,
		},
		{
			"release of several lines, resolved", files("package.json", prismaApp, "Procfile", "release: npm run migrate\n", "app.json", `{"scripts":{"release":"npx --no-install sequelize db:migrate"}}`),
			[]string{"# release command: /bin/sh -c sequelize db:migrate && prisma migrate deploy"},
			[]string{npmThere},
		},
		{"worker", files("package.json", prismaApp, "Procfile", "worker: npm run work\n"), []string{"# process worker (1): /bin/sh -c exec run-p work:*", npmThere}, nil},
		{"a script with another after it", files("package.json", prismaApp, "Procfile", "release: npm run seed\n"), []string{"# release command: npm run seed", npmThere}, nil},
		{"[cron]", files("package.json", prismaApp, "teal.toml", "[cron.a]\nschedule = '@daily'\ncommand = 'npm exec x'\n"), []string{npmThere}, nil},
		{"[cron], resolved", files("package.json", prismaApp, "teal.toml", "[cron.a]\nschedule = '@daily'\ncommand = ['npm', 'run', 'migrate']\n"), []string{"# scheduled a (@daily): prisma migrate deploy"}, []string{npmThere}},
		{"cron of app.json", files("package.json", prismaApp, "app.json", `{"cron":[{"schedule":"@daily","command":"npx cowsay hi"}]}`), []string{"npx cowsay hi", npmThere}, nil},
		{"npx with an option", files("package.json", prismaApp, "Procfile", "release: npx --package=x y\n"), []string{"# release command: npx --package=x y", npmThere}, nil},
		{"npx of a setting", files("package.json", start("NODE_ENV=production npx next start")), []string{`CMD ["env", "NODE_ENV=production", "next", "start"]`}, []string{npmThere}},
		{"npx of what is not among the packages", files("package.json", start("npx serve -s build")), []string{`CMD ["npx", "serve", "-s", "build"]`, npmThere}, nil},
		{"start with another script before it", files("package.json", `{"scripts":{"prestart":"yarn gen","start":"node i.js"}}`, "yarn.lock", ""), []string{`CMD ["npm", "start"]`, npmThere, "--prefix /opt/run yarn@1", "COPY --from=build /opt/run/ /usr/local/"}, nil},
		{"yarn", files("package.json", `{"workspaces":["api"],"scripts":{"start":"yarn workspace api start"}}`, "yarn.lock", ""), []string{"RUN npm install --global --prefix /opt/run yarn@1\n", "COPY --from=build /opt/run/ /usr/local/"}, []string{npmThere, "YARN_NODE_LINKER"}},
		{"yarn of another version", files("package.json", `{"scripts":{"prestart":"x"}}`, "Procfile", "web: yarn start --port $PORT\n", "yarn.lock", "__metadata:\n  version: 8\n"), []string{"--prefix /opt/run @yarnpkg/cli-dist@4\n", "PATH=/app/node_modules/.bin:$PATH YARN_NODE_LINKER=node-modules", "COPY --from=build --chown=65532:65532 /app /app"}, nil},
		{"pnpm", files("package.json", start("pnpm --filter api start"), "pnpm-lock.yaml", "lockfileVersion: '9.0'\n"), []string{"--prefix /opt/run pnpm@9\n", "COPY --from=build /opt/run/ /usr/local/"}, []string{npmThere}},
		{"a manager that is not the app's", files("package.json", start("pnpm --filter api start"), "package-lock.json", "{}"), []string{"--prefix /opt/run pnpm@9\n", "npm ci"}, []string{npmThere}},
		{"bun that is not the app's", files("package.json", `{"scripts":{"start":"bunx serve"}}`), []string{"RUN npm install --global bun@1\n", "bun.exe /usr/local/bin/bun", "ln -s bun /usr/local/bin/bunx"}, nil},
		{"concurrently", files("package.json", `{"scripts":{"start":"concurrently \"npm:web\" 'yarn work'","web":"node w.js","work":"bun x.ts"}}`), []string{npmThere, "yarn@1", "bun@1"}, nil},
		{"nothing of the kind", files("package.json", start("node npm/yarn.js"), "Procfile", "worker: node bin/npx.js\n"), nil, []string{npmThere, "/opt/run"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := New(Config{Engine: testEngine(t), Namespace: "node"}).Preview(t.Context(), deploy.BuildRequest{Source: c.source, Defaults: deploy.DefaultSettings()})
			if err != nil {
				t.Fatal(err)
			}
			contains(t, p.Text(), c.want...)
			for _, not := range c.not {
				if strings.Contains(p.Text(), not) {
					t.Errorf("%q is in\n%s", not, p.Text())
				}
			}
		})
	}
}
