package builder

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// What official images have that images of Debian's packages do not: an entry
// point that guesses and a yarn that npm does not know, rustup before the compiler.
var imitations = []struct {
	name        string
	lines       []string // over teal/apt
	images      []string // names in the registry, both of them the same
	stack       string
	app         []string // files; nil: none
	written     string   // contained in the Dockerfile
	answer      string
	run, builds string // commands that have to work in the run and the build image
}{
	{
		name: "node", stack: "node:24", images: []string{"node:24-bookworm-slim", "node:24-bookworm"},
		lines: []string{
			"COPY --from=teal/node:24-build /usr/local /usr/local",
			"RUN mkdir -p /opt/yarn-v1.22.22/bin && cd /usr/local/bin && echo '#!/bin/false' >/opt/yarn-v1.22.22/bin/yarn && chmod 755 /opt/yarn-v1.22.22/bin/yarn && \\\n" +
				"    ln -s /opt/yarn-v1.22.22/bin/yarn yarn && ln -s /opt/yarn-v1.22.22/bin/yarn yarnpkg && ln -s node nodejs && \\\n" +
				"    printf '#!/bin/sh\\nexec node \"$@\"\\n' >docker-entrypoint.sh && chmod 755 docker-entrypoint.sh",
			`ENTRYPOINT ["docker-entrypoint.sh"]`, `CMD ["node"]`,
		},
		app: []string{
			"package.json", `{"scripts": {"build": "node -e 0", "start": "echo starting && npm run serve", "serve": "node server.js"}}`, "yarn.lock", "",
			"server.js", `require("http").createServer((q, s) => s.end("hello from node " + process.version)).listen(8080); process.on("SIGTERM", () => process.exit(0))`,
		},
		written: "npm install --global yarn@1", answer: "hello from node v24",
		run: "! command -v npm && ! command -v yarn && test $NODE_ENV = production", builds: "npm --version && ! command -v yarn",
	},
	{
		name: "rust", stack: "rust:1", images: []string{"debian:bookworm-slim", "rust:1-bookworm"},
		lines: []string{
			"RUN mkdir -p /usr/local/cargo/bin /usr/local/rustup/toolchains/1.90.0/bin && cd /usr/local/rustup/toolchains/1.90.0/bin && \\\n" +
				"    printf '#!/bin/sh\\necho cargo 1.90.0\\n' >cargo && printf '#!/bin/sh\\necho rustc 1.90.0\\n' >rustc && \\\n" +
				"    printf '#!/bin/sh\\necho /usr/local/rustup/toolchains/1.90.0\\n' >/usr/local/cargo/bin/rustc && echo '#!/bin/false' >/usr/local/cargo/bin/cargo && chmod 755 * /usr/local/cargo/bin/*",
			"ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:$PATH",
		},
		builds: `test "$(cargo)" = "cargo 1.90.0" && test $CARGO_HOME = /root/.cargo && grep -q 'rustc 1.90' ` + versionFile,
	},
}

func TestOfficialImagesWithToolsOfTheirOwnCarryWhatTealGenerates(t *testing.T) {
	t.Parallel()
	for _, c := range imitations {
		t.Run(c.name, func(t *testing.T) {
			b := newOfficialBench(t)
			b.official(c.lines, c.images...)
			log := b.ensure(c.stack, c.stack+"-build")
			contains(t, log, "pulling "+c.images[0], "/"+c.stack+"-build: ready after")
			b.says(c.stack, c.run)
			b.says(c.stack+"-build", c.builds)
			if c.answer == "" {
				return
			}
			source := files(c.app...).fs.(fstest.MapFS)
			dockerfile := b.onOwnStack(fsSource{fs: source}, c.written)
			source["Dockerfile"] = &fstest.MapFile{Data: []byte(dockerfile), Mode: 0o644}
			built, log := b.build(request(fsSource{fs: source}))
			url, _ := b.startHardened(built.Image)
			if status, body := get(t, url+"/"); status != 200 || !strings.Contains(body, c.answer) {
				t.Errorf("answered %d %q\n%s", status, body, log)
			}
		})
	}
}

// says runs a command in a stack image of this bench.
func (b *officialBench) says(name, command string) {
	b.t.Helper()
	if command == "" {
		return
	}
	_, log := b.build(request(files("Dockerfile", "FROM "+b.stack.prefix+name+"\nRUN "+command+"\n")))
	if !slices.Contains(strings.Fields(log), "RUN") {
		b.t.Error(log)
	}
}
