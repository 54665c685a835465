package deploy_test

import (
	"errors"
	"slices"
	"testing"

	"teal/deploy"
	"teal/deploy/deploytest"
)

func TestNamesRightBelowTheServersDomainBelongToTheAppsOfThatName(t *testing.T) {
	for host, ok := range map[string]bool{
		"shop.example.org": true, "example.org": true, "*.shop.example.org": true, "a.b.test": true, "mytest": true,
		"test": false, "blog.test": false, "*.test": false,
	} {
		if err := deploy.CheckDomain(host, "test"); (err == nil) != ok || err != nil && !errors.Is(err, deploy.ErrBadName) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestAStoredClaimToAnotherAppsOwnHostIsNotRouted(t *testing.T) {
	w := deploytest.New(t)
	app, _ := w.Store.App(t.Context(), "shop")
	app.Domains = []string{"blog.test", "shop.example.org", "*.test"}
	w.Store.PutApp(app)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live)
	if got, want := d.Router.Hosts("shop"), []string{"shop.test", "shop.example.org"}; !slices.Equal(got, want) {
		t.Errorf("hosts: %v, want %v", got, want)
	}
}

func TestANewAppsHostIsKnownWhileItsFirstPushIsBuilt(t *testing.T) {
	w := deploytest.New(t)
	d, ctx := w.Open(), within(t)
	mustPush(ctx, t, d, "one", deploy.Live) // the engine has looked at the apps it found at its start
	w.Store.PutApp(deploy.App{Name: "blog"})
	g := holdBuilds(w)
	push := w.Commit("one", deploy.Options{})
	push.App = "blog"
	dep, err := d.Receive(ctx, push)
	if err != nil {
		t.Fatal(err)
	}
	<-g.waiting
	if got, want := d.Router.Hosts("blog"), []string{"blog.test"}; !slices.Equal(got, want) {
		t.Errorf("hosts: %v, want %v", got, want)
	}
	close(g.open)
	mustWait(ctx, t, d, dep, deploy.Live)
}
