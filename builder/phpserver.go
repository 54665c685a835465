package builder

import (
	"path"
	"strings"

	"teal/deploy"
)

// phpServing is what answers requests.
type phpServing struct {
	root string // the directory that Apache serves
	argv []string
	stop string // the signal to end it with
	why  string
	warn string
}

// phpRoots are the directories that frameworks serve, the usual ones first.
var phpRoots = []string{"public", "web", "webroot", "public_html", "htdocs", "www", "html", "pub", "docroot"}

// phpRoot is the one with an index.php; "." for none.
func phpRoot(t *tree) string {
	for _, dir := range phpRoots {
		if t.has(dir + "/index.php") {
			return dir
		}
	}
	return "."
}

// phpServer finds what answers: a declared command of the app's own, or Apache
// with the directory that a command of Heroku's names, or that has the index.
func phpServer(t *tree, root string) (phpServing, error) {
	heroku, dir, options := herokuPHP(t.web)
	if t.web != "" && !heroku {
		argv := commandOf(t.web)
		return phpServing{root: root, argv: argv, stop: "SIGTERM", why: "start: the declared web process, " + deploy.Clean(strings.Join(argv, " "), 120)}, nil
	}
	s := phpServing{root: root, argv: []string{"apache2", "-DFOREGROUND", "-f", "/etc/teal/apache.conf"}, stop: "SIGWINCH"}
	if dir != "" {
		s.root = path.Clean(dir)
	}
	if len(options) > 0 {
		s.warn = "of the Procfile's web, " + deploy.Clean(strings.Join(options, " "), 80) + " is not used: Teal's own Apache serves, as .htaccess says"
	}
	if !heroku && !t.has(path.Join(s.root, "index.php")) && !t.has(path.Join(s.root, "index.html")) {
		return s, failure("composer.json found, but no index.php: neither at the root nor in "+strings.Join(phpRoots, ", "),
			"add one, or a Procfile that names the directory with the pages, web: heroku-php-apache2 DIRECTORY, or any other command", nil, nil)
	}
	s.why = "directory " + s.root + " is served by Apache, .htaccess is honored"
	return s, nil
}

// herokuPHP reads how Procfiles start a web server of Heroku's: its directory
// counts, its options are about configuration that is not here.
func herokuPHP(line string) (is bool, dir string, options []string) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return false, "", nil
	}
	switch strings.TrimPrefix(strings.TrimPrefix(words[0], "./"), "vendor/bin/") {
	case "heroku-php-apache2", "heroku-php-nginx":
	default:
		return false, "", nil
	}
	for i := 1; i < len(words); i++ {
		w := words[i]
		switch {
		case !strings.HasPrefix(w, "-"):
			dir = strings.Trim(w, "/")
		case len(w) == 2 && strings.Contains("CcFfIiltu", w[1:]) && i+1 < len(words):
			options = append(options, w, words[i+1])
			i++
		default:
			options = append(options, w)
		}
	}
	if dir != "" {
		if _, err := repoPath(dir); err != nil {
			dir = ""
		}
	}
	return true, dir, options
}
