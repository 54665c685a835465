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

// javaHome is where the official images have Java.
const javaHome = "/opt/java/openjdk"

// javaOver takes Java and Maven from the official images, which are Ubuntu's: what
// an app needs beside them comes from Debian. Java trusts whom the machine trusts.
func javaOver(o official) []string {
	lines := []string{
		installing(o.prefix, "fontconfig", "p11-kit", "tzdata"),
		"COPY --from=official " + javaHome + " " + javaHome,
		"ENV JAVA_HOME=" + javaHome + " LANG=C.UTF-8 PATH=" + javaHome + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		`RUN trust extract --overwrite --format=java-cacerts --filter=ca-anchors --purpose=server-auth "$(find ` + javaHome + ` -name cacerts)"`,
	}
	if !o.build {
		return lines
	}
	// Not where Debian's package has it, which an Aptfile may bring.
	lines = append(lines, "COPY --from=official /usr/share/maven /opt/maven", "RUN ln -s /opt/maven/bin/mvn /usr/local/bin/mvn")
	return append(lines, javaBuildLayers("", "")...)
}

func javaBuildLayers(_, _ string) []string {
	return []string{"RUN " + writing(javaJar, "/usr/local/bin/teal-jar") + " && chmod 755 /usr/local/bin/teal-jar"}
}
