package builder

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"teal/deploy"
)

func TestFullManifestIsRead(t *testing.T) {
	text, err := os.ReadFile("testdata/teal.toml")
	if err != nil {
		t.Fatal(err)
	}
	got, err := parseManifest(text, Manifest{Settings: deploy.DefaultSettings()})
	if err != nil {
		t.Fatal(err)
	}
	want := Manifest{
		Settings: deploy.Settings{
			Instances: 2, Release: []string{"/app", "migrate", "--all"}, ReleaseTimeout: 5 * time.Minute,
			ProbePath: "/healthz", ProbeInterval: 250 * time.Millisecond, ProbeTimeout: time.Second, StartTimeout: 90 * time.Second,
			Grace: 10 * time.Minute, Drain: 20 * time.Second, Stop: 15 * time.Second,
			Memory: 256 << 20, CPUs: 1.5, PIDs: 200, BuildTimeout: 15 * time.Minute, Keep: 3,
			Gradual: []int{5, 25, 50}, Dwell: 30 * time.Second, Hold: 45 * time.Second, Volumes: map[string]string{"data": "/data"}, Sticky: true, Redirect: true, CheckInterval: 10 * time.Second,
		},
		Dockerfile: "docker/Dockerfile", Stage: "production", Language: "go", Main: "cmd/web", Args: map[string]string{"FLAVOR": "plain"}, formation: map[string]int{"mailer": 2},
		crons: []declaredCron{
			{job: deploy.CronJob{Name: "after", Schedule: "@deploy", Argv: []string{"/app", "warm"}, Timeout: time.Hour}},
			{line: "bin/clean --all | tee log", job: deploy.CronJob{Name: "nightly", Schedule: "30 3 * * *", Timeout: 2 * time.Hour}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEmptyManifestIsTheDefaults(t *testing.T) {
	got, err := parseManifest(nil, Manifest{Settings: deploy.DefaultSettings()})
	if err != nil || !reflect.DeepEqual(got.Settings, deploy.DefaultSettings()) {
		t.Errorf("%+v %v", got, err)
	}
}

func TestHowAReleaseIsPromotedIsReadWhole(t *testing.T) {
	for text, want := range map[string]func(*deploy.Settings){
		"promote = 'gradual'":                            func(s *deploy.Settings) { s.Gradual = []int{10, 50} },
		"promote = 'at-once'":                            func(*deploy.Settings) {},
		"promote = 'gradual'\n[switch]\nsteps = [1, 99]": func(s *deploy.Settings) { s.Gradual = []int{1, 99} },
		"strategy = 'single-writer'":                     func(s *deploy.Settings) { s.SingleWriter = true },
		"strategy = 'blue-green'":                        func(*deploy.Settings) {},
		"[switch]\nwatch = 'off'":                        func(s *deploy.Settings) { s.Watch = 0 },
		"[switch]\nwatch = '0s'":                         func(s *deploy.Settings) { s.Watch = 0 },
		"[switch]\nwatch = '1h'\nhold = '5s'":            func(s *deploy.Settings) { s.Watch, s.Hold = time.Hour, 5*time.Second },
		"[probe]\ncheck_interval = 'off'":                func(s *deploy.Settings) { s.CheckInterval = 0 },
		"[patch]\nmode = 'auto'\nscope = 'all'":          func(*deploy.Settings) {},
		"[patch]\nmode = 'notify'\nscope = 'security'\nwindow = '22:00-04:00'\nlayer = true\ntell = true": func(s *deploy.Settings) {
			s.Patch = deploy.PatchSettings{Mode: deploy.PatchNotify, Scope: deploy.ScopeSecurity, Window: "22:00-04:00", Layer: true, Tell: true}
		},
		"[migrate]\nmark = 'names'":                           func(s *deploy.Settings) { s.Migrate.Mark = "names" },
		"[migrate]\nmark = 'b'\nrollback = 'block'":           func(s *deploy.Settings) { s.Migrate = deploy.MigrateSettings{Mark: "b", Block: true} },
		"[router]\nsticky = true\nredirect = false":           func(s *deploy.Settings) { s.Sticky, s.Redirect = true, false },
		"[router]\nprotocol = 'http/1.1'":                     func(*deploy.Settings) {},
		"[router]\nprotocol = 'h2c'":                          func(s *deploy.Settings) { s.Protocol = deploy.H2C },
		"[router]\nprotocol = 'grpc'":                         func(s *deploy.Settings) { s.Protocol = deploy.GRPC },
		"instances = 1\nstrategy = 'single-writer'\nkeep = 1": func(s *deploy.Settings) { s.SingleWriter, s.Keep = true, 1 },
	} {
		s := deploy.DefaultSettings()
		want(&s)
		got, err := parseManifest([]byte(text), Manifest{Settings: deploy.DefaultSettings()})
		if err != nil || !reflect.DeepEqual(got.Settings, s) {
			t.Errorf("%q: %v\ngot  %+v\nwant %+v", text, err, got.Settings, s)
		}
	}
}

func TestWrongManifestSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		"instanses = 2":                                     `line 1: there is no key "instanses"; is "instances" meant?`,
		"\n[probe]\npth = '/'":                              `line 3: there is no key "probe.pth"; is "probe.path" meant?`,
		"[zzzzzzzzzzzz]\na = 1":                             `there is no key "zzzzzzzzzzzz`,
		"instances = 0":                                     "instances = 0 is out of range: 1 to 10",
		"[patch]\nmode = 'on'":                              `patch.mode = "on" is not known: use "auto" or "notify" or "off"`,
		"[patch]\nwindow = 'night'":                         `patch.window = "night" is no time of day: write it like "02:00-05:00"`,
		"[migrate]\nrollback = 'never'":                     `migrate.rollback = "never" is not known: use "warn" or "block"`,
		"instances = 11":                                    "instances = 11 is out of range: 1 to 10",
		"instances = 'two'":                                 "line 1: instances cannot be a bare string",
		"keep = -1":                                         "keep = -1 is out of range: 0 to 100",
		"a = [":                                             "line 1: ",
		"release = 'migrate && seed'":                       "there is none: quote it, or put the commands into a script",
		"release = 'say \"hi'":                              "the quote \" is not closed",
		"release = 3":                                       "release must be a string or a list of strings",
		"release = ['a', 3]":                                "every item of the list must be a string",
		"release = ['']":                                    "the command, is empty",
		"[build]\ntimeout = '5 minutes'":                    `"5 minutes" is not a length of time`,
		"[build]\ntimeout = '1s'":                           "build.timeout = \"1s\" is out of range: 10s to 24h0m0s",
		"[build]\ntimeout = 300":                            `"300" is not a length of time`,
		"[build]\ndockerfile = '../Dockerfile'":             "is not the path of a file in the repository",
		"[build]\ndockerfile = '/etc/passwd'":               "is not the path of a file in the repository",
		"[build]\nmain = '../x'":                            "is not a directory in the repository",
		"[build]\nargs = { 'A-B' = 'x' }":                   "is not a name for an ARG",
		"[build]\nargs = { BUILDKIT_CACHE_MOUNT_NS = 'x' }": "is not for apps to set",
		"[probe]\npath = 'healthz'":                         "it begins with \"/\"",
		"[probe]\npath = \"/a\\nb\"":                        "is not a path",
		"[probe]\nstart_timeout = '0s'":                     "probe.start_timeout = \"0s\" is out of range",
		"[switch]\ngrace = '-1s'":                           "switch.grace = \"-1s\" is out of range",
		"[volumes]\nData = '/data'":                         `"Data" is not a name for a volume`,
		"[volumes]\na-b = '/data'":                          `"a-b" is not a name for a volume`,
		"[volumes]\na = 'data'":                             `volumes.a = "data" is not a directory in the container`,
		"[volumes]\na = '/'":                                "is not a directory in the container",
		"[volumes]\na = '/a/../etc'":                        "is not a directory in the container",
		"[volumes]\na = '/proc/self'":                       "is a directory of the system",
		"[volumes]\na = '/tmp'":                             "is a directory of the system",
		"[volumes]\na = '/x'\nb = '/x/y'":                   "lie in one another",
		"promote = 'slowly'":                                `promote = "slowly" is not known: use "at-once" or "gradual"`,
		"[switch]\nsteps = [10]":                            `only with promote = "gradual"`,
		"promote = 'at-once'\n[switch]\nsteps = [10]":       `switch.steps has no effect with promote = "at-once"`,
		"promote = 'gradual'\n[switch]\nsteps = [50, 10]":   "percentages from 1 to 99 that rise",
		"promote = 'gradual'\n[switch]\nsteps = [100]":      "percentages from 1 to 99 that rise",
		"promote = 'gradual'\n[switch]\nsteps = []":         "switch.steps has 0 steps",
		"[router]\nprotocol = 'h3'":                         `router.protocol = "h3" is not known: use "http/1.1" or "h2c" or "grpc"`,
		"strategy = 'rolling'":                              `strategy = "rolling" is not known`,
		"strategy = 'single-writer'\npromote = 'gradual'":   "cannot be promoted gradually",
		"strategy = 'single-writer'\ninstances = 2":         "has one instance, not 2",
		"[switch]\nwatch = '1s'":                            "switch.watch = \"1s\" is out of range",
		"[switch]\nwatch = 'on'":                            `"on" is not a length of time: write it like "90s" or "5m", or "off"`,
		"[switch]\nhold = '1s'":                             "switch.hold = \"1s\" is out of range",
		"[limits]\nmemory = '1MB'":                          "limits.memory is 1000000 bytes",
		"[limits]\nmemory = 'much'":                         `"much" is not a size`,
		"[limits]\ncpus = 0":                                "limits.cpus = 0 is out of range",
		"[limits]\ncpus = nan":                              "limits.cpus = NaN is out of range",
		"[cron.night]\ncommand = 'x'":                       `cron.night needs a schedule, such as schedule = "30 3 * * *"`,
		"[cron.night]\nschedule = '@daily'":                 `cron.night.command is missing: write it like command = "bin/clean --all"`,
		"[cron.night]\nschedule = '@daily'\ncommand = ['']": "cron.night.command is missing",
		"[cron.night]\nschedule = '@daily'\ncommand = 7":    "cron.night.command must be a string or a list of strings",
		"[cron.night]\nschedule = '@daily'\ncommand = 'x'\ntimeout = '25h'": `cron.night.timeout = "25h0m0s" is out of range`,
		"[cron.\"a b\"]\nschedule = '@daily'\ncommand = 'x'":                "cron.a b: a name is a letter, then letters, digits",
		"[cron.night]\nshedule = '@daily'\ncommand = 'x'":                   `there is no key "cron.night.shedule"`,
		"[limits]\npids = 1": "limits.pids = 1 is out of range",
	} {
		_, err := parseManifest([]byte(text), Manifest{Settings: deploy.DefaultSettings()})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "teal.toml") {
			t.Errorf("%q: error is %v, without %q", text, err, want)
		}
	}
}

func TestSizesAreReadInBothCountings(t *testing.T) {
	for text, want := range map[string]int64{"512MB": 512e6, "1GiB": 1 << 30, "1.5 GB": 15e8, "64M": 64e6, "64Mi": 64 << 20, "100000000": 1e8} {
		var s size
		if err := s.UnmarshalText([]byte(text)); err != nil || s.bytes != want {
			t.Errorf("%q is %d (%v), not %d", text, s.bytes, err, want)
		}
	}
}

func TestCommandLineIsSplitByTheDocumentedRule(t *testing.T) {
	for line, want := range map[string][]string{
		"":                        nil,
		"  /app  migrate\t--all ": {"/app", "migrate", "--all"},
		`say 'a b' "c d" e\ f`:    {"say", "a b", "c d", "e f"},
		`say "a \"b\" \\ \n" ''`:  {"say", `a "b" \ \n`, ""},
		`a'b'"c"`:                 {"abc"},
		`psql 'a;b|c $x'`:         {"psql", "a;b|c $x"},
	} {
		got, err := splitArgv(line)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %q (%v), not %q", line, got, err, want)
		}
	}
	for _, line := range []string{"a | b", "a $HOME", "a > b", "a `b`", `a \`, `a "b`, "a & "} {
		if got, err := splitArgv(line); err == nil {
			t.Errorf("%q was taken as %q", line, got)
		}
	}
}

// Whatever the file says, the result is within the limits that the core relies
// on, and an error is one clean line.
func FuzzParseManifest(f *testing.F) {
	full, err := os.ReadFile("testdata/teal.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(full)
	for _, seed := range []string{"instances = 3", "release = 'a \"b c\"'", "[limits]\nmemory = '1GiB'\ncpus = 2", "[probe]\npath = '/x'", "a = [[{", "release = [1979-05-27]"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := parseManifest(text, Manifest{Settings: deploy.DefaultSettings()})
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("error is not one clean line: %q", err)
			}
			return
		}
		s := m.Settings
		if s.Instances < 1 || s.Instances > deploy.MaxInstances || s.CPUs <= 0 || s.Memory < 16<<20 || s.PIDs < 1 || s.Keep < 0 ||
			s.BuildTimeout <= 0 || s.ProbeInterval <= 0 || s.ProbeTimeout <= 0 || s.StartTimeout <= 0 || s.Grace < 0 || s.Drain < 0 || s.Stop < 0 ||
			!strings.HasPrefix(s.ProbePath, "/") || strings.HasPrefix(m.Dockerfile, "..") || strings.HasPrefix(m.Dockerfile, "/") {
			t.Errorf("out of limits: %+v", m)
		}
	})
}
