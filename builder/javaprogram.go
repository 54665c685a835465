package builder

import (
	"context"
	"path"
	"regexp"
	"strings"

	"teal/deploy"
)

var (
	pomModule  = regexp.MustCompile(`<module>\s*([^<]+?)\s*</module>`)
	pomParent  = regexp.MustCompile(`<packaging>\s*pom\s*</packaging>`)
	pomWar     = regexp.MustCompile(`<packaging>\s*war\s*</packaging>`)
	pomRuns    = regexp.MustCompile(`<artifactId>\s*(?:spring-boot-maven-plugin|quarkus-maven-plugin|maven-shade-plugin|maven-assembly-plugin)\s*</artifactId>|<mainClass>`)
	pomServes  = regexp.MustCompile(`<artifactId>\s*(?:wildfly(?:-jar|-swarm)?|payara-micro|liberty|tomcat7|thorntail|maven-shade|maven-assembly)(?:-maven)?-plugin\s*</artifactId>`)
	springBoot = regexp.MustCompile(`<artifactId>\s*spring-boot-maven-plugin\s*</artifactId>`)
)

var plainPath = regexp.MustCompile(`^[\w./-]+$`)

// readPom reads the pom.xml of a directory, without its comments.
func readPom(ctx context.Context, t *tree, dir string) (string, error) {
	text, err := t.read(ctx, path.Join(dir, "pom.xml"))
	return xmlComment.ReplaceAllString(string(text), ""), err
}

// javaProgram finds what Maven makes that can be run, and the command that takes
// it out of the build.
func javaProgram(ctx context.Context, t *tree) (take, why string, err error) {
	dir := "."
	pom, err := readPom(ctx, t, dir)
	if err != nil {
		return "", "", err
	}
	if modules := pomModule.FindAllStringSubmatch(pom, -1); len(modules) > 0 && pomParent.MatchString(pom) {
		if dir, pom, err = javaModule(ctx, t, modules); err != nil {
			return "", "", err
		}
	}
	target := path.Join(dir, "target")
	from := target
	if !plainPath.MatchString(target) {
		from = shellWords([]string{target})
	}
	switch war := pomWar.MatchString(pom); {
	case war && springBoot.MatchString(pom): // which is runnable, too
		return "mkdir -p /out && cp " + from + "/*.war /out/app.jar", "start: the runnable war in " + target + "/", nil
	case war && !pomServes.MatchString(pom): // those put a runnable jar beside it
		return "", "", failure(path.Join(dir, "pom.xml")+" packages a war, which runs in an application server",
			"add a Dockerfile that has one, or a Procfile that begins one that Maven has put beside it: web: java -jar target/dependency/webapp-runner.jar --port $PORT target/*.war", nil, nil)
	}
	return "teal-jar " + from + " /out", "start: the runnable jar in " + target + "/", nil
}

// javaModule is the one module that makes a program.
func javaModule(ctx context.Context, t *tree, modules [][]string) (dir, pom string, err error) {
	var all, run []string
	for _, m := range modules {
		in := path.Clean(m[1])
		if !t.has(path.Join(in, "pom.xml")) {
			continue
		}
		text, err := readPom(ctx, t, in)
		if err != nil {
			return "", "", err
		}
		all = append(all, in)
		if pomRuns.MatchString(text) || pomWar.MatchString(text) {
			run, pom = append(run, in), text
		}
	}
	if len(run) == 1 {
		return run[0], pom, nil
	}
	const hint = "say how it starts, in a Procfile: web: java -jar MODULE/target/NAME.jar"
	if len(run) == 0 {
		return "", "", failure("pom.xml has several modules, and none of them says that it makes a program: "+deploy.Clean(strings.Join(all, ", "), 200), hint, nil, nil)
	}
	return "", "", failure("several modules of pom.xml make programs: "+deploy.Clean(strings.Join(run, ", "), 200), hint, nil, nil)
}
