package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"teal/deploy"
)

// job is one call that was understood and allowed.
type job struct {
	*Set
	Call
	row   *command
	path  string      // how the command is called: "config set"
	user  deploy.User // who calls
	app   deploy.App  // what about; zero when no app was named
	words []string    // the words after the app
	flags flags
}

// prepare understands and authorizes a call. The job it returns with an error
// is good for explaining it and nothing else; it may be nil.
func (s *Set) prepare(ctx context.Context, call Call) (*job, error) {
	if call.Stdin == nil {
		call.Stdin = strings.NewReader("")
	}
	args := call.Args
	if len(args) == 0 || args[0] == "--help" || args[0] == "-h" {
		args = []string{"help"}
	}
	j := &job{Set: s, Call: call}
	row, path, rest := s.find(args)
	if row == nil {
		return j, s.unknown(path, rest[0])
	}
	j.row, j.path = row, path
	var err error
	if j.flags, j.words, err = parse(row.allOptions(), rest); err != nil {
		return j, j.usage("%s", err)
	}
	if j.flags.on("help") {
		j.row, j.words, j.flags = &helpRow, strings.Fields(path), flags{}
		return j, nil
	}
	if row.scope == anyone {
		return j, j.count("")
	}
	if j.user, err = s.Store.User(ctx, call.User); errors.Is(err, deploy.ErrNotFound) {
		err = trouble(ExitDenied, deploy.Clean(call.User, 40)+" is not a user of this Teal (any more)", "ask an administrator to add you: users add NAME")
	}
	if err != nil {
		return j, err
	}
	return j, j.admit(ctx)
}

// unknown says that there is no such command, and which one was probably meant.
func (s *Set) unknown(family, typed string) error {
	what := fmt.Sprintf("there is no command %q", strings.TrimSpace(family+" "+deploy.Clean(typed, 40)))
	if like := nearest(typed, s.names(family)); like != "" {
		meant := strings.TrimSpace(family + " " + like)
		return trouble(ExitUsage, what+"; did you mean "+meant+"?", s.Hint.Command("help", meant))
	}
	return trouble(ExitUsage, what, strings.TrimSpace(s.Hint.Command("help", family)))
}

// usage says what is wrong with the words.
func (j *job) usage(format string, a ...any) error {
	return trouble(ExitUsage, fmt.Sprintf(format, a...), j.usageOf(j))
}

// admit takes the app from the words, and asks Authorize: the only place that
// does. Nothing of a command runs before it.
func (j *job) admit(ctx context.Context) error {
	name, err := j.named()
	if err != nil {
		return err
	}
	if err := j.count(name); err != nil {
		return err
	}
	verb := j.row.verb
	switch {
	case j.row.scope == someApps && name == "":
		verb = "" // shows what AppsOf gives, which is what the user may view
	case j.row.verbToSet != "" && len(j.words) > 0:
		verb = j.row.verbToSet
	case j.row.verbForOthers != "" && j.flags.has("user") && j.flags["user"] != j.user.Name:
		verb = j.row.verbForOthers
	}
	if verb != "" {
		if err := deploy.Authorize(ctx, j.Store, j.user.Name, verb, name); err != nil {
			return j.refused(ctx, err, verb, name)
		}
	}
	if name == "" || j.row.scope == newApp {
		j.app.Name = name
		return nil
	}
	if j.app, err = j.Store.App(ctx, name); errors.Is(err, deploy.ErrNotFound) {
		return j.noApp(ctx, name)
	}
	return err
}

// named takes the app's name off the words, where the row says that there is one.
func (j *job) named() (deploy.AppName, error) {
	switch j.row.scope {
	case oneApp, newApp:
		if len(j.words) == 0 {
			return "", j.usage("%s needs the name of an app", j.path)
		}
	case someApps:
		if len(j.words) == 0 {
			return "", nil
		}
	default:
		return "", nil
	}
	name, err := deploy.ParseAppName(j.words[0])
	j.words = j.words[1:]
	return name, err
}

func (j *job) count(app deploy.AppName) error {
	switch n := len(j.words); {
	case n < j.row.least:
		return j.usage("%s needs more words", strings.TrimSpace(j.path+" "+string(app)))
	case j.row.most >= 0 && n > j.row.most:
		return j.usage("%s has no use for %q", j.path, deploy.Clean(j.words[j.row.most], 40))
	}
	return nil
}

// refused words a refusal: what may not be done, and who could change that.
func (j *job) refused(ctx context.Context, err error, verb deploy.Verb, app deploy.AppName) error {
	switch {
	case errors.Is(err, deploy.ErrNotFound):
		return j.noApp(ctx, app)
	case !errors.Is(err, deploy.ErrDenied):
		return err
	}
	what := fmt.Sprintf("not allowed: %s may not %s", j.user.Name, deeds[verb].what)
	next := "ask an administrator of this Teal"
	if app != "" && verb != deploy.VerbCreate {
		what += " " + string(app)
		next = "ask an administrator of " + string(app)
		if list, lerr := j.Store.AccessList(ctx, app); lerr == nil {
			next += owners(list)
		}
	}
	return trouble(ExitDenied, what, next).because(err)
}

func owners(list []deploy.Access) string {
	var names []string
	for _, a := range list {
		if a.Right == deploy.Admin {
			names = append(names, deploy.Clean(a.User, 40))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

// noApp says that there is no such app, in the same words whether it is
// missing or hidden.
func (j *job) noApp(ctx context.Context, name deploy.AppName) error {
	what := fmt.Sprintf("there is no app %s that you may see", name)
	if apps, err := j.Store.AppsOf(ctx, j.user.Name); err == nil {
		var all []string
		for _, a := range apps {
			all = append(all, string(a.Name))
		}
		if like := nearest(string(name), all); like != "" {
			what += "; did you mean " + like + "?"
		}
	}
	return trouble(ExitNotFound, what, j.Hint.Command("apps")).because(deploy.ErrNotFound)
}

// deed is how a verb reads.
type deed struct {
	what string // "bob may not … shop"
	who  string // who may
}

var deeds = map[deploy.Verb]deed{
	deploy.VerbView:    {"look at", "viewers of the app"},
	deploy.VerbDeploy:  {"deploy", "deployers of the app"},
	deploy.VerbConfig:  {"read or change the config of", "deployers of the app"},
	deploy.VerbDomains: {"change the domains, branch or schedule of", "admins of the app"},
	deploy.VerbAccess:  {"change who has access to", "admins of the app"},
	deploy.VerbDestroy: {"destroy", "admins of the app"},
	deploy.VerbCreate:  {"create apps", "users who may create apps"},
	deploy.VerbUsers:   {"manage users or read the audit log", "administrators of this Teal"},
}

// lasting gives a context for a change of two steps (store, then engine): a
// client that goes away between them must not leave the second undone.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), answerTime)
}

// say prints a line of the answer.
func (j *job) say(format string, a ...any) { fmt.Fprintf(j.Stdout, format+"\n", a...) }

// remark prints a line that is not part of the answer.
func (j *job) remark(format string, a ...any) { fmt.Fprintf(j.Stderr, format+"\n", a...) }

// read gives what f reads from Stdin, which may take as long as a person types
// but not for ever. f goes on reading after the deadline until the caller ends Stdin.
func (j *job) read(ctx context.Context, f func(io.Reader) (string, error)) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				got <- answer{err: fmt.Errorf("cannot read standard input: %s", deploy.PanicText(p))}
			}
		}()
		text, err := f(j.Stdin)
		got <- answer{text, err}
	}()
	select {
	case a := <-got:
		return a.text, a.err
	case <-ctx.Done():
		return "", fmt.Errorf("nothing came on standard input: %w", ctx.Err())
	}
}
