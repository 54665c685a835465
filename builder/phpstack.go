package builder

import (
	_ "embed"
	"strings"
)

// phpPackages are what most PHP apps count on.
var phpPackages = []string{
	"apache2", "libapache2-mod-php8.2", "php8.2-cli", "php8.2-opcache", "php8.2-mbstring", "php8.2-xml",
	"php8.2-curl", "php8.2-zip", "php8.2-sqlite3", "php8.2-mysql", "php8.2-pgsql", "php8.2-bcmath", "tzdata",
}

// apacheConf serves DOCUMENT_ROOT on port 8080 as a user without rights: its own
// files lie in /tmp, its logs go to the container's.
const apacheConf = `ServerName localhost
Listen 8080
PidFile /tmp/apache2.pid
DefaultRuntimeDir /tmp
Mutex file:/tmp default
IncludeOptional /etc/apache2/mods-enabled/*.load
<IfModule !mpm_prefork_module>
  LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
</IfModule>
<IfModule !rewrite_module>
  LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
</IfModule>
<IfModule !headers_module>
  LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
</IfModule>
<IfModule !remoteip_module>
  LoadModule remoteip_module /usr/lib/apache2/modules/mod_remoteip.so
</IfModule>
TypesConfig /etc/mime.types
ErrorLog /proc/self/fd/2
LogFormat "%a \"%r\" %>s %B %{ms}T ms" short
CustomLog /proc/self/fd/1 short
ServerTokens Prod
ServerSignature Off
TraceEnable Off
GracefulShutdownTimeout 30
StartServers 2
MinSpareServers 1
MaxSpareServers 4
MaxRequestWorkers 30
MaxConnectionsPerChild 1000
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16
SetEnvIf X-Forwarded-Proto ^https$ HTTPS=on
DocumentRoot ${DOCUMENT_ROOT}
DirectoryIndex index.php index.html
<Directory />
  Require all denied
</Directory>
<Directory ${DOCUMENT_ROOT}>
  AllowOverride All
  Options FollowSymLinks
  Require all granted
</Directory>
<FilesMatch "\.php$">
  SetHandler application/x-httpd-php
</FilesMatch>
<FilesMatch "^\.|^(Procfile|Aptfile|CHECKS|teal\.toml|app\.json|composer\.(json|lock))$">
  Require all denied
</FilesMatch>
`

const phpIni = `expose_php = Off
display_errors = stderr
log_errors = On
error_log = /proc/self/fd/2
variables_order = EGPCS
post_max_size = 32M
upload_max_filesize = 32M
opcache.validate_timestamps = 0
session.save_path = /tmp
include_path = .:/usr/share/php:/usr/local/lib/php
`

// phpLayers lays the configuration of Apache and PHP down.
func phpLayers(_, _ string) []string {
	return []string{
		"RUN mkdir -p /etc/teal && " + writing(apacheConf, "/etc/teal/apache.conf") + " && \\\n" +
			"    for dir in /etc/php/*/apache2/conf.d /usr/local/etc/php/conf.d; do if [ -d $dir ]; then " + writing(phpIni, "$dir/90-teal.ini") + "; fi; done && \\\n" +
			"    command -v a2dismod >/dev/null && a2dismod -q mpm_event >/dev/null; rm -f /etc/apache2/mods-enabled/mpm_event.load",
	}
}

// phpExt has further extensions in the official images.
//
//go:embed stackphp/teal-php-ext
var phpExt string

// composerImage is where Composer comes from beside the official images.
const composerImage = "composer:2"

// phpOver gives the official images, which have what PHP's source has by default,
// the extensions that Debian's packages have: see phpPackages and phpBundled.
func phpOver(o official) []string {
	packages := []string{"libpq-dev", "libzip-dev", "tzdata"}
	if o.build {
		packages = append(packages, "git", "unzip")
	}
	lines := []string{
		installing(o.prefix, packages...),
		`RUN docker-php-ext-install -j "$(nproc)" bcmath calendar exif gettext mysqli pcntl pdo_mysql pdo_pgsql pgsql sockets zip && docker-php-ext-enable opcache`,
		"RUN " + writing(phpExt, "/usr/local/bin/teal-php-ext") + " && chmod 755 /usr/local/bin/teal-php-ext",
	}
	if o.build {
		lines = append(lines, "COPY --from="+composerImage+" /usr/bin/composer /usr/local/bin/composer")
	}
	return append(lines, phpLayers("", "")...)
}

// writing is a shell command that writes the text to a file. Old Engines know no heredocs.
func writing(text, file string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, "'"+strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "'", `'\''`)+"'")
	}
	return `printf '%s\n' ` + strings.Join(lines, " ") + " >" + file
}
