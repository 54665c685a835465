package builder

import (
	"fmt"
	"regexp"
	"strings"

	"teal/deploy"
)

// failure makes the Failure of a build whose app's own files are at fault.
func failure(reason, hint string, log []string, err error) *deploy.Failure {
	return classed("", reason, hint, log, err)
}

// classed is failure with a class narrower than "build".
func classed(class deploy.Class, reason, hint string, log []string, err error) *deploy.Failure {
	return &deploy.Failure{Step: deploy.StepBuild, Class: class, Reason: reason, Hint: hint, Log: log, Err: err}
}

// wrappings are what BuildKit and its callers put before the words that matter.
var wrappings = regexp.MustCompile(`^(failed to solve(: | with frontend [^:]+: )|failed to build LLB: |rpc error: code = \w+ desc = |failed to solve: |process "[^"]*" did not complete successfully: |executor failed running \[.*\]: |runc did not terminate sucessfully: )`)

// unwrapped strips the prefixes from BuildKit's message and makes it one clean line.
func unwrapped(message string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(message), "\n")
	for {
		short := wrappings.ReplaceAllString(line, "")
		if short == line {
			return deploy.Clean(line, 300)
		}
		line = short
	}
}

// cause is one way for a build to fail: how it is recognized, and its words. $1
// and so on are what the pattern's groups matched. The first that matches counts.
type cause struct {
	pattern *regexp.Regexp
	class   deploy.Class
	reason  string
	hint    string
}

// causes are matched against BuildKit's unwrapped message. Engines of several
// years word them differently: each pattern covers 20.10 and 26.
var causes = []cause{
	{
		regexp.MustCompile(`(?i)dockerfile parse error (?:on )?line (\d+): (.*)`),
		deploy.ClassDockerfile,
		"Dockerfile line $1: $2",
		"correct the line, commit and push again",
	},
	{
		regexp.MustCompile(`(?i)dockerfile parse error: (.*)`),
		deploy.ClassDockerfile,
		"Dockerfile: $1",
		"correct the Dockerfile, commit and push again",
	},
	{
		regexp.MustCompile(`(?:failed to reach build target|target stage) "?([\w.-]+)"?`),
		deploy.ClassDockerfile,
		"the Dockerfile has no stage $1, which [build] target in teal.toml names",
		"correct it: FROM … AS $1 begins one",
	},
	{
		regexp.MustCompile(`failed to read dockerfile: .*no such file`),
		deploy.ClassDockerfile,
		"there is no Dockerfile at the path that was asked for",
		"set [build] dockerfile in teal.toml to where it is",
	},
	{
		regexp.MustCompile(`(?:failed to compute cache key|failed to calculate checksum|failed to walk).*?"/?([^"]+)"?:? not found`),
		deploy.ClassBuildFile,
		"a COPY or ADD wants $1, which is not in the commit",
		"commit the file, or look whether .dockerignore leaves it out",
	},
	{
		regexp.MustCompile(`^secret (\S+)(?:: | )not found`),
		deploy.ClassBuildSecret,
		"the build wants the secret $1, which it is not given",
		"store it: build-secrets set APP $1 < file; \"ca\", the bundle of certificate authorities, is always there",
	},
	{
		regexp.MustCompile(`failed to load cache key: .*?([\w.-]+/\S+): (.*)`),
		deploy.ClassBaseImage,
		"$1 cannot be fetched: $2",
		"",
	},
	{
		regexp.MustCompile(`no build stage in current context|dockerfile contains no stages|the Dockerfile \([^)]*\) cannot be empty|file with no instructions`),
		deploy.ClassDockerfile,
		"the Dockerfile has no FROM line",
		"begin it with FROM and a base image: FROM teal/base, or FROM scratch",
	},
}

var (
	exitCode   = regexp.MustCompile(`exit code:? (\d+)`)
	loadImage  = regexp.MustCompile(`^\[[^\]]*internal\] load metadata for (\S+)`)
	loadSyntax = regexp.MustCompile(`^resolve image config for (?:docker-image://)?(\S+)`)
	noShell    = regexp.MustCompile(`"?/bin/sh"?: (?:stat /bin/sh: )?no such file or directory`)
	notFound   = regexp.MustCompile(`^(?:runc run failed: |container_linux\.go:\d+: )?.*exec: "([^"]+)": (?:executable file not found|stat .*no such file)`)
)

// explain turns BuildKit's error, and what the control groups counted, into a
// failure that names the step, and what to do next.
func explain(err *solveError, p *progress, h happened) *deploy.Failure {
	message := unwrapped(err.message)
	failed := p.failed()
	if failed == nil {
		failed = &step{}
	}
	log := failed.tail()
	if m := loadSyntax.FindStringSubmatch(failed.name); m != nil {
		return classed(deploy.ClassBaseImage, fmt.Sprintf("the Dockerfile's \"# syntax=\" line wants %s, which cannot be fetched", familiar(m[1])),
			"remove the line: the Engine's own Dockerfile reader is used then", log, err)
	}
	if m := loadImage.FindStringSubmatch(failed.name); m != nil {
		return classed(deploy.ClassBaseImage, fmt.Sprintf("the base image %s cannot be fetched: %s", familiar(m[1]), lastClause(message)),
			"check its name, and that this server reaches its registry; teal/base and teal/go are there without one", log, err)
	}
	if m := exitCode.FindStringSubmatch(message); m != nil {
		return explainExit(m[1], failed, log, h, err)
	}
	for _, c := range causes {
		if m := c.pattern.FindStringSubmatchIndex(message); m != nil {
			reason := string(c.pattern.ExpandString(nil, c.reason, message, m))
			hint := string(c.pattern.ExpandString(nil, c.hint, message, m))
			return classed(c.class, reason, hint, log, err)
		}
	}
	return failure(message, "", log, err)
}

// command is what the step runs, in quotes.
func (s *step) command() string {
	title := s.title()
	return fmt.Sprintf("'%s'", strings.TrimSpace(strings.TrimPrefix(title, stage(title))))
}

// stage is the "[build 3/4]" that a step's title begins with.
func stage(title string) string {
	if i := strings.Index(title, "] "); i > 0 && title[0] == '[' {
		return title[:i+1]
	}
	return ""
}

// familiar writes an image name as people do.
func familiar(ref string) string {
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, "docker.io/"), "library/")
	return deploy.Clean(ref, 120)
}

// lastClause is the part of a chain of errors that says what really happened.
func lastClause(message string) string {
	parts := strings.Split(message, ": ")
	if len(parts) > 2 {
		parts = parts[len(parts)-2:]
	}
	return strings.Join(parts, ": ")
}
