package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"teal/deploy"
)

// Limits on an app's config.
const (
	maxValue = 32 << 10 // bytes of one value
	maxKeys  = 200
)

var configKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

var configRow = command{
	name: "config", usage: "APP …", short: "the environment that the app gets",
	subs: []command{configListRow, configSetRow, configUnsetRow},
}

var configListRow = command{
	name: "list", usage: "APP", scope: oneApp, verb: deploy.VerbConfig, json: true,
	short:    "the keys; values with --show only",
	options:  []option{{name: "show", help: "show the values, secrets too"}},
	examples: []string{"config list shop", "config list shop --show --json"},
	run:      runConfigList,
}

// masked stands for a value that is not shown: always as long, so that it
// tells nothing about the value.
const masked = "********"

type configDocument struct {
	Key   string  `json:"key"`
	Value *string `json:"value,omitempty"`
}

func runConfigList(_ context.Context, j *job) error {
	show := j.flags.on("show")
	docs := []configDocument{}
	for _, key := range slices.Sorted(maps.Keys(j.app.Env)) {
		doc := configDocument{Key: key}
		if value := j.app.Env[key]; show {
			doc.Value = &value
		}
		docs = append(docs, doc)
	}
	if j.flags.on("json") {
		return j.document(map[string]any{"app": j.app.Name, "config": docs})
	}
	if len(docs) == 0 {
		j.say("%s has no config.", j.app.Name)
		j.remark("next: %s", j.Hint.Command("config", "set", string(j.app.Name), "KEY=VALUE"))
		return nil
	}
	width := 0
	for _, d := range docs {
		width = max(width, len(d.Key))
	}
	for _, d := range docs {
		value := masked
		if d.Value != nil {
			value = quoted(*d.Value)
		}
		j.say("%-*s  %s", width, d.Key, value)
	}
	return nil
}

// quoted gives a value as it is when it can be printed so, else as Go would write it.
func quoted(value string) string {
	if value == "" || deploy.Clean(value, maxValue) != value {
		return strconv.QuoteToASCII(value)
	}
	return value
}

var configSetRow = command{
	name: "set", usage: "APP KEY=VALUE … | APP KEY < file", scope: oneApp, verb: deploy.VerbConfig,
	least: 1, most: -1, limit: followTime,
	short: "change values and deploy them, without a build",
	long: "What is live is started again with the new values on the other color, probed and\n" +
		"switched to, under a new release number. A KEY alone takes its value from standard\n" +
		"input, so that a secret stands in no list of processes and no shell history. Quote\n" +
		"twice what has spaces: once for your shell, once for the way through SSH.",
	options: []option{optDetach},
	examples: []string{
		"config set shop LOG_LEVEL=debug", `"config set shop GREETING='hello world'"`,
		"config set shop DATABASE_URL < url.txt",
	},
	run: runConfigSet,
}

func runConfigSet(ctx context.Context, j *job) error {
	set, err := j.pairs(ctx)
	if err != nil {
		return err
	}
	total := maps.Clone(j.app.Env)
	if total == nil {
		total = map[string]string{}
	}
	maps.Copy(total, set)
	if len(total) > maxKeys {
		return j.usage("%s would have %d keys; %d are the most", j.app.Name, len(total), maxKeys)
	}
	if maps.Equal(total, j.app.Env) {
		j.say("%s has these values already; nothing to do.", j.app.Name)
		return nil
	}
	return j.reconfigure(ctx, set, nil)
}

// pairs reads the words of config set: KEY=VALUE, or one KEY whose value is on Stdin.
func (j *job) pairs(ctx context.Context) (map[string]string, error) {
	set := map[string]string{}
	for _, word := range j.words {
		key, value, given := strings.Cut(word, "=")
		if err := checkKey(key); err != nil {
			return nil, j.usage("%s", err)
		}
		if !given && len(j.words) > 1 {
			// Half of a value with spaces, most likely: it must not become a key.
			return nil, j.usage("%q has no value; quote values with spaces twice: %s", deploy.Clean(key, 40),
				j.Hint.Command(fmt.Sprintf(`"config set %s KEY='two words'"`, j.app.Name)))
		}
		if !given {
			j.remark("The value of %s from standard input (a terminal ends it with ctrl-D):", key)
			var err error
			if value, err = j.read(ctx, readValue); err != nil {
				return nil, err
			}
			if value == "" {
				return nil, j.usage("standard input holds no value for %s; an empty one is set with %s, and a key is removed with: %s", key,
					j.Hint.Command("config", "set", string(j.app.Name), key+"="), j.Hint.Command("config", "unset", string(j.app.Name), key))
			}
		}
		if _, twice := set[key]; twice {
			return nil, j.usage("%s stands there twice", key)
		}
		switch {
		case len(value) > maxValue:
			return nil, j.usage("the value of %s is longer than %d KiB", key, maxValue>>10)
		case strings.ContainsRune(value, 0) || !utf8.ValidString(value):
			return nil, j.usage("the value of %s is not text; encode it, for example with base64", key)
		}
		set[key] = value
	}
	return set, nil
}

func checkKey(key string) error {
	switch {
	case !configKey.MatchString(key):
		return fmt.Errorf("%q is not a key: use letters, digits and '_', not beginning with a digit", deploy.Clean(key, 40))
	case key == "PORT":
		return fmt.Errorf("PORT is always %d: the app listens there, and Teal does the rest", deploy.Port)
	}
	return nil
}

// readValue reads all of r; the newline that echo and editors put at the end
// is not part of the value.
func readValue(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxValue+3))
	s := strings.TrimSuffix(string(b), "\n")
	return strings.TrimSuffix(s, "\r"), err
}

var configUnsetRow = command{
	name: "unset", usage: "APP KEY …", scope: oneApp, verb: deploy.VerbConfig,
	least: 1, most: -1, limit: followTime,
	short:    "remove keys and deploy that, without a build",
	options:  []option{optDetach},
	examples: []string{"config unset shop LOG_LEVEL"},
	run:      runConfigUnset,
}

func runConfigUnset(ctx context.Context, j *job) error {
	for _, key := range j.words {
		if _, ok := j.app.Env[key]; !ok {
			return trouble(ExitNotFound, fmt.Sprintf("%s has no key %s; nothing was changed", j.app.Name, deploy.Clean(key, 40)),
				j.Hint.Command("config", "list", string(j.app.Name)))
		}
	}
	return j.reconfigure(ctx, nil, j.words)
}

// reconfigure stores the change and deploys it, and tells how both went.
func (j *job) reconfigure(ctx context.Context, set map[string]string, unset []string) error {
	name := string(j.app.Name)
	change, cancel := lasting(ctx)
	defer cancel()
	app, err := j.Store.SetEnv(change, j.app.Name, set, unset)
	if err != nil {
		return err
	}
	j.say("Stored. %s has %s now.", name, count(len(app.Env), "key"))
	d, err := j.Engine.Reconfigure(change, j.app.Name, j.user.Name)
	switch {
	case errors.Is(err, deploy.ErrNothing):
		j.say("Nothing is live yet; the next push takes it along.")
		return nil
	case err != nil:
		p := *j.explain(j, err)
		p.what = "the config is stored but not deployed: " + p.what
		p.next = "when that is over: " + j.Hint.Command("redeploy", name)
		return &p
	}
	return j.see(ctx, d, 0)
}
