package commands

import (
	"context"
	"errors"
	"fmt"

	"teal/deploy"
)

var sbomRow = command{
	name: "sbom", usage: "APP [vN]", scope: oneApp, verb: deploy.VerbView, most: 1, json: true, limit: undoTime,
	short: "the packages that a release consists of, also as SPDX or CycloneDX",
	long: "Of the release that serves, or of another one. The list is read from the image\n" +
		"without running it: packages of Debian, Alpine and rpm, modules of Go programs, what\n" +
		"npm, pnpm, yarn, pip, Bundler and Composer installed, libraries in jars, and crates\n" +
		"of programs built by cargo auditable. What could not be told is said.",
	options: []option{
		{name: "spdx", help: "print an SPDX 2.3 document (JSON)"},
		{name: "cyclonedx", help: "print a CycloneDX 1.5 document (JSON)"},
	},
	examples: []string{"sbom shop", "sbom shop v12 --spdx > shop.spdx.json"},
	run:      runSBOM,
}

func runSBOM(ctx context.Context, j *job) error {
	spdx, cyclone := j.flags.on("spdx"), j.flags.on("cyclonedx")
	if spdx && cyclone || (spdx || cyclone) && j.flags.on("json") {
		return j.usage("--spdx, --cyclonedx and --json are three documents: ask for one")
	}
	number := 0
	if len(j.words) > 0 {
		var err error
		if number, err = parseNumber(j.words[0], "v"); err != nil {
			return j.usage("a release is written v12, not %q", deploy.Clean(j.words[0], 40))
		}
	}
	r, list, err := j.Engine.Inventory(ctx, j.app.Name, number)
	switch {
	case errors.Is(err, deploy.ErrNotFound) && number != 0:
		return trouble(ExitNotFound, fmt.Sprintf("%s has no release %s", j.app.Name, deploy.ReleaseName(number)), j.Hint.Command("releases", string(j.app.Name)))
	case err != nil:
		return because(err, deploy.ErrNothing, ExitFailed, err.Error(), j.Hint.Command("releases", string(j.app.Name)))
	}
	switch {
	case j.flags.on("json"):
		return j.document(map[string]any{
			"app": j.app.Name, "release": r.Number, "image": r.Image, "system": list.System,
			"packages": append([]deploy.Package{}, list.Packages...), "unknown": append([]string{}, list.Unknown...),
		})
	case spdx:
		return j.standard("spdx", r, list)
	case cyclone:
		return j.standard("cyclonedx", r, list)
	}
	j.packages(r, list)
	return nil
}

// standard prints a document of a format that other tools read.
func (j *job) standard(format string, r deploy.Release, list deploy.Inventory) error {
	if j.SBOM == nil {
		return trouble(ExitFailed, "this Teal writes no such documents", j.Hint.Command("sbom", string(r.App), "--json"))
	}
	text, err := j.SBOM(format, r, list)
	if err != nil {
		return err
	}
	_, err = j.Stdout.Write(text)
	return err
}

// packages lists them for a person.
func (j *job) packages(r deploy.Release, list deploy.Inventory) {
	system := list.System
	if system == "" {
		system = "no operating system"
	}
	j.say("%s of %s: %s, %d packages", r.Name(), r.App, deploy.Clean(system, 100), len(list.Packages))
	for _, line := range list.Unknown {
		j.say("Cannot tell: %s", deploy.Clean(line, 200))
	}
	if len(list.Packages) == 0 {
		return
	}
	j.say("")
	t := j.rows("KIND", "PACKAGE", "VERSION", "ARCH")
	for _, p := range list.Packages {
		t.add(string(p.Kind), p.Name, p.Version, p.Arch)
	}
	t.end()
}
