package runtime

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"teal/deploy"
)

func TestInstancesRunWithoutPrivilegesAndWithinLimits(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	r.Settings.PIDs = 24
	in := start(t, d, r, deploy.Blue)[0]
	status := get(t, in.Addr, "/status")
	for _, want := range []string{
		"CapInh:\t0000000000000000", "CapPrm:\t0000000000000000", "CapEff:\t0000000000000000",
		"CapBnd:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2",
	} {
		if !strings.Contains(status, want+"\n") {
			t.Errorf("its status lacks %q:\n%s", want, status)
		}
	}
	if got := get(t, in.Addr, "/adj"); got != "500\n" {
		t.Errorf("oom_score_adj is %q", got)
	}
	if got := get(t, in.Addr, "/wmem"); strings.Join(strings.Fields(got), " ") != "4096 16384 524288" {
		t.Errorf("its send buffers are %q", got)
	}
	if got := get(t, in.Addr, "/limits"); !regexp.MustCompile(`Max open files +16384 +16384`).MatchString(got) {
		t.Errorf("its limits are\n%s", got)
	}
	if got := get(t, in.Addr, "/mounts"); !regexp.MustCompile(`tmpfs /tmp tmpfs rw,nosuid,nodev\S*,size=16384k`).MatchString(got) {
		t.Errorf("its mounts are\n%s", got)
	}
	for _, path := range []string{"/tmp/x", "/x", "/data/x"} {
		if got := get(t, in.Addr, "/write?path="+path); got != "" {
			t.Errorf("%s can't be written: %s", path, got)
		}
	}
	var forked int
	if _, err := fmt.Sscan(get(t, in.Addr, "/fork"), &forked); err != nil || forked >= 24 {
		t.Errorf("it could make %d processes, %v", forked, err)
	}
	if got := get(t, in.Addr, "/"); got != "ok\n" {
		t.Errorf("after the fork bomb it answers %q", got)
	}
	c, err := engine.ContainerInspect(t.Context(), in.ID)
	if err != nil {
		t.Fatal(err)
	}
	h := c.HostConfig
	if h.Memory != 64<<20 || h.MemorySwap != 64<<20 || h.NanoCPUs != 1e9 || !*h.Init || len(h.PortBindings) != 0 ||
		h.Privileged || h.LogConfig.Type != "local" || h.LogConfig.Config["max-size"] != "10m" || *c.Config.StopTimeout != 2 {
		t.Errorf("it was made with %+v", h)
	}
}

func TestAnAppThatMayHaveMoreProcessorsThanThereAreGetsThemAll(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 1, "")
	r.Settings.CPUs = 4096
	in := start(t, d, r, deploy.Green)[0]
	if got := get(t, in.Addr, "/"); got != "ok\n" {
		t.Errorf("it answers %q", got)
	}
	c, err := engine.ContainerInspect(t.Context(), in.ID)
	if err != nil || c.HostConfig.NanoCPUs != 0 {
		t.Errorf("its limit is %d, %v", c.HostConfig.NanoCPUs, err)
	}
}

func TestEnvironmentIsTheReleasesAndTealsWordWins(t *testing.T) {
	t.Parallel()
	d := newDocker(t)
	r := release("shop", 14, "")
	r.Env["DATABASE_URL"] = "postgres://db/shop?a=b c\nd"
	r.Env["PORT"] = "3000"
	r.Env["TEAL_COLOR"] = "purple"
	r.Env["TEAL_SECRET"] = "x"
	in := start(t, d, r, deploy.Green)[0]
	var env []string
	if err := json.Unmarshal([]byte(get(t, in.Addr, "/env")), &env); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"PORT=8080", "TEAL_APP=shop", "TEAL_COLOR=green", "TEAL_RELEASE=v14", "TEAL_COMMIT=" + r.Commit.ID,
		"DATABASE_URL=postgres://db/shop?a=b c\nd", "HOSTNAME=shop-green-1",
	} {
		if !slices.Contains(env, want) {
			t.Errorf("%q is missing in %q", want, env)
		}
	}
	for _, e := range env {
		if e == "PORT=3000" || e == "TEAL_COLOR=purple" || strings.HasPrefix(e, "TEAL_SECRET") {
			t.Errorf("the app sees %q", e)
		}
	}
}
