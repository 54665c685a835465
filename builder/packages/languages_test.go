package packages

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"teal/deploy"
)

// named writes packages of one kind as "express 4.19.2, …".
func named(list deploy.Inventory, kind deploy.PackageKind) string {
	var all []string
	for _, p := range list.Packages {
		if p.Kind == kind {
			all = append(all, p.Name+" "+p.Version)
		}
	}
	return strings.Join(all, ", ")
}

const npmPackage = `{"name": %q, "version": %q}`

func TestNodeModulesOfEveryPackageManagerAreListed(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for manager, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"npm": {map[string]string{"node_modules/.package-lock.json": `{"packages":{"node_modules/express":{"version":"4.19.2"}}}`}, "express 4.19.2"},
		"pnpm": {map[string]string{"node_modules/.pnpm/lock.yaml": "lockfileVersion: '9.0'\n\nimporters:\n\n  .:\n    dependencies:\n      no:\n        version: 1.0.0\n\n" +
			"packages:\n\n  '@x/y@2.0.0':\n    resolution: {integrity: sha512-a/5b==}\n\n  express@4.19.2:\n    resolution: {integrity: sha512-b}\n\nsnapshots:\n\n  no@1.0.0: {}\n"}, "@x/y 2.0.0, express 4.19.2"},
		"yarn 4": {map[string]string{
			"node_modules/.yarn-state.yml": "__metadata:\n  version: 1\n  nmMode: classic\n\n\"express@npm:4.19.2\":\n  locations:\n    - \"node_modules/express\"\n\n\"shop@workspace:.\":\n  locations:\n    - \"\"\n",
		}, "express 4.19.2"},
		"yarn 1, bun": {map[string]string{
			"node_modules/.yarn-integrity": "{}", "node_modules/express/package.json": fmt.Sprintf(npmPackage, "express", "4.19.2"),
			"node_modules/@x/y/package.json": fmt.Sprintf(npmPackage, "@x/y", "2.0.0"), "node_modules/express/node_modules/a/package.json": fmt.Sprintf(npmPackage, "a", "1.0.0"),
			"node_modules/other/package.json": fmt.Sprintf(npmPackage, "real", "3.0.0"), "node_modules/express/lib/package.json": fmt.Sprintf(npmPackage, "no", "9.0.0"),
			"node_modules/.cache/package.json": fmt.Sprintf(npmPackage, "no", "9.0.0"), "node_modules/broken/package.json": "{",
		}, "@x/y 2.0.0, a 1.0.0, express 4.19.2, real 3.0.0"},
	} {
		files := map[string]string{"opt/shop/server.js": "x"}
		for name, text := range c.files {
			files["opt/shop/"+name] = text
		}
		list := s.read(s.image(files, `ENTRYPOINT ["node", "/opt/shop/server.js"]`))
		if got := named(list, deploy.PackageNPM); got != c.want || len(list.Unknown) != 0 {
			t.Errorf("%s: %q %q", manager, got, list.Unknown)
		}
	}
}

func TestLockFilesOfPnpmOfAllVersionsAreRead(t *testing.T) {
	got, err := pnpmLock([]byte("lockfileVersion: 5.4\npackages:\n\n  /string_decoder/1.3.0:\n    resolution: {}\n  /@x/y/2.0.0_react@17.0.2:\n    dev: false\n" +
		"  /react-dom@18.2.0(react@18.2.0):\n  ? long@1.2.3-rc.1(a@1.0.0)\n  : resolution: {}\n  file:../local:\n    x: 1\n  github.com/a/b/0123456:\n    x: 1\n    version: 3\n"))
	list := deploy.Inventory{Packages: got}
	list.Sort()
	if got := named(list, deploy.PackageNPM); err != nil || got != "@x/y 2.0.0, long 1.2.3-rc.1, react-dom 18.2.0, string_decoder 1.3.0" {
		t.Errorf("%q %v", got, err)
	}
	state, err := yarnState([]byte("__metadata:\n  version: 1\n\"@x/y@virtual:0abc#npm:2.0.0\":\n\"a@patch:a@npm%3A1.2.3#~/.yarn/patches/a.patch\":\n"))
	if got := named(deploy.Inventory{Packages: state}, deploy.PackageNPM); err != nil || got != "@x/y 2.0.0, a 1.2.3" {
		t.Errorf("%q %v", got, err)
	}
}

func TestPythonPackagesAreListedOnceBesideTheSystems(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	about := func(name string) string { return "Metadata-Version: 2.1\nName: " + name + "\nVersion: 1.0\n" }
	list := s.read(s.image(map[string]string{
		"etc/os-release": debian, "var/lib/dpkg/status": "Package: python3-six\nStatus: install ok installed\nVersion: 1.16-4\nArchitecture: all\n",
		"usr/lib/python3/dist-packages/six-1.16.egg-info/PKG-INFO":                 about("six"),
		"usr/lib/python3/dist-packages/yaml-1.dist-info/METADATA":                  about("yaml"),
		"usr/lib/python3/dist-packages/yaml-1.dist-info/INSTALLER":                 "debian\n",
		"usr/lib/python3/dist-packages/forced-1.dist-info/METADATA":                about("forced"),
		"usr/lib/python3/dist-packages/forced-1.dist-info/INSTALLER":               "pip\n",
		"usr/local/lib/python3.11/dist-packages/Flask-3.dist-info/METADATA":        about("Flask"),
		"usr/local/lib/python3.11/dist-packages/old-1.egg-info":                    about("old"),
		"usr/local/lib/python3.11/dist-packages/egg-1.egg-info/PKG-INFO":           about("egg"),
		"usr/local/lib/python3.11/dist-packages/flask/x-1.dist-info/METADATA":      about("no"),
		"usr/lib/python3.12/site-packages/alpine-1.dist-info/METADATA":             about("alpine"),
		"usr/lib/python3.12/site-packages/pipped-1.dist-info/METADATA":             about("pipped"),
		"usr/lib/python3.12/site-packages/pipped-1.dist-info/INSTALLER":            "uv",
		"opt/own/lib/python3.12/site-packages/in_venv-1.dist-info/METADATA":        about("in_venv"),
		"root/.local/lib/python3.11/site-packages/of_user-1.dist-info/METADATA":    about("of_user"),
		"root/.local/lib/python3.11/site-packages/of_user-1.dist-info/INSTALLER":   "pip",
		"home/ann/.local/lib/python3.11/site-packages/of_ann-1.dist-info/METADATA": about("of_ann"),
		"app/libs/target-1.dist-info/METADATA":                                     about("target"),
	}, "ENV VIRTUAL_ENV=/opt/own PYTHONPATH=/none:/app/libs", "USER ann", `CMD ["gunicorn", "shop:app"]`))
	if got := named(list, deploy.PackagePyPI); got != "egg 1.0, flask 1.0, forced 1.0, in_venv 1.0, of_ann 1.0, of_user 1.0, old 1.0, pipped 1.0, target 1.0" || len(list.Unknown) != 0 {
		t.Errorf("%q %q", got, list.Unknown)
	}
}

func TestGemsAreListed(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	list := s.read(s.image(map[string]string{
		"app/vendor/bundle/ruby/3.1.0/specifications/rack-3.1.8.gemspec":                       "# -*- encoding: utf-8 -*-\n# stub: rack 3.1.8 ruby lib\n\nGem::Specification.new do |s|\n",
		"app/vendor/bundle/ruby/3.1.0/specifications/nokogiri-1.18.1-x86_64-linux-gnu.gemspec": "# stub: nokogiri 1.18.1 x86_64-linux-gnu lib\n",
		"app/vendor/bundle/ruby/3.1.0/gems/rack-3.1.8/no-1.0.gemspec":                          "# stub: no 1.0 ruby lib\n",
		"usr/local/bundle/specifications/aws-sdk-s3-1.2.3.pre.gemspec":                         "Gem::Specification.new\n",
		"usr/local/lib/ruby/gems/3.4.0/specifications/default/json-2.9.1.gemspec":              "# stub: json 2.9.1 ruby lib\n",
		"var/lib/gems/3.1.0/specifications/puma-6.4.0.gemspec":                                 "# stub: puma 6.4.0 ruby lib\n",
		"usr/share/rubygems-integration/all/specifications/of-debian-1.0.gemspec":              "# stub: of-debian 1.0 ruby lib\n",
	}, "WORKDIR /app", `CMD ["bundle", "exec", "puma"]`))
	if got := named(list, deploy.PackageGem); got != "aws-sdk-s3 1.2.3.pre, json 2.9.1, nokogiri 1.18.1, puma 6.4.0, rack 3.1.8" || len(list.Unknown) != 0 {
		t.Errorf("%q %q", got, list.Unknown)
	}
}

func TestComposerPackagesAreListed(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, text := range []string{`{"packages": [{"name": "psr/log", "version": "3.0.2"}], "dev": false}`, `[{"name": "psr/log", "version": "3.0.2"}]`} {
		list := s.read(s.image(map[string]string{"etc/os-release": debian, "var/www/html/vendor/composer/installed.json": text}))
		if got := named(list, deploy.PackageComposer); got != "psr/log 3.0.2" {
			t.Errorf("%q %q", got, list.Unknown)
		}
	}
}

// zipped makes a jar; stored, as Spring keeps jars in a jar.
func zipped(t *testing.T, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range files {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = io.WriteString(f, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestLibrariesInAndBesideJarsAreListed(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	jackson := zipped(t, map[string]string{"META-INF/maven/com.fasterxml/jackson-core/pom.properties": "#Made\ngroupId=com.fasterxml\nartifactId=jackson-core\nversion=2.18.2\n"})
	app := zipped(t, map[string]string{
		"BOOT-INF/lib/jackson-core-2.18.2.jar": jackson, "BOOT-INF/lib/spring-core-6.1.14.jar": zipped(t, nil), "BOOT-INF/lib/broken-1.0.jar": "no jar", "Main.class": "x",
	})
	shaded := zipped(t, map[string]string{
		"META-INF/maven/org.acme/shop/pom.properties": "groupId=org.acme\nartifactId=shop\nversion=1.0\n", "META-INF/maven/org.slf4j/slf4j-api/pom.properties": "groupId=org.slf4j\nartifactId=slf4j-api\nversion=2.0.16\n",
	})
	const inner = "broken 1.0, com.fasterxml:jackson-core 2.18.2, spring-core 6.1.14"
	for _, c := range []struct {
		files         map[string]string
		command, want string
	}{
		{map[string]string{"app/app.jar": app}, `["java", "-jar", "/app/app.jar"]`, inner},
		{map[string]string{"app.jar": app}, `["java", "-jar", "app.jar"]`, inner},
		{map[string]string{"app.jar": shaded}, `["sh", "-c", "exec java $JAVA_OPTS -jar /app.jar"]`, "org.acme:shop 1.0, org.slf4j:slf4j-api 2.0.16"},
		{map[string]string{"app/main.class": "x", "app/lib/jackson.jar": jackson}, `["java", "-cp", "/app:/app/lib/*", "Main"]`, "com.fasterxml:jackson-core 2.18.2"},
	} {
		list := s.read(s.image(c.files, "CMD "+c.command))
		if got := named(list, deploy.PackageMaven); got != c.want || len(list.Unknown) != 0 {
			t.Errorf("%s: %q %q", c.command, got, list.Unknown)
		}
	}
}

// TestJarThatUnpacksToGigabytesIsNamedAndNotUnpacked: nor is one whose directory
// has more entries than are held in memory.
func TestJarThatUnpacksToGigabytesIsNamedAndNotUnpacked(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("\x00", 1<<20)
	bomb := zipped(t, map[string]string{"lib/a-1.jar": zeros, "lib/a-2.jar": zeros, "lib/nameless.jar": zeros})
	left := int64(1 << 10)
	found, err := jar("app.jar", strings.NewReader(bomb), int64(len(bomb)), &left)
	if len(found) != 2 || found[0].Name != "a" || !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "lib/nameless.jar") || left < -2 {
		t.Errorf("%v, %v, %d", found, err, left)
	}
	files := map[string]string{}
	for n := range 300 {
		files[fmt.Sprintf("%060000d", n)] = ""
	}
	if found, err := readJar("app.jar", strings.NewReader(zipped(t, files))); len(found) != 0 || !errors.Is(err, ErrTooLarge) {
		t.Errorf("%d found, %v", len(found), err)
	}
}

func TestGoProgramIsFoundWhereverTheCommandNamesIt(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	tini := "\x7fELF, but no more"
	for _, changes := range [][]string{
		{`CMD ["shop"]`, "ENV PATH=/bin:/app"},
		{`ENTRYPOINT ["tini", "--", "/app/shop"]`},
		{`ENTRYPOINT ["tini", "--"]`, `CMD ["shop", "serve"]`, "ENV PATH=/app:/sbin"},
		{`CMD ["/bin/sh", "-c", "PORT=80 exec ./shop -x"]`, "WORKDIR /app"},
	} {
		list := s.read(s.image(map[string]string{"app/shop": string(program), "sbin/tini": tini, "bin/sh": "-> tini"}, changes...))
		if got := named(list, deploy.PackageGo); got != "stdlib "+strings.TrimPrefix(runtime.Version(), "go") || len(list.Unknown) != 0 {
			t.Errorf("%q: %q %q", changes, got, list.Unknown)
		}
	}
}

// rustProgram has the C compiler put sections into a program that rustc and cargo
// auditable write.
func rustProgram(t *testing.T, sections string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "shop.c"), []byte(sections+"\nint main(void) { return 0; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "gcc", "-o", filepath.Join(dir, "shop"), filepath.Join(dir, "shop.c"))
	text, err := os.ReadFile(filepath.Join(dir, "shop"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCratesAreListedOrTheirLackIsSaid(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	_, _ = io.WriteString(w, `{"packages": [{"name": "serde", "version": "1.0.210", "source": "crates.io"}, {"name": "cc", "version": "1.1.0", "source": "crates.io", "kind": "build"},
		{"name": "shop", "version": "0.1.0", "source": "local", "root": true}]}`)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ sections, want, unknown string }{
		{fmt.Sprintf(`asm(".section .dep-v0,\"a\"\n.incbin \"%s\"\n.text\n");`, list), "serde 1.0.210", ""},
		{`asm(".section .dep-v0,\"a\"\n.string \"x\"\n.text\n");`, "", "makes no sense"},
		{`asm(".section .comment\n.string \"rustc version 1.90.0\"\n.text\n");`, "", "which crates /app/shop was made of"},
		{`const char *from = "/rustc/0123/library/core/src/panicking.rs";`, "", "which crates /app/shop was made of"},
		{"", "", ""},
	} {
		list := s.read(s.image(map[string]string{"app/shop": rustProgram(t, c.sections)}, `CMD ["/app/shop"]`))
		said := strings.Join(list.Unknown, "\n")
		if got := named(list, deploy.PackageCargo); got != c.want || !strings.Contains(said, c.unknown) || (said == "") != (c.unknown == "") {
			t.Errorf("%s: %q %q", c.sections, got, list.Unknown)
		}
	}
}

func TestLanguageWhosePackagesAreNotFoundIsNamed(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, c := range []struct{ file, text, command, want string }{
		{"package.json", `{"dependencies": {"express": "4"}}`, "node", "npm packages"},
		{"package.json", `{"dependencies": {}}`, "node", ""},
		{"package.json", `{"dependencies": {"express": "4"}}`, "ruby", ""},
		{".pnp.cjs", "x", "node", "Plug'n'Play"},
		{"requirements.txt", "# none\n", "python3", ""},
		{"requirements.txt", "# one\nflask==3.0\n", "python3", "Python packages"},
		{"Gemfile.lock", "GEM\n  specs:\n    rack (3.1.8)\n", "bundle", "gems"},
		{"composer.lock", `{"packages": [{"name": "psr/log"}]}`, "php", "Composer packages"},
		{"composer.lock", `{"packages": []}`, "php", ""},
		{"Main.class", "x", "java", "libraries of Java"},
	} {
		list := s.read(s.image(map[string]string{"app/" + c.file: c.text}, "WORKDIR /app", fmt.Sprintf("CMD [%q]", c.command)))
		said := strings.Join(list.Unknown, "\n")
		if !strings.Contains(said, c.want) || (said == "") != (c.want == "") {
			t.Errorf("%s %q of %s: %q", c.file, c.text, c.command, said)
		}
	}
}

// TestOfManyBrokenJarsAFewAreTold: and what can be read beside them is listed.
func TestOfManyBrokenJarsAFewAreTold(t *testing.T) {
	files := map[string]string{"lib/good.jar": zipped(t, map[string]string{"META-INF/maven/a/b/pom.properties": "groupId=org.a\nartifactId=b\nversion=1\n"})}
	for n := range 1000 {
		files[fmt.Sprintf("lib/broken%d.jar", n)] = "no jar"
	}
	found, err := readJar("app.jar", strings.NewReader(zipped(t, files)))
	if err == nil || strings.Count(err.Error(), "lib/broken") != maxBroken || len(found) != 1 || found[0].Name != "org.a:b" {
		t.Errorf("%+v %.2000v", found, err)
	}
}
