package commands

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"teal/deploy"
)

var secretsRow = command{
	name: "build-secrets", usage: "APP …", short: "what builds may use and images never hold",
	subs: []command{secretsListRow, secretsSetRow, secretsUnsetRow},
}

var secretsListRow = command{
	name: "list", usage: "APP", scope: oneApp, verb: deploy.VerbConfig, json: true,
	short:    "the names; values are not shown",
	examples: []string{"build-secrets list shop"},
	run:      runSecretsList,
}

func runSecretsList(_ context.Context, j *job) error {
	names := slices.Sorted(maps.Keys(j.app.BuildSecrets))
	if j.flags.on("json") {
		return j.document(map[string]any{"app": j.app.Name, "build_secrets": append([]string{}, names...)})
	}
	if len(names) == 0 {
		j.say("%s has no build secrets.", j.app.Name)
		j.remark("next: %s", j.Hint.Command("build-secrets", "set", string(j.app.Name), "NPM_TOKEN", "< token.txt"))
		return nil
	}
	for _, name := range names {
		j.say("%s", name)
	}
	return nil
}

var secretsSetRow = command{
	name: "set", usage: "APP NAME < file | APP NAME=VALUE …", scope: oneApp, verb: deploy.VerbConfig,
	least: 1, most: -1,
	short: "store build secrets; the next build can use them",
	long: "A Dockerfile uses one with RUN --mount=type=secret,id=NAME …, which shows it as the\n" +
		"file /run/secrets/NAME during that step only. A NAME alone takes its value from\n" +
		"standard input, so that it stands in no list of processes and no shell history.",
	examples: []string{"build-secrets set shop NPM_TOKEN < token.txt"},
	run:      runSecretsSet,
}

func runSecretsSet(ctx context.Context, j *job) error {
	set, err := j.pairs(ctx)
	if err != nil {
		return err
	}
	if len(j.app.BuildSecrets)+len(set) > maxKeys {
		return j.usage("%s would have more than %d build secrets", j.app.Name, maxKeys)
	}
	return j.storeSecrets(ctx, set, nil)
}

var secretsUnsetRow = command{
	name: "unset", usage: "APP NAME …", scope: oneApp, verb: deploy.VerbConfig,
	least: 1, most: -1,
	short:    "remove build secrets",
	examples: []string{"build-secrets unset shop NPM_TOKEN"},
	run:      runSecretsUnset,
}

func runSecretsUnset(ctx context.Context, j *job) error {
	for _, name := range j.words {
		if _, ok := j.app.BuildSecrets[name]; !ok {
			return trouble(ExitNotFound, fmt.Sprintf("%s has no build secret %s; nothing was changed", j.app.Name, deploy.Clean(name, 40)),
				j.Hint.Command("build-secrets", "list", string(j.app.Name)))
		}
	}
	return j.storeSecrets(ctx, nil, j.words)
}

func (j *job) storeSecrets(ctx context.Context, set map[string]string, unset []string) error {
	change, cancel := lasting(ctx)
	defer cancel()
	app, err := j.Store.SetBuildSecrets(change, j.app.Name, set, unset)
	if err != nil {
		return err
	}
	j.say("Stored. %s has %s now; the next build goes by that.", j.app.Name, count(len(app.BuildSecrets), "build secret"))
	return nil
}
