package commands

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"teal/deploy"
)

func configured(t *testing.T) *world {
	w := newWorld(t)
	w.begin(deploy.Deployment{Cause: deploy.CauseConfig, Target: 14}, live(15))
	return w
}

func TestConfigSetDeploysTheChangeAndTellsTheOutcome(t *testing.T) {
	w := configured(t)
	w.run("dora", "config", "set", "shop", "A=1", "URL=http://x/?a=b", "EMPTY=").want(t, ExitDone,
		"Stored. shop has 5 keys now.", "v15 of shop is live on blue")
	env := w.apps["shop"].Env
	if env["A"] != "1" || env["URL"] != "http://x/?a=b" || env["EMPTY"] != "" || env["LOG_LEVEL"] != "info" {
		t.Errorf("config is %q", env)
	}
	w.run("dora", "config", "set", "shop", "A=1").want(t, ExitDone, "has these values already")
	w.asked("reconfigure shop by dora")
}

func TestSecretComesFromStandardInput(t *testing.T) {
	w := configured(t)
	w.typed("dora", "line one\nline two\n", "config", "set", "shop", "PEM").want(t, ExitDone)
	if got := w.apps["shop"].Env["PEM"]; got != "line one\nline two" {
		t.Errorf("value is %q", got)
	}
	w.typed("dora", "", "config", "set", "shop", "NONE").want(t, ExitUsage,
		"standard input holds no value for NONE", "config set shop NONE=", "config unset shop NONE")
	if _, set := w.apps["shop"].Env["NONE"]; set {
		t.Error("an empty value was stored")
	}
}

func TestValueWithSpacesDoesNotBecomeAKey(t *testing.T) {
	w := configured(t)
	r := w.typed("dora", "something", "config", "set", "shop", "GREETING=hello", "world")
	r.want(t, ExitUsage, `"world" has no value; quote values with spaces twice`)
	if len(w.apps["shop"].Env) != 2 {
		t.Errorf("config is %q", w.apps["shop"].Env)
	}
}

func TestWrongConfigIsRefusedWhole(t *testing.T) {
	for word, want := range map[string]string{
		"1A=x": "is not a key", "A-B=x": "is not a key", "=x": "is not a key", "PORT=80": "PORT is always 8080",
		"BIG=" + strings.Repeat("x", maxValue+1): "is longer than 32 KiB",
		"NUL=a\x00b":                             "is not text", "BAD=\xff": "is not text", "LOG_LEVEL=y": "stands there twice",
	} {
		w := configured(t)
		w.run("dora", "config", "set", "shop", "LOG_LEVEL=x", word).want(t, ExitUsage, want)
		if w.apps["shop"].Env["LOG_LEVEL"] != "info" {
			t.Errorf("%.20q: half of it was stored", word)
		}
		w.asked()
	}
	w := configured(t)
	var many []string
	for i := range maxKeys - 1 {
		many = append(many, fmt.Sprintf("K%d=x", i))
	}
	w.run("dora", append([]string{"config", "set", "shop"}, many...)...).want(t, ExitUsage, "201 keys; 200 are the most")
	w.typed("dora", strings.Repeat("x", maxValue+1)+"\n", "config", "set", "shop", "BIG").want(t, ExitUsage, "is longer than 32 KiB")
	w.typed("dora", strings.Repeat("x", maxValue)+"\r\n", "config", "set", "shop", "BIG").want(t, ExitDone)
}

func TestConfigUnset(t *testing.T) {
	w := configured(t)
	w.run("dora", "config", "unset", "shop", "LOG_LEVEL", "NO_SUCH").want(t, ExitNotFound, "shop has no key NO_SUCH; nothing was changed")
	w.asked()
	w.run("dora", "config", "unset", "shop", "LOG_LEVEL").want(t, ExitDone, "shop has 1 key now")
	w.run("dora", "config", "unset", "shop").want(t, ExitUsage)
	w.asked("reconfigure shop by dora")
}

func TestConfigSaysWhenItIsStoredButNotLive(t *testing.T) {
	w := configured(t)
	w.broken["reconfigure"] = deploy.ErrNothing
	w.run("anna", "config", "set", "blog", "A=1").want(t, ExitDone, "Nothing is live yet; the next push takes it along.")
	w.broken["reconfigure"] = deploy.ErrStopping
	w.run("anna", "config", "set", "shop", "A=1").want(t, ExitBusy, "the config is stored but not deployed: teal is stopping", "redeploy shop")
	delete(w.broken, "reconfigure")
	failed(&w.waited)
	w.run("anna", "config", "set", "shop", "A=2").want(t, ExitFailed, "deploy of the new config failed: probe answered 500 (green v14 still serves)")
	w.broken["SetEnv"] = fmt.Errorf("disk full")
	w.run("anna", "config", "set", "shop", "A=3").want(t, ExitTeal, "disk full")
}

func TestClientThatHangsUpDoesNotLeaveAChangeHalfDone(t *testing.T) {
	w := configured(t)
	ctx, gone := context.WithCancel(t.Context())
	gone()
	w.within(ctx, "anna", "", "config", "set", "shop", "A=1")
	w.within(ctx, "anna", "", "domains", "add", "shop", "new.test")
	w.within(ctx, "anna", "", "destroy", "shop", "shop").want(t, ExitDone)
	w.asked("reconfigure shop by anna", "reroute shop", "destroy shop by anna")
}

func TestConfigListHidesValuesAndTheirLength(t *testing.T) {
	w := newWorld(t)
	r := w.run("dora", "config", "list", "shop")
	if strings.Contains(r.out, "info") || strings.Count(r.out, masked) != 2 {
		t.Errorf("%s", r.out)
	}
}
