package builder

import (
	"context"
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"teal/deploy"
)

// composerJSON is what Teal reads of a composer.json.
type composerJSON struct {
	Require jsonTexts      `json:"require"`
	Provide jsonTexts      `json:"provide"`
	Replace jsonTexts      `json:"replace"`
	Scripts map[string]any `json:"scripts"`
	Config  struct {
		Platform jsonTexts `json:"platform"`
	} `json:"config"`
}

// detectPHP takes a tree with a composer.json or an index.php: Apache serves it,
// with what .htaccess says.
func detectPHP(ctx context.Context, t *tree) (*plan, error) {
	root := phpRoot(t)
	found := firstOf([]string{"composer.json", path.Join(root, "index.php")}, t.has)
	if found == "" {
		return nil, nil
	}
	text, err := t.readSmall(ctx, "composer.json")
	if err != nil {
		return nil, err
	}
	var composer composerJSON
	if text != "" {
		if err := json.Unmarshal([]byte(text), &composer); err != nil {
			return nil, failure("composer.json cannot be read: "+deploy.Clean(err.Error(), 200), "correct it, commit and push again", nil, err)
		}
	}
	asks, err := phpAsks(ctx, t, composer)
	if err != nil {
		return nil, err
	}
	version, err := t.version("php", asks)
	if err != nil {
		return nil, err
	}
	serve, err := phpServer(t, root)
	if err != nil {
		return nil, err
	}
	p := &plan{kind: "php", what: "PHP " + version.line + ": " + found + " found", on: stackPrefix + "php:" + version.line}
	packages, why, warn := phpPackagesOf(t, composer)
	p.why = present("PHP: "+found+" found, and no Dockerfile", version.why, why, serve.why)
	p.warn = present(version.warn, warn, serve.warn)
	locked, err := phpLocked(ctx, t, composer)
	if err != nil {
		return nil, err
	}
	extensions := phpExtensions(append(locked, composer.Require)...)
	if len(extensions) > 0 {
		p.why = append(p.why, "extensions: "+strings.Join(extensions, " ")+", which composer.json requires, or a package")
	}
	env := ""
	if symfony := composer.Require["symfony/framework-bundle"] != ""; symfony {
		env = " APP_ENV=prod APP_DEBUG=0"
		p.why = append(p.why, "Symfony: APP_ENV is prod, where config set says nothing else")
		if composer.Require["symfony/asset-mapper"] != "" && !strings.Contains(text, "asset-map:compile") {
			p.warn = append(p.warn, `nothing compiles the files of symfony/asset-mapper, and pages do not get them: add "asset-map:compile": "symfony-cmd" to auto-scripts in composer.json`)
		}
	}
	made, err := findAssets(ctx, t)
	if err != nil {
		return nil, err
	}
	p.take(made)
	p.omit = made.omit()
	if len(t.apt)+len(extensions) == 0 {
		p.paths = []string{"/app"}
	}
	p.dockerfile = phpDockerfile(version.line, serve, made, packages, env, t.apt, extensions, t.buildArgs())
	return p, nil
}

// phpAsks finds the version that the app asks for.
func phpAsks(ctx context.Context, t *tree, c composerJSON) (wish, error) {
	if v := c.Config.Platform["php"]; v != "" {
		return wish{v, "config.platform.php in composer.json"}, nil
	}
	if v := c.Require["php"]; v != "" {
		return wish{v, "require.php in composer.json"}, nil
	}
	text, err := t.readSmall(ctx, ".php-version")
	if err != nil {
		return wish{}, err
	}
	if v := versionIn(text); v != "" {
		return wish{v, ".php-version"}, nil
	}
	return t.toolVersion(ctx, "php")
}

// phpPackagesOf finds out how packages are installed; "" for not at all.
func phpPackagesOf(t *tree, c composerJSON) (command, why, warn string) {
	needs := false
	for name := range c.Require {
		needs = needs || strings.Contains(name, "/")
	}
	switch {
	case t.has("vendor/autoload.php"):
		return "", "packages: those in vendor/, nothing is fetched", ""
	case !needs && len(c.Scripts) == 0:
		return "", "", ""
	case t.has("composer.lock"):
		why = "packages: composer, exactly those of composer.lock"
	default:
		why = "packages: composer"
		warn = "there is no composer.lock: every build may get other versions of its packages. Run composer update and commit the file"
	}
	return "composer install --no-dev --no-interaction --prefer-dist --optimize-autoloader --no-progress", why, warn
}

var phpBundled = regexp.MustCompile(`^ext-(core|random|ctype|curl|date|dom|fileinfo|filter|ftp|hash|iconv|json|libxml|mbstring|mysqli|openssl|pcre|pdo|pdo_mysql|pdo_pgsql|pdo_sqlite|pgsql|phar|posix|reflection|session|simplexml|sockets|sodium|spl|sqlite3|standard|tokenizer|xml|xmlreader|xmlwriter|zip|zlib|bcmath|opcache|zend-opcache|exif|gettext|pcntl|calendar)$`)

// phpExtensions are the extensions that are required and that the image does not have.
func phpExtensions(required ...map[string]string) []string {
	var extensions []string
	for _, r := range required {
		for name := range r {
			if ext, ok := strings.CutPrefix(strings.ToLower(name), "ext-"); ok && !phpBundled.MatchString("ext-"+ext) && debianPackage.MatchString("php-"+ext) {
				extensions = append(extensions, ext)
			}
		}
	}
	slices.Sort(extensions)
	return slices.Compact(extensions)
}

// phpLocked is what the packages of composer.lock require themselves, and none of
// the packages, nor the app, says that it stands in for.
func phpLocked(ctx context.Context, t *tree, composer composerJSON) (required []map[string]string, err error) {
	if !t.has("composer.lock") || t.has("vendor/autoload.php") || t.files["composer.lock"].Size > maxSourceFile {
		return nil, nil
	}
	text, err := t.read(ctx, "composer.lock")
	if err != nil {
		return nil, err
	}
	var lock struct {
		Packages []struct {
			Require jsonTexts `json:"require"`
			Provide jsonTexts `json:"provide"`
			Replace jsonTexts `json:"replace"`
		} `json:"packages"`
	}
	if json.Unmarshal(text, &lock) != nil {
		return nil, nil // Composer says what is wrong with it
	}
	// Debian's PHP has these, and no packages of that name.
	there := jsonTexts{"ext-ffi": "", "ext-shmop": "", "ext-sysvmsg": "", "ext-sysvsem": "", "ext-sysvshm": ""}
	for _, names := range []jsonTexts{composer.Provide, composer.Replace, composer.Config.Platform} {
		maps.Copy(there, names)
	}
	for _, p := range lock.Packages {
		maps.Copy(there, p.Provide)
		maps.Copy(there, p.Replace)
	}
	for _, p := range lock.Packages {
		maps.DeleteFunc(p.Require, func(name, _ string) bool { _, stood := there[name]; return stood })
		required = append(required, p.Require)
	}
	return required, nil
}

// extensions installs them, in the way of the image below.
func (d *dockerfile) extensions(names []string) {
	if len(names) == 0 {
		return
	}
	d.add(withApt(stackPrefix, "if command -v teal-php-ext >/dev/null; then teal-php-ext "+strings.Join(names, " ")+"; else /apt/install php-"+strings.Join(names, " php-")+"; fi"))
}

func phpDockerfile(line string, serve phpServing, made *assets, packages, env string, apt, extensions, args []string) string {
	on := stackPrefix + "php:" + line
	var d dockerfile
	made.stage(&d)
	if packages != "" {
		d.add("FROM " + on + "-build AS build")
		d.install(apt)
		d.extensions(extensions)
		d.add("ENV COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_CACHE_DIR=/root/.cache/composer"+env, made.copy(""))
		d.args(args)
		d.cached("composer", "/root/.cache/composer", packages)
		d.add("")
	}
	d.add("FROM " + on)
	d.install(apt)
	d.extensions(extensions)
	if packages != "" {
		d.add("COPY --from=build --chown=65532:65532 /app /app")
	} else {
		d.add(made.copy("--chown=65532:65532 "))
	}
	// SIGWINCH has Apache answer what is under way before it ends.
	d.add("STOPSIGNAL " + serve.stop)
	d.run("ENV DOCUMENT_ROOT="+path.Join("/app", serve.root)+env, serve.argv)
	return d.String()
}
