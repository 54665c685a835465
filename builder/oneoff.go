package builder

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

// A Procfile has lines for people, too: "console", "seed". Where Procfiles come
// from every process but web begins with no instance at all; here a worker runs
// unless somebody says otherwise. So lines that are plainly none are told apart,
// by their name or by their command: a "db:reset" is not to be run by a push.
//
// The guess leans to workers: one that is not started is missed at once, but so
// is one that a push is refused for, and the log says which line was taken how.

// runs is what a line of a Procfile is there for.
type runs int

const (
	always     runs = iota // a worker
	byHand                 // runs once, when somebody asks for it
	atTerminal             // a person types into it
)

// oneOff is what the line looks like.
func oneOff(name, line string) runs {
	as := nameRuns(name)
	if as == always && !slices.ContainsFunc(nameWords(name), workerWord) {
		as = lineRuns(line)
	}
	return as
}

var (
	terminalNames = []string{"console", "dbconsole", "shell", "bash", "sh", "irb", "pry", "repl", "tinker", "psql"}
	onceNames     = []string{"migrate", "migration", "migrations", "seed", "seeds", "reset", "setup", "test", "tests", "rake"}
	onceBegins    = []string{"migrate", "seed", "reset", "setup"}
	onceWithDB    = []string{"backup", "restore", "dump", "create", "drop", "prepare", "rollback", "upgrade", "init", "push", "schema", "load"} // "db:push"; "db-proxy" is none
	workerNames   = []string{
		"worker", "clock", "scheduler", "sidekiq", "celery", "queue", "beat", "cron", "consumer", "listener", "daemon", "server", "bot", "jobs",
		"resque", "que", "horizon", "poller", "relay", "stream", "sync",
	}
)

// nameWords parts "db-migrate", "db:migrate" and "db_migrate".
func nameWords(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '-' || r == '_' || r == ':' || r == '.' })
}

func workerWord(word string) bool {
	return slices.Contains(workerNames, word) || slices.Contains(workerNames, strings.TrimSuffix(word, "s"))
}

// nameRuns goes by the name alone.
func nameRuns(name string) runs {
	words := nameWords(name)
	if len(words) == 0 {
		return always
	}
	last := words[len(words)-1]
	switch {
	case slices.Contains(terminalNames, last):
		return atTerminal
	case slices.Contains(onceNames, last), slices.Contains(onceBegins, words[0]) && !slices.ContainsFunc(words, workerWord):
		return byHand
	case len(words) > 1 && words[0] == "db" && slices.Contains(onceWithDB, words[1]):
		return byHand
	}
	return always
}

// onceCommands are programs that run once with such arguments.
var onceCommands = map[string]*regexp.Regexp{
	"rails":         regexp.MustCompile(`^(db|db:\S+|assets:\S+|test\S*|\S+:(migrate|seed|reset|setup))( |$)`),
	"rake":          regexp.MustCompile(`^($|(db:\S+|assets:\S+|test\S*|spec|\S+:(migrate|seed|reset|setup))( |$))`),
	"manage.py":     djangoOnce,
	"django-admin":  djangoOnce,
	"flask":         regexp.MustCompile(`^db `),
	"alembic":       regexp.MustCompile(``),
	"artisan":       regexp.MustCompile(`^(migrate|db:|key:generate)`),
	"console":       regexp.MustCompile(`^doctrine:`), // Symfony's; messenger:consume is a worker
	"mix":           regexp.MustCompile(`^ecto\.`),
	"prisma":        regexp.MustCompile(`^(migrate|db|generate)( |$)`),
	"knex":          regexp.MustCompile(`^(--?\S+ )*(migrate|seed)`),
	"sequelize":     regexp.MustCompile(`^(--?\S+ )*db:`),
	"sequelize-cli": regexp.MustCompile(`^(--?\S+ )*db:`),
	"typeorm":       regexp.MustCompile(`(^| )(migration|schema):`),
	"drizzle-kit":   regexp.MustCompile(`^(migrate|push|generate)`),
	"db-migrate":    regexp.MustCompile(``), "node-pg-migrate": regexp.MustCompile(``), "dbmate": regexp.MustCompile(``), "goose": regexp.MustCompile(``),
	"flyway": regexp.MustCompile(``), "liquibase": regexp.MustCompile(``), "diesel": regexp.MustCompile(``), "sqlx": regexp.MustCompile(`^(migrate|database)`),
}

var djangoOnce = regexp.MustCompile(`^(migrate|makemigrations|loaddata|dumpdata|flush|createsuperuser|changepassword|collectstatic|test)( |$)`)

// terminalCommands are programs that a person types into with such arguments.
var terminalCommands = map[string]*regexp.Regexp{
	"rails":     regexp.MustCompile(`^(c|console|dbconsole)( |$)`),
	"manage.py": regexp.MustCompile(`^(shell|shell_plus|dbshell)( |$)`), "django-admin": regexp.MustCompile(`^(shell|dbshell)( |$)`),
	"flask": regexp.MustCompile(`^shell`), "artisan": regexp.MustCompile(`^tinker`), "console": regexp.MustCompile(`^$`),
	"node": regexp.MustCompile(`^($|repl$|-i|--interactive)`), "python": bare, "python3": bare, "bash": bare, "sh": bare, "zsh": bare, "iex": bare,
	"irb": regexp.MustCompile(``), "pry": regexp.MustCompile(``), "ipython": regexp.MustCompile(``), "psql": regexp.MustCompile(``),
}

var bare = regexp.MustCompile(`^(-[il])?$`)

var (
	commandEnds = regexp.MustCompile(`&&|\|\||;`)
	// before what is run: settings, options, and programs that run the next word.
	runners      = regexp.MustCompile(`^((exec|env|command|bundle exec|(poetry|uv|pipenv|pdm) run|npx|npm exec|pnpm exec|dotenv|(npx |exec |env |dotenv )?-\S+|[A-Za-z_]\w*=\S*) )+`)
	scriptRun    = regexp.MustCompile(`^(?:npm|yarn|pnpm|bun)(?: run)? ([A-Za-z][A-Za-z0-9:_-]*)(?: |$)`)
	interpreters = []string{"node", "bun", "python", "python3", "ruby", "php", "bash", "sh"}
)

// lineRuns goes by the last command of the line: "rake db:migrate && sidekiq" is
// a worker.
func lineRuns(line string) runs {
	commands := commandEnds.Split(line, -1)
	last := strings.Join(strings.Fields(commands[len(commands)-1]), " ")
	last = strings.TrimPrefix(last, runners.FindString(last))
	if m := scriptRun.FindStringSubmatch(last); m != nil {
		return nameRuns(m[1])
	}
	program, rest, _ := strings.Cut(last, " ")
	if slices.Contains(interpreters, program) && rest != "" && rest[0] != '-' && rest != "repl" {
		program, rest, _ = strings.Cut(rest, " ")
	}
	program = path.Base(program)
	if at := terminalCommands[program]; at != nil && at.MatchString(rest) {
		return atTerminal
	}
	if once := onceCommands[program]; once != nil && once.MatchString(rest) {
		return byHand
	}
	name := strings.TrimSuffix(program, path.Ext(program))
	if slices.Contains(onceNames, name) && name != "rake" {
		return byHand
	}
	return always
}

// standBy takes the processes without an instance out of those that run. What
// needs no terminal is a command that people start themselves.
func (d *declared) standBy() {
	workers := d.workers[:0:0]
	for _, w := range d.workers {
		as := oneOff(w.name, w.line)
		switch {
		case !w.said && as == always, w.said && w.instances > 0:
			workers = append(workers, w)
			continue
		case !w.said && as == atTerminal:
			d.note("warning: %s is not started: it looks like a command to type into, and Teal has no terminal for it. %s", w.name, startIt(w.name))
			continue
		case as == atTerminal:
			continue
		case !w.said:
			d.note("warning: %s is not started: it looks like a one-off command. Run it with: cron APP run %s. %s", w.name, w.name, startIt(w.name))
		default:
			d.note("%s has no instances. Run it with: cron APP run %s", w.name, w.name)
		}
		if !slices.ContainsFunc(d.cron, func(c declaredCron) bool { return c.job.Name == w.name }) {
			d.cron = append(d.cron, declaredCron{w.line, deploy.CronJob{Name: w.name, Schedule: deploy.CronManual, Timeout: oneOffTimeout}})
		}
	}
	d.workers = workers
}

// oneOffTimeout is how long a line of a Procfile may take that is run by hand.
const oneOffTimeout = 24 * time.Hour

func startIt(name string) string {
	return "To have it run all the time, say so in teal.toml: [formation] " + name + " = 1"
}
