package builder

import (
	"context"
	"slices"

	"teal/deploy"
)

// assets are what browsers get of an app in another language, which a package.json
// beside it builds: Laravel's with Vite, Django's with webpack, and the like. They
// are built in a stage of their own, and the tree comes from there.
type assets struct {
	node *nodeApp
	why  []string
	warn []string
}

// bundlers tell that a build script makes files for browsers.
var bundlers = []string{
	"vite", "laravel-vite-plugin", "laravel-mix", "webpack", "webpack-cli", "@symfony/webpack-encore", "esbuild", "rollup", "parcel", "gulp", "sass",
	"tailwindcss", "@tailwindcss/cli", "postcss-cli", "less", "svelte", "react-scripts",
}

// findAssets finds them; nil: there are none. What else a package.json may be
// there for is not known, so it is left alone.
func findAssets(ctx context.Context, t *tree) (*assets, error) {
	if !t.has("package.json") || t.kind == "node" {
		return nil, nil
	}
	a, err := readNode(ctx, t, "assets")
	if err != nil {
		return nil, err
	}
	bundler := firstOf(bundlers, a.pkg.needs)
	if a.build == "" || bundler == "" {
		return nil, nil
	}
	version, err := a.choose(ctx)
	if err != nil {
		return nil, err
	}
	missing, err := a.missingPageArgs(ctx)
	if err != nil {
		return nil, err
	}
	return &assets{
		node: a,
		why: append([]string{
			"for browsers: " + bundler + " in package.json, built by scripts." + a.build + ", " + deploy.Clean(a.pkg.Scripts[a.build], 100),
			version.why, a.manager.why,
		}, sayTokens(a.tokens)...),
		warn: present(version.warn, a.manager.warn, missing),
	}, nil
}

// stage writes the stage that builds them. Nothing of Node's is left in it.
func (a *assets) stage(d *dockerfile) {
	if a == nil {
		return
	}
	a.node.prepare(d)
	a.node.packages(d, a.node.manager.install)
	a.node.sources(d)
	d.add("RUN "+a.node.run(a.node.build)+" && rm -rf node_modules", "")
}

// copy is the instruction that lays the app's tree down.
func (a *assets) copy(flags string) string {
	if a == nil {
		return "COPY " + flags + ". ."
	}
	return "COPY --from=assets " + flags + "/app ."
}

// omit are files that are not sent: packages that somebody committed are for his machine.
func (a *assets) omit(others ...string) []string {
	if a == nil {
		return others
	}
	return append(slices.Clone(others), "node_modules")
}
