package builder

import (
	"strings"
	"testing"
)

func TestWarningsNameWhatWillBeMissed(t *testing.T) {
	for _, c := range []struct {
		name   string
		source fsSource
		say    string // "": nothing
	}{
		{"pages beside Gradle", files("build.gradle", "", "vite.config.js", "", "package.json", `{"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}}`), "build.gradle is Gradle's, which needs a Dockerfile: of Java, Teal builds what Maven does. Nothing of it is built here"},
		{"Procfile beside Gradle", files("build.gradle.kts", "", "Procfile", "web: java -jar build/libs/app.jar\n"), "Nothing of it is built here"},
		{"Node with native code", files("CMakeLists.txt", "", "package.json", "{}", "index.js", ""), ""},
		{"WebSockets without a server", files("manage.py", "", "requirements.txt", "django==5\ngunicorn==22\nchannels==4\n", "a/settings.py", "ASGI_APPLICATION = 'a.asgi.application'\nWSGI_APPLICATION = 'a.wsgi.application'\n"), "no server that answers its WebSockets"},
		{"Symfony's files for pages", files("composer.json", `{"require":{"symfony/framework-bundle":"7.*","symfony/asset-mapper":"7.*"}}`, "composer.lock", "{}", "public/index.php", ""), "nothing compiles the files of symfony/asset-mapper"},
		{"pictures", files("Gemfile", "gem 'rails'\ngem 'image_processing'\n", "Gemfile.lock", ""), "image_processing calls libvips or ImageMagick"},
		{"pictures with Debian's library", files("Gemfile", "gem 'rails'\ngem 'image_processing'\n", "Gemfile.lock", "\n", "Aptfile", "libvips42\n"), ""},
	} {
		p, err := detect(t.Context(), declaredTree(t, c.source))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if said := strings.Join(p.warn, "\n"); c.say == "" && said != "" || !strings.Contains(said, c.say) {
			t.Errorf("%s: warnings are %q", c.name, said)
		}
	}
}
