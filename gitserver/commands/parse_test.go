package commands

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

var testOptions = []option{
	{name: "follow", short: "f"}, {name: "lines", short: "n", value: "N"}, {name: "admin"},
}

func TestOptionsMayStandAnywhere(t *testing.T) {
	for typed, want := range map[string]struct {
		flags flags
		words string
	}{
		"shop -f":               {flags{"follow": "true"}, "shop"},
		"-f shop":               {flags{"follow": "true"}, "shop"},
		"--follow -n 5 shop":    {flags{"follow": "true", "lines": "5"}, "shop"},
		"shop -n5":              {flags{"lines": "5"}, "shop"},
		"shop --lines=5 x":      {flags{"lines": "5"}, "shop x"},
		"shop --lines= x":       {flags{"lines": ""}, "shop x"},
		"--admin=false shop -":  {flags{"admin": "false"}, "shop -"},
		"shop -- -f --anything": {flags{}, "shop -f --anything"},
		"-n -f shop":            {flags{"lines": "-f"}, "shop"},
	} {
		f, words, err := parse(testOptions, strings.Fields(typed))
		if err != nil || !maps.Equal(f, want.flags) || strings.Join(words, " ") != want.words {
			t.Errorf("%q: %v %q %v", typed, f, words, err)
		}
	}
}

func TestWrongOptionsAreRefusedInOneLine(t *testing.T) {
	for typed, want := range map[string]string{
		"--folow":       "did you mean --follow?",
		"--nonsense":    "there is no option --nonsense here",
		"-x":            "there is no option -x here",
		"-fx":           "there is no option -fx here",
		"shop -n":       "-n needs a value",
		"-f --follow":   "--follow stands there twice",
		"--admin=maybe": "--admin is a switch",
	} {
		_, _, err := parse(testOptions, strings.Fields(typed))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", typed, err, want)
		}
	}
}

func TestNearestFindsSlipsAndBeginnings(t *testing.T) {
	names := New(Config{}).names("")
	for typed, want := range map[string]string{
		"aps": "apps", "rollbak": "rollback", "restart": "restart-previous", "log": "logs", "destory": "destroy",
		"deploy": "deployments", "zzz": "", "": "",
	} {
		if got := nearest(typed, names); got != want {
			t.Errorf("%q: %q, want %q", typed, got, want)
		}
	}
}

// FuzzRun: whatever is typed, the command ends with a code that is documented,
// prints nothing that a terminal obeys (run asserts it), and the engine is
// asked nothing for a user who has no right.
func FuzzRun(f *testing.F) {
	for _, m := range matrix {
		f.Add(strings.Join(m.args, "\n"), "")
	}
	for _, s := range []string{"", "--", "-", "config", "config set shop", "help help help", "ps\nshop\n--json", "logs\nshop\n-n\n99999999999999999999", "\x1b[2J", "keys\nadd\n\xff", "help\n", "domains\nadd\nshop\n\x0f", "rollback\nshop\nv-1"} {
		f.Add(s, "shop\n")
	}
	f.Fuzz(func(t *testing.T, typed, stdin string) {
		args := strings.Split(typed, "\n")
		for _, user := range []string{"root", "nick", "nobody"} {
			w := newWorld(t)
			w.begun.ID = 17
			r := w.typed(user, stdin, args...)
			if r.exit < ExitDone || r.exit > ExitTeal {
				t.Errorf("exit code %d", r.exit)
			}
			if user != "root" && len(w.calls) > 0 {
				t.Errorf("%s had the engine do %q", user, w.calls)
			}
			if strings.Contains(r.err, "bug in Teal") {
				t.Errorf("panic: %s", r.err)
			}
		}
	})
}

func TestJSONIsEverywhereAScriptWouldReadIt(t *testing.T) {
	want := strings.Fields("apps ps releases deployments receipt sbom patch config_list build-secrets_list domains_list keys_list access_list users_list cron alerts stack audit whoami")
	for path, row := range leaves() {
		if listed := slices.Contains(want, strings.ReplaceAll(path, " ", "_")); row.json != listed {
			t.Errorf("%s: --json is %v, want %v", path, row.json, listed)
		}
	}
}
