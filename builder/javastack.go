package builder

import _ "embed"

// Java apps are built by Maven. Where no container registry answers both are
// Debian's; where Maven's own one is out of reach either, libraries and plugins
// are: Debian has many as packages, laid out as Maven's local repository.

// javaRepository is where Debian's packages put artifacts.
const javaRepository = "/usr/share/maven-repo"

var javaBuildPackages = []string{"openjdk-17-jdk-headless", "maven"}

// javaJar finds what Maven made that runs.
//
//go:embed stackjava/teal-jar
var javaJar string

func javaBuildLayers(_, _ string) []string {
	return []string{"RUN " + writing(javaJar, "/usr/local/bin/teal-jar") + " && chmod 755 /usr/local/bin/teal-jar"}
}
