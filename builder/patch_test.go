package builder

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/docker/docker/api/types/image"

	"teal/deploy"
)

// detected makes by hand an image as it comes of a detected app on an older
// teal/base: its libssl3 is one that never was.
func (b *bench) detected(extra string) deploy.Release {
	b.t.Helper()
	old := regexp.MustCompile(`(?s)(Package: libssl3\n.*?\nVersion: )[^\n]+`).ReplaceAllString(b.databaseOf("base"), "${1}3.0.20-1~deb12u2")
	return b.laidBefore("base", map[string]string{"var/lib/dpkg/status": old + extra}, "LABEL "+labelBuildEnv+"='[]'")
}

// databaseOf gives the packages of a stack image.
func (b *bench) databaseOf(stack string) string {
	b.t.Helper()
	if err := b.Stack().Ensure(b.t.Context(), &lockedBuffer{}, stack, "apt"); err != nil {
		b.t.Fatal(err)
	}
	status, err := b.lists().Status(b.t.Context(), stackPrefix+tagged(stack))
	if err != nil {
		b.t.Fatal(err)
	}
	return string(status)
}

// laidBefore makes by hand the image of a detected app on an earlier stack image,
// which is gone: those files, and changes to the configuration.
func (b *bench) laidBefore(stack string, files map[string]string, changes ...string) deploy.Release {
	b.t.Helper()
	ctx := b.t.Context()
	files["app/main"] = "the app of " + b.ns
	files["etc/os-release"] = "ID=debian\nVERSION_CODENAME=bookworm\nPRETTY_NAME=\"Debian 12\"\n"
	var root bytes.Buffer
	w := tar.NewWriter(&root)
	for name, data := range files {
		if err := writeFile(w, name, 0o644, []byte(data)); err != nil {
			b.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		b.t.Fatal(err)
	}
	r, err := b.engine.ImageImport(ctx, image.ImportSource{Source: &root, SourceName: "-"}, "teal-"+b.ns+"/shop:1", image.ImportOptions{Changes: append([]string{
		"LABEL " + labelNamespace + "=" + b.ns + " " + labelApp + "=shop", "LABEL " + labelBuildKind + "=Python",
		"LABEL " + labelBuildOn + "=" + stackPrefix + stack + " " + labelBuildBase + "=sha256:gone", "LABEL " + labelBuildPaths + "=/app",
		`ENV GREETING="it costs \$5"`, "USER 1001", "WORKDIR /app", "EXPOSE 8080", `CMD ["/app/main", "a \"b\""]`,
	}, changes...)})
	if err == nil {
		_, err = io.Copy(io.Discard, r)
		_ = r.Close()
	}
	if err != nil {
		b.t.Fatal(err)
	}
	found, err := b.engine.ImageInspect(ctx, "teal-"+b.ns+"/shop:1")
	if err != nil {
		b.t.Fatal(err)
	}
	return deploy.Release{App: "shop", Number: 1, Image: found.ID, Settings: deploy.DefaultSettings()}
}

// patch makes the image anew, as a patch run does.
func (b *bench) patch(live deploy.Release, req deploy.BuildRequest) (deploy.Patched, []deploy.Change, string) {
	b.t.Helper()
	ctx := b.t.Context()
	before, err := b.Packages(ctx, live.Image)
	if err != nil {
		b.t.Fatal(err)
	}
	found, err := b.Pending(ctx, live.Image)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("pending: %s; would %s", found[0], found[0].Remedy)
	var log lockedBuffer
	req.Refresh = true
	done := timed(b.t, "patch")
	patched, err := b.Patch(ctx, deploy.PatchRequest{BuildRequest: req, Live: live, Before: before, Pending: found[0]}, &log)
	done()
	if err != nil {
		b.t.Fatalf("%v\n%s", err, log.String())
	}
	after, err := b.Packages(ctx, patched.Image)
	if err != nil {
		b.t.Fatal(err)
	}
	return patched, deploy.Compare(before, after), log.String()
}

func TestDetectedAppIsLaidOverTheNewerBaseBitByBit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	live := b.detected("")
	patched, changes, log := b.patch(live, request(tiny("not built")))
	contains(t, log, "FROM teal/base:") // by what it holds: another build may hold on to the old teal/base
	if len(changes) != 1 || changes[0].Name != "libssl3" || changes[0].Old != "3.0.20-1~deb12u2" {
		t.Fatalf("changes: %v\n%s", changes, log)
	}
	contains(t, patched.Remedy, "laid over the newer teal/base")
	text, err := b.lists().File(t.Context(), patched.Image, "/app/main")
	if err != nil || string(text) != "the app of "+b.ns {
		t.Errorf("the app became %q, %v", text, err)
	}
	found, err := b.engine.ImageInspect(t.Context(), patched.Image)
	if err != nil {
		t.Fatal(err)
	}
	c := found.Config
	if c.User != "1001" || c.WorkingDir != "/app" || len(c.Cmd) != 2 || c.Cmd[1] != `a "b"` || !strings.Contains(strings.Join(c.Env, "\n"), "GREETING=it costs $5") {
		t.Errorf("configuration: %+v", c)
	}
	if _, ok := c.ExposedPorts["8080/tcp"]; !ok || c.Labels[labelBuildBase] == "sha256:gone" || c.Labels[labelBuildPaths] != "/app" {
		t.Errorf("ports %v, labels %v", c.ExposedPorts, c.Labels)
	}
	// And again: the next rebase goes on from this one, and finds nothing.
	live.Image = patched.Image
	again, changes, _ := b.patch(live, request(tiny("not built")))
	if len(changes) > 0 || again.Image != patched.Image {
		t.Errorf("again: %v, %s became %s", changes, patched.Image, again.Image)
	}
}

func TestNewerLanguageIsAnUpdateThoughThePackagesOfTheSystemAreTheSame(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	live := b.laidBefore("node:24", map[string]string{"var/lib/dpkg/status": b.databaseOf("node:24"), versionFile[1:]: "Node 24.0.1\n"},
		"LABEL "+labelBuildEnv+`='["NODE_VERSION=24.0.1","NODE_ENV=production"]'`, "ENV NODE_VERSION=24.0.1 NODE_ENV=production")
	now, err := b.lists().File(t.Context(), "teal/node:24", versionFile)
	if err != nil {
		t.Fatal(err)
	}
	patched, changes, log := b.patch(live, request(tiny("not built")))
	want := deploy.Change{Kind: deploy.PackageRuntime, Name: "node", Old: "24.0.1", New: strings.TrimSpace(strings.TrimPrefix(string(now), "Node "))}
	if len(changes) != 1 || !reflect.DeepEqual(changes[0], want) {
		t.Fatalf("changes: %v\n%s", changes, log)
	}
	contains(t, patched.Remedy, "laid over the newer teal/node:24")
	found, err := b.engine.ImageInspect(t.Context(), patched.Image)
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Join(found.Config.Env, "\n")
	contains(t, env, "GREETING=it costs $5", "NODE_ENV=production")
	if strings.Contains(env, "24.0.1") || !strings.Contains(found.Config.Labels[labelBuildEnv], `"NODE_ENV=production"`) || strings.Contains(found.Config.Labels[labelBuildEnv], "GREETING") {
		t.Errorf("the environment is %q, that of the base %q", env, found.Config.Labels[labelBuildEnv])
	}
}

func TestImageWhoseBaseLeftNoWordOfItsEnvironmentIsBuiltAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	live := b.laidBefore("base", map[string]string{"var/lib/dpkg/status": b.databaseOf("base")})
	patched, _, _ := b.patch(live, request(tiny(b.ns)))
	contains(t, patched.Remedy, "built anew")
}

func TestRebaseAndLayerEndWithTheBuildTimeoutOfTheApp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	live := b.detected("")
	live.Settings.BuildTimeout = time.Millisecond
	req := deploy.PatchRequest{BuildRequest: request(tiny("not built")), Live: live}
	late := func(err error) {
		t.Helper()
		var f *deploy.Failure
		if !errors.As(err, &f) || f.Class != deploy.ClassBuildTimeout || !strings.HasPrefix(f.Reason, "the build took longer than 1ms and was stopped") {
			t.Errorf("ended with %v", err)
		}
	}
	_, err := b.Patch(t.Context(), req, &lockedBuffer{})
	late(err)
	_, err = b.lay(t.Context(), req.BuildRequest, deploy.Built{Image: live.Image, Settings: live.Settings}, "bookworm", []string{"a=1"}, []string{"a"}, &lockedBuffer{})
	late(err)
}

func TestRebaseThatWouldLosePackagesBecomesABuild(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	live := b.detected("\nPackage: libvital1\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\n")
	patched, _, log := b.patch(live, request(tiny(b.ns)))
	contains(t, log, "the newer teal/base does not have libvital1: building the app anew")
	contains(t, patched.Remedy, "built anew")
}

func TestUpdatesThatABaseDoesNotHaveAreLaidOverTheImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// The base is as new as it gets; a step of the app's own brings an old package back.
	source := func(layer string) fsSource {
		return files("Dockerfile", "FROM teal/apt\nUSER root\n"+
			`RUN ["sed", "-i", "`+setVersion("libssl3", "3.0.20-1~deb12u2")+`", "/var/lib/dpkg/status"]`+"\nCOPY a /a\nUSER 1001\n", "a", b.ns, "teal.toml", layer)
	}
	if err := b.Stack().Ensure(t.Context(), &lockedBuffer{}, "apt"); err != nil {
		t.Fatal(err)
	}
	built, _ := b.build(request(source("")))
	live := deploy.Release{App: "shop", Number: 1, Image: built.Image, Settings: built.Settings}
	_, changes, _ := b.patch(live, request(source("")))
	if len(changes) > 0 {
		t.Errorf("without a layer: %v", changes)
	}
	patched, changes, log := b.patch(live, request(source("[patch]\nlayer = true\n")))
	if len(changes) != 1 || changes[0].Name != "libssl3" || compareVersions(changes[0].Old, changes[0].New) >= 0 {
		t.Fatalf("changes: %v\n%s", changes, log)
	}
	contains(t, patched.Remedy, "updates laid over the image")
	upgraded := changes[0].New
	found, err := b.engine.ImageInspect(t.Context(), patched.Image)
	if err != nil || found.Config.User != "1001" {
		t.Errorf("the image's user: %v, %v", found.Config.User, err)
	}
	live.Image = patched.Image
	again, changes, log := b.patch(live, request(source("[patch]\nlayer = true\n")))
	if len(changes) > 0 || len(found.RootFS.Layers) == 0 {
		t.Errorf("again: %v\n%s", changes, log)
	}
	if now, err := b.engine.ImageInspect(t.Context(), again.Image); err != nil || len(now.RootFS.Layers) > len(found.RootFS.Layers) {
		t.Errorf("layers pile up: %d became %d (%v)", len(found.RootFS.Layers), len(now.RootFS.Layers), err)
	}
	// A push of other files brings no old packages back; without the setting it does.
	next := source("[patch]\nlayer = true\n")
	next.fs.(fstest.MapFS)["a"] = &fstest.MapFile{Data: []byte("other")}
	pushed, log := b.build(request(next))
	contains(t, log, "laying 1 updates over the image")
	if got := b.version(pushed.Image, "libssl3"); got != upgraded {
		t.Errorf("after a push libssl3 is %s, was %s\n%s", got, upgraded, log)
	}
	// Nor does one fail when the archives do not answer.
	b.stack.aptSources = []string{"deb http://127.0.0.1:9/debian {codename} main"}
	next.fs.(fstest.MapFS)["a"] = &fstest.MapFile{Data: []byte("a third")}
	_, log = b.build(request(next))
	contains(t, log, "the updates that were laid over what serves are not in this release", "the next patch run lays them over it")
	// And a patch run then leaves what serves as it is.
	clear(b.stack.archived)
	kept, changes, log := b.patch(live, request(source("[patch]\nlayer = true\n")))
	if len(changes) > 0 || kept.Image != live.Image {
		t.Errorf("with the archives away: %v\n%s", changes, log)
	}
	contains(t, log, "what serves stays, with the updates that were laid over it")
}

// version is that of a Debian package in an image.
func (b *bench) version(image, name string) string {
	b.t.Helper()
	list, err := b.Packages(b.t.Context(), image)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range list.Packages {
		if p.Kind == deploy.PackageDeb && p.Name == name {
			return p.Version
		}
	}
	return ""
}

func TestImageWithoutAptIsSaidToTakeNoLayer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	source := files("Dockerfile", "FROM teal/base\nUSER root\n"+
		`RUN ["sed", "-i", "`+setVersion("libssl3", "3.0.20-1~deb12u2")+`", "/var/lib/dpkg/status"]`+"\nCOPY a /a\n", "a", b.ns, "teal.toml", "[patch]\nlayer = true\n")
	built, _ := b.build(request(source))
	patched, changes, log := b.patch(deploy.Release{App: "shop", Number: 1, Image: built.Image, Settings: built.Settings}, request(source))
	if len(changes) > 0 || patched.Unlayered != "there is no apt-get in it" {
		t.Errorf("%v %+v\n%s", changes, patched, log)
	}
}

// setVersion is a script for sed that has a package be of that version in a database.
func setVersion(name, version string) string {
	return "/^Package: " + name + "$/,/^$/s/^Version: .*/Version: " + version + "/"
}

// TestPackagesOfTheAppsOwnStepsAreUpdatedOnTheSameBase: the step has no reason to
// run again but that the archive has moved on since, of which the cache of builds
// knows nothing. A secret stands for that archive: no cache key holds it.
func TestPackagesOfTheAppsOwnStepsAreUpdatedOnTheSameBase(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	req := request(files("Dockerfile", "FROM teal/apt\nUSER root\nRUN --mount=type=secret,id=archive "+
		fmt.Sprintf(`["sed", "-i", "-e", "# %s", "-f", "/run/secrets/archive", "/var/lib/dpkg/status"]`, b.ns)+"\nCOPY a /a\nUSER 1001\n", "a", "a"))
	if err := b.Stack().Ensure(t.Context(), &lockedBuffer{}, "apt"); err != nil {
		t.Fatal(err)
	}
	req.Secrets = map[string]string{"archive": setVersion("openssl", "3.0.20-1~deb12u2")}
	built, _ := b.build(req)
	req.Secrets = map[string]string{"archive": "# nothing is out of date any more\n"}
	if same, _ := b.build(req); same.Image != built.Image {
		t.Error("a push of the same commit ran the step again")
	}
	live := deploy.Release{App: "shop", Number: 1, Image: built.Image, Settings: built.Settings}
	patched, changes, log := b.patch(live, req)
	if len(changes) != 1 || changes[0].Name != "openssl" || compareVersions(changes[0].Old, changes[0].New) >= 0 {
		t.Fatalf("changes: %v\n%s", changes, log)
	}
	contains(t, patched.Remedy, "built anew on teal/apt")
	// The cache has the step twice now; a push gets the newer one.
	if same, log := b.build(req); b.version(same.Image, "openssl") != changes[0].New {
		t.Errorf("a push went back to openssl %s\n%s", b.version(same.Image, "openssl"), log)
	}
}

func TestWhatCannotBeToldIsSaid(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	built, _ := b.build(request(files(
		"Dockerfile", "FROM scratch\nCOPY . /\n",
		"lib/apk/db/installed", "P:musl\nV:1.2.4-r1\nA:x86_64\n\n",
		"etc/os-release", "ID=alpine\nVERSION_ID=3.18.2\nPRETTY_NAME=\"Alpine Linux v3.18\"\n", "x", b.ns)))
	scratch, _ := b.build(request(tiny(b.ns)))
	all, err := b.Pending(t.Context(), built.Image, scratch.Image, "sha256:"+strings.Repeat("0", 64))
	if err != nil {
		t.Fatal(err)
	}
	contains(t, strings.Join(all[0].Unknown, "\n"), "what is out of date in Alpine Linux v3.18")
	if !all[1].None() || len(all[1].Pushed) != 1 {
		t.Errorf("an image from scratch has no packages and no base that could be newer: %s, pushed %q", all[1], all[1].Pushed)
	}
	contains(t, strings.Join(all[1].Pushed, "\n"), "it has no list of packages")
	contains(t, strings.Join(all[2].Unknown, "\n"), "the image is gone")
}

// TestOddImageHidesNothingOfTheOthers: what of one image can't be read is said of
// that one, and no word of it gets into a path.
func TestOddImageHidesNothingOfTheOthers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const installed = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.1-1\n\n"
	image := func(release, codename, status string) string {
		t.Helper()
		built, _ := b.build(request(files("Dockerfile", "FROM scratch\nCOPY . /\n", "x", b.ns, "var/lib/dpkg/status", status,
			"etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian\"\n"+release+"VERSION_CODENAME="+codename+"\n")))
		return built.Image
	}
	all, err := b.Pending(t.Context(),
		image(strings.Repeat("X=y\n", 20_000), "bookworm", installed),
		image("", "x/../../../y", installed),
		image("", "bookworm", installed))
	if err != nil {
		t.Fatal(err)
	}
	for n, p := range all[:2] {
		if len(p.Unknown) == 0 || len(p.Changes) > 0 {
			t.Errorf("%d: %s", n, p)
		}
		t.Logf("%d: %s", n, p)
	}
	if p := all[2]; len(p.Changes) != 1 || len(p.Unknown) > 0 {
		t.Errorf("beside odd images: %s", p)
	}
}

// TestImageThatTheScannerCannotTakeHidesNothingOfTheOthers: the third file that it
// gets is the first image's.
func TestImageThatTheScannerCannotTakeHidesNothingOfTheOthers(t *testing.T) {
	t.Parallel()
	var puts atomic.Int32
	engine := engineBehind(t, func(out http.ResponseWriter, r *http.Request, engine http.Handler) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/archive") && puts.Add(1) == 3 {
			http.Error(out, `{"message": "no room in the scanner"}`, http.StatusInternalServerError)
			return
		}
		engine.ServeHTTP(out, r)
	})
	b := newBench(t, func(c *Config) { c.Engine = engine })
	if err := b.stack.Ensure(t.Context(), &lockedBuffer{}, "apt"); err != nil {
		t.Fatal(err)
	}
	const installed = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.1-1\n\n"
	found, err := b.stack.scan(t.Context(), []scanned{{[]byte(installed), "bookworm"}, {[]byte(installed + "\n"), "bookworm"}})
	if err != nil {
		t.Fatal(err)
	}
	contains(t, found[0].unknown, "no room in the scanner")
	if len(found[1].changes) != 1 || found[1].unknown != "" {
		t.Errorf("the other one: %+v", found[1])
	}
}

func TestPackagesOfOtherArchivesAreNotSaidToBeNew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const installed = "\nStatus: install ok installed\nMaintainer: x\nDescription: x\nArchitecture: amd64\nVersion: "
	built, _ := b.build(request(files("Dockerfile", "FROM scratch\nCOPY . /\n", "x", b.ns,
		"var/lib/dpkg/status", "Package: nodejs"+installed+"99.1.0-1nodesource1\n\nPackage: ours"+installed+"1\n\nPackage: libssl3"+installed+"3.0.1-1\n\n",
		"etc/os-release", "ID=debian\nVERSION_CODENAME=bookworm\n")))
	all, err := b.Pending(t.Context(), built.Image)
	if err != nil {
		t.Fatal(err)
	}
	contains(t, all[0].String(), "1 updates: libssl3", "cannot tell: 2 packages that Debian does not have (nodejs, ours)")
	if req := anew(deploy.PatchRequest{Pending: deploy.Pending{Elsewhere: all[0].Elsewhere}}); !req.NoCache {
		t.Error("a step that installs them would come from the cache")
	}
}
