package builder

import (
	"strings"
	"testing"

	"teal/deploy"
)

func TestRefreshWithUnchangedBaseMakesTheSameImage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	base := newRegistry(t).push("base", b.ns)
	req := request(files("Dockerfile", "FROM "+base+"\nCOPY a /a\n", "a", "1"))
	first, _ := b.build(req)
	req.Refresh = true
	again, log := b.build(req)
	if first.Image != again.Image {
		t.Errorf("nothing changed, and the image did\n%s", log)
	}
	contains(t, log, "base image "+base+": pulled")
}

func TestOnlyRefreshTakesANewerBase(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	registry := newRegistry(t)
	base := registry.push("base", b.ns+" old")
	req := request(files("Dockerfile", "ARG BASE="+base+"\nFROM $BASE\nCOPY a /a\n", "a", "1"))
	first, _ := b.build(req)
	registry.push("base", b.ns+" new")
	same, _ := b.build(req)
	if same.Image != first.Image {
		t.Error("a push moved to the newer base by itself")
	}
	req.Refresh = true
	fresh, log := b.build(req)
	if fresh.Image == first.Image {
		t.Errorf("the refresh kept the old base\n%s", log)
	}
}

func TestRefreshWithoutARegistryGoesOnWithTheBaseThatIsHere(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	// An image of ours stands for a base that was loaded by hand.
	local := "nosuch.invalid/" + b.ns + "/base"
	name := func(text string) {
		built, _ := b.build(request(tiny(text)))
		if err := b.engine.ImageTag(t.Context(), built.Image, local); err != nil {
			t.Fatal(err)
		}
	}
	name(b.ns + " old")
	req := request(files("Dockerfile", "FROM "+local+"\nCOPY b /b\n", "b", "1"))
	req.App = "blog"
	first, _ := b.build(req)
	req.Refresh = true
	same, log := b.build(req)
	if same.Image != first.Image {
		t.Error("nothing changed, and the image did")
	}
	contains(t, log, "cannot look for a newer one, going on with the one that is here")
	name(b.ns + " new")
	fresh, _ := b.build(req)
	if fresh.Image == first.Image {
		t.Error("another base image here made the same app image")
	}
}

func TestUnknownTagOfABaseIsNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	base := newRegistry(t).push("base", b.ns) + ":nosuchtag"
	f, _ := b.refused(request(files("Dockerfile", "FROM "+base+"\n")))
	if !strings.Contains(f.Reason, "the base image "+base+" cannot be fetched") {
		t.Errorf("reason is %q", f.Reason)
	}
	t.Log(f.Reason)
}

func TestStackThatCannotBeRefreshedIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *Config) { c.DebianImage, c.DebianSuite = "nosuch.invalid/debian", "nosuchsuite" })
	if err := New(Config{Engine: b.engine, Namespace: b.ns}).Stack().Ensure(t.Context(), &lockedBuffer{}, "base"); err != nil {
		t.Fatal(err)
	}
	req := request(files("Dockerfile", "FROM teal/base\nCOPY a /a\n", "a", b.ns))
	req.Refresh = true
	_, log := b.build(req)
	contains(t, log, "cannot refresh the stack image teal/base", "mmdebstrap", "going on with the one that is here")
}

// TestPatchOfAnImageWithoutPackagesWhoseRegistryIsSilentStandsOnTheSameBase: built
// anew from a cache that forgot it, the image has other bits, and nothing says that
// they are better.
func TestPatchOfAnImageWithoutPackagesWhoseRegistryIsSilentStandsOnTheSameBase(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	registry := newRegistry(t)
	base := registry.push("base", b.ns+" old")
	req := request(withTool(nil, "FROM "+base, "COPY --from=tool /tool /tool", `RUN ["/tool", "write", "/made", "`+b.ns+`"]`))
	built, _ := b.build(req)
	live := deploy.Release{App: "shop", Number: 1, Image: built.Image, Settings: built.Settings}
	patch := func() (deploy.Patched, deploy.Pending) {
		t.Helper()
		found, err := b.Pending(t.Context(), live.Image)
		if err != nil {
			t.Fatal(err)
		}
		anew := req
		anew.Refresh, anew.NoCache = true, true
		var log lockedBuffer
		patched, err := b.Patch(t.Context(), deploy.PatchRequest{BuildRequest: anew, Live: live, Pending: found[0]}, &log)
		if err != nil {
			t.Fatalf("%v\n%s", err, log.String())
		}
		return patched, found[0]
	}
	registry.push("base", b.ns+" new")
	if patched, pending := patch(); !patched.Foreign || len(pending.Bases) != 1 {
		t.Errorf("a newer base: %+v, %s", patched, pending)
	}
	// The one that is here now is newer than the live image's; from now on it counts.
	built, _ = b.build(req)
	live.Image = built.Image
	registry.silence()
	patched, pending := patch()
	if patched.Foreign || patched.Image == live.Image || len(pending.Unknown) == 0 {
		t.Errorf("a silent registry: %+v, live is %s, pending %s", patched, live.Image, pending)
	}
}
