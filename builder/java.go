package builder

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"teal/deploy"
)

var (
	pomRelease  = regexp.MustCompile(`<(?:maven\.compiler\.(?:release|target|source)|(?:project\.build\.)?java[.-]?[vV]ersion|(?:version\.java|jdk\.version|java\.release)|release|target|source)>\s*(?:1\.)?(\d{1,2})\s*<`)
	xmlComment  = regexp.MustCompile(`(?s)<!--.*?-->`)
	systemProps = regexp.MustCompile(`(?m)^\s*java\.runtime\.version\s*=\s*(?:1\.)?(\d+)`)
	sdkmanJava  = regexp.MustCompile(`(?m)^\s*java\s*=\s*(\d+)`)
	javaNumber  = regexp.MustCompile(`(?:^|-)(?:1\.)?(\d+)`)
)

// detectJava takes a tree with a pom.xml: Maven packages it, and the one
// runnable jar runs.
func detectJava(ctx context.Context, t *tree) (*plan, error) {
	if !t.has("pom.xml") {
		return nil, nil
	}
	asks, err := javaAsks(ctx, t)
	if err != nil {
		return nil, err
	}
	version, err := t.version("java", asks)
	if err != nil {
		return nil, err
	}
	p := &plan{kind: "java", what: "Java " + version.line + ": pom.xml found", on: stackPrefix + "java:" + version.line, omit: []string{"target"}}
	maven, from := mavenOf(t)
	argv, start, take := []string{"java", "-jar", "app.jar"}, "", ""
	if t.web != "" {
		argv = commandOf(t.web)
		start = "start: the declared web process, " + deploy.Clean(strings.Join(argv, " "), 120)
	} else if take, start, err = javaProgram(ctx, t); err != nil {
		return nil, err
	}
	p.why = []string{"Java: pom.xml found, and no Dockerfile", version.why, "packages: " + from, start}
	p.warn = present(version.warn)
	if len(runtimeOfJava(t.apt)) == 0 {
		p.paths = []string{"/app"}
	}
	p.dockerfile = javaDockerfile(t, version.line, maven, take, argv)
	return p, nil
}

// javaAsks finds the version that the app asks for: the one that it is to run
// on, else the one that it is compiled for. The latter is the least that it
// wants, as every newer Java runs it.
func javaAsks(ctx context.Context, t *tree) (wish, error) {
	for _, from := range []struct {
		file    string
		pattern *regexp.Regexp
	}{{"system.properties", systemProps}, {".java-version", javaNumber}, {".sdkmanrc", sdkmanJava}} {
		text, err := t.readSmall(ctx, from.file)
		if err != nil {
			return wish{}, err
		}
		if m := from.pattern.FindStringSubmatch(strings.TrimSpace(text)); m != nil {
			return wish{m[1], from.file}, nil
		}
	}
	if asks, err := t.toolVersion(ctx, "java"); err != nil || asks.constraint != "" {
		if m := javaNumber.FindStringSubmatch(asks.constraint); m != nil { // "temurin-17.0.2+8"
			asks.constraint = m[1]
		}
		return asks, err
	}
	pom, err := readPom(ctx, t, ".")
	if err != nil {
		return wish{}, err
	}
	m := pomRelease.FindStringSubmatch(pom)
	if m == nil {
		return wish{}, nil
	}
	usual, _ := strconv.Atoi(languageOf("java").preferred)
	if n, err := strconv.Atoi(m[1]); err == nil && n <= usual {
		return wish{">=" + m[1], "pom.xml"}, nil
	}
	return wish{m[1], "pom.xml"}, nil
}

// mavenOf is how Maven is called, and where its libraries and plugins come from.
func mavenOf(t *tree) (command, from string) {
	const options = " --batch-mode --no-transfer-progress -DskipTests"
	switch {
	case t.hasDir(".m2/repository"):
		return "mvn --offline -Dmaven.repo.local=/app/.m2/repository" + options, "those in .m2/repository, nothing is fetched"
	case len(runtimeOfJava(t.apt)) < len(t.apt):
		return "/usr/bin/mvn --offline -Dmaven.repo.local=" + javaRepository + options, "Debian's, of the Aptfile, nothing is fetched"
	case t.has("mvnw") && t.has(".mvn/wrapper/maven-wrapper.properties"):
		return "sh ./mvnw" + options, "fetched by the Maven that mvnw names"
	}
	return "mvn" + options, "fetched by Maven"
}

// runtimeOfJava leaves packages of Java libraries out: what the app needs of
// them is in its jar.
func runtimeOfJava(packages []string) []string {
	return slices.DeleteFunc(slices.Clone(packages), func(p string) bool {
		return strings.HasPrefix(p, "lib") && strings.HasSuffix(p, "-java") || strings.HasPrefix(p, "maven")
	})
}

func javaDockerfile(t *tree, line, maven, take string, argv []string) string {
	on := stackPrefix + "java:" + line
	var d dockerfile
	d.add("FROM " + on + "-build AS build")
	build := t.apt
	if len(runtimeOfJava(t.apt)) < len(t.apt) { // Debian's libraries go with Debian's Maven
		build = append([]string{"maven"}, build...)
	}
	d.install(build)
	d.add("COPY . .")
	d.args(t.buildArgs())
	d.cached("maven", "/root/.m2", maven+" package")
	if take != "" {
		d.add("RUN " + take)
	}
	d.add("", "FROM "+on)
	d.install(runtimeOfJava(t.apt))
	if take != "" {
		d.add("COPY --from=build /out ./")
	} else {
		d.add("COPY --from=build --chown=65532:65532 /app /app")
	}
	d.run("ENV JAVA_TOOL_OPTIONS=-XX:MaxRAMPercentage=75", argv)
	return d.String()
}
