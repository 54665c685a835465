package builder

import (
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// Dokku keeps the files that scripts.dokku.predeploy writes: they become part of
// the image. Here a release command writes into a container of its own, which goes.
// So what plainly makes files, a build of assets, is done where the image is
// built, and everything else, a migration say, is a release command.

// assetBuild is a line that does nothing but build assets.
var assetBuild = regexp.MustCompile(`^(?:(?:npm|yarn|pnpm|bun)(?: run)? ((?:build|assets|bundle)(?:[:_.-][\w:.-]+)?|[\w:.-]+:build)|(?:bundle exec )?(?:\S*bin/)?(?:rails|rake) (assets:precompile)|python3? (?:\./)?manage\.py (collectstatic)(?: --no-?input| -c| --clear)*)$`)

// parts parts a line of commands that run one after the other, where each can
// stand by itself.
func parts(line string) []string {
	all := strings.Split(line, "&&")
	for i, part := range all {
		if all[i] = strings.TrimSpace(part); !oneCommand(all[i]) || all[i] == "" {
			return []string{line}
		}
	}
	return all
}

// assetScript is the script of package.json that the line builds assets with; "".
func assetScript(line string) string {
	if m := assetBuild.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	return ""
}

// takeBuilds tells a tree what of predeploy its build should do.
func (d *declared) takeBuilds(t *tree) {
	for _, line := range d.predeploy {
		if assetBuild.MatchString(line) {
			t.predeploy = append(t.predeploy, line)
		}
	}
}

// leaveToBuild takes out of predeploy what the Dockerfile does.
func (d *declared) leaveToBuild(dockerfile string) {
	d.predeploy = slices.DeleteFunc(d.predeploy, func(line string) bool {
		m := assetBuild.FindStringSubmatch(line)
		if m == nil {
			return false
		}
		does := regexp.MustCompile(`(?m)^RUN .*` + regexp.QuoteMeta(m[2]+m[3]) + `\b`)
		if m[1] != "" {
			does = regexp.MustCompile(`(?m)^RUN .*(npm|yarn|pnpm|bun) run ` + regexp.QuoteMeta(m[1]) + `( |$)`)
		}
		if !does.MatchString(dockerfile) {
			return false
		}
		d.note("app.json: scripts.dokku.predeploy: %s is done in the build, so that its files are in the image", deploy.Clean(line, 120))
		return true
	})
}

// predeployed makes what is left of predeploy the first of the release commands,
// and says what that means for files.
func (d *declared) predeployed(replaced bool) {
	if replaced && len(d.predeploy) > 0 {
		d.note("warning: app.json: scripts.dokku.predeploy is not run: teal.toml has a release command")
		return
	}
	for _, line := range d.predeploy {
		d.note("app.json: before the release is live: %s", deploy.Clean(line, 120))
		if assetBuild.MatchString(line) || lineRuns(line) != byHand {
			d.note("warning: files that %s writes are not kept: scripts.dokku.predeploy runs in a container of its own. What makes files belongs into the build: scripts.build in package.json, or RUN in a Dockerfile (teal eject writes one); uploads and the like into [volumes]",
				deploy.Clean(line, 80))
		}
	}
	d.release = append(slices.Clone(d.predeploy), d.release...)
}
