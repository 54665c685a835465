package builder

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"teal/deploy"
)

// cargoToml is what Teal reads of a Cargo.toml.
type cargoToml struct {
	Package struct {
		Name       string `toml:"name"`
		DefaultRun string `toml:"default-run"`
		Rust       any    `toml:"rust-version"`
	} `toml:"package"`
	Bin []struct {
		Name string `toml:"name"`
		Path string `toml:"path"`
	} `toml:"bin"`
	Workspace struct {
		Members []string `toml:"members"`
		Default []string `toml:"default-members"`
		Exclude []string `toml:"exclude"`
	} `toml:"workspace"`
}

func readCargo(ctx context.Context, t *tree, name string) (cargo cargoToml, err error) {
	text, err := t.read(ctx, name)
	if err != nil {
		return cargo, err
	}
	if err := toml.Unmarshal(text, &cargo); err != nil {
		return cargo, failure(name+" cannot be read: "+deploy.Clean(err.Error(), 200), "correct it, commit and push again", nil, err)
	}
	return cargo, nil
}

// detectRust takes a tree with a Cargo.toml that has one program.
func detectRust(ctx context.Context, t *tree) (*plan, error) {
	if !t.has("Cargo.toml") {
		return nil, nil
	}
	cargo, err := readCargo(ctx, t, "Cargo.toml")
	if err != nil {
		return nil, err
	}
	program, why, err := rustProgram(ctx, t, cargo)
	if err != nil {
		return nil, err
	}
	asks, err := rustAsks(ctx, t, cargo)
	if err != nil {
		return nil, err
	}
	version, err := t.version("rust", asks)
	if err != nil {
		return nil, err
	}
	p := &plan{kind: "rust", what: "Rust " + version.line + ": Cargo.toml found", on: stackPrefix + "base", omit: []string{"target"}}
	p.why = []string{"Rust: Cargo.toml found, and no Dockerfile", version.why, why, "crates: " + rustSource(t)}
	p.warn = present(version.warn)
	if !t.has("Cargo.lock") && !t.hasApt("librust-") {
		p.warn = append(p.warn, "there is no Cargo.lock: every build may get other versions of its crates. Commit the file")
	}
	argv := []string{"/app/bin/" + program}
	if t.web != "" {
		argv = commandOf(t.rustLine(t.web))
		p.why = append(p.why, "start: the declared web process, "+deploy.Clean(strings.Join(argv, " "), 120))
	}
	p.resolve = t.rustLine
	if len(t.apt) == 0 {
		p.paths = []string{"/app"}
	}
	p.dockerfile = rustDockerfile(t, argv, t.web != "" && cargo.Package.Name != "" && len(rustMembers(t, cargo)) > 0)
	return p, nil
}

var toolchainChannel = regexp.MustCompile(`(?m)^\s*channel\s*=\s*["']([^"']+)["']`)

// rustAsks finds the version that the app asks for. A toolchain is meant
// exactly; rust-version is the least that it compiles with.
func rustAsks(ctx context.Context, t *tree, cargo cargoToml) (wish, error) {
	for _, name := range []string{"rust-toolchain.toml", "rust-toolchain"} {
		text, err := t.readSmall(ctx, name)
		if err != nil {
			return wish{}, err
		}
		channel := ""
		if m := toolchainChannel.FindStringSubmatch(text); m != nil {
			channel = m[1]
		} else if !strings.Contains(text, "[") { // the old form is the name alone
			channel = versionIn(text)
		}
		if channel != "" && channel != "stable" {
			return wish{channel, name}, nil
		}
	}
	if least, ok := cargo.Package.Rust.(string); ok { // a table: the workspace says
		return wish{">=" + least, "rust-version in Cargo.toml"}, nil
	}
	return t.toolVersion(ctx, "rust")
}

// rustLine finds programs where Heroku's users expect them.
func (t *tree) rustLine(line string) string {
	line = strings.TrimSpace(line)
	word, _, _ := strings.Cut(line, " ")
	if t.has(strings.TrimPrefix(word, "./")) { // a script
		return line
	}
	return strings.TrimPrefix(strings.TrimPrefix(line, "./"), "target/release/")
}

func rustSource(t *tree) string {
	switch {
	case t.hasDir("vendor"):
		return "those in vendor/, nothing is fetched"
	case t.hasApt("librust-"):
		return "Debian's, of the Aptfile, nothing is fetched"
	}
	return "fetched by cargo"
}

// rustDockerfile builds with the crates' and the compiler's work cached, and
// runs on teal/base: Rust programs want the C library and little else.
func rustDockerfile(t *tree, argv []string, workspace bool) string {
	command := "cargo build --release"
	if workspace { // else Cargo builds the package at the root alone
		command += " --workspace"
	}
	switch {
	case t.hasDir("vendor"):
		command += " --offline" + rustFrom(t, "vendor", "/app/vendor")
	case t.hasApt("librust-"):
		command += " --offline" + rustFrom(t, "debian", "/usr/share/cargo/registry")
	}
	if t.has("Cargo.lock") && !t.hasApt("librust-") {
		command += " --locked"
	}
	var d dockerfile
	d.add("FROM teal/rust:1-build AS build")
	d.install(t.apt)
	d.add("COPY . .")
	d.args(t.buildArgs())
	d.add(
		// Cargo goes by times of files, and all files of a commit have the commit's.
		// What an earlier commit's build left is not this one's: Cargo links again what is.
		"RUN --mount=type=cache,id=cargo,target=/root/.cargo/registry \\\n"+
			"    --mount=type=cache,id=cargo-target,target=/app/target,sharing=locked \\\n"+
			"    find . -path ./target -prune -o -path ./vendor -prune -o -type f -exec touch {} + && \\\n"+
			"    mkdir -p target/release && find target/release -maxdepth 1 -type f -perm -u+x -delete && \\\n"+
			"    "+command+" && \\\n"+
			"    mkdir -p /out && find target/release -maxdepth 1 -type f -perm -u+x -exec cp {} /out ';'",
		"", "FROM teal/base", "WORKDIR /app")
	d.install(runtimeOf(t.apt))
	d.add("COPY --chown=65532:65532 . .", "COPY --from=build /out /app/bin")
	d.run("ENV PATH=/app/bin:$PATH", argv)
	return d.String()
}

// rustFrom has cargo look in a directory instead of the registry, unless the
// app's own configuration says so already.
func rustFrom(t *tree, name, dir string) string {
	if t.has(".cargo/config.toml") || t.has(".cargo/config") {
		return ""
	}
	return fmt.Sprintf(" --config 'source.crates-io.replace-with=%q' --config 'source.%s.directory=%q'", name, name, dir)
}

// runtimeOf leaves packages out that only compiling needs.
func runtimeOf(packages []string) []string {
	var left []string
	for _, p := range packages {
		if !strings.HasPrefix(p, "librust-") && !strings.HasSuffix(p, "-dev") {
			left = append(left, p)
		}
	}
	return left
}
