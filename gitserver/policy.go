package gitserver

import (
	"fmt"
	"strings"

	"teal/deploy"
)

// remoteName is what the documentation calls the remote; the client does not
// tell how its user does.
const remoteName = "teal"

// known are the push options that Teal takes.
const known = "no-promote, no-cache, detach, cancel-on-disconnect"

// parseOptions reads the push options. An unknown one is refused: a typing
// error in no-promote must not promote.
func parseOptions(options []string) (deploy.Options, error) {
	var o deploy.Options
	for _, name := range options {
		switch name {
		case "no-promote":
			o.NoPromote = true
		case "no-cache":
			o.NoCache = true
		case "detach":
			o.Detach = true
		case "cancel-on-disconnect":
			o.CancelOnDisconnect = true
		default:
			return o, refuse("unknown push option %q: known are %s", deploy.Clean(name, 40), known)
		}
	}
	if o.Detach && o.CancelOnDisconnect {
		return o, refuse("the push options detach and cancel-on-disconnect exclude each other")
	}
	return o, nil
}

// checkCommands refuses what can't deploy. The order is from the gravest to the
// one that is nearest to right, so that the line helps.
func checkCommands(app deploy.App, commands []command, destroy string) error {
	branch := mainBranch(app)
	if len(commands) > 1 { // --all, --mirror, --follow-tags: their other names are not the pusher's fault
		return refuse("push one branch at a time: git push %s %s", remoteName, branch)
	}
	c := commands[0]
	if !strings.HasPrefix(c.ref, "refs/tags/") && checkRef(c.ref) != nil {
		return refuse("%q is not a valid branch name", deploy.Clean(c.ref, 60))
	}
	short := shortRef(c.ref)
	switch {
	case c.deletes():
		return refuse("a branch can't be deleted here; to remove the app: %s destroy %s", destroy, app.Name)
	case strings.HasPrefix(c.ref, "refs/tags/"):
		return refuse("a tag does not deploy; push what it names: git push %s %s", remoteName, shellWord(short+"^{}:"+branch))
	case !app.DeploysFrom(short):
		return refuse("%s deploys from %s: git push %s %s", app.Name, branch, remoteName, shellWord(short+":"+branch))
	}
	return nil
}

// checkState refuses what the repository, as it is now, can't take.
func checkState(c command, r refs) error {
	short := shortRef(c.ref)
	if now := r.at(c.ref); now != c.old {
		return refuse("%s moved to %s while you pushed: git pull, then push again", short, shortHash(now))
	}
	if other := r.clash(c.ref); other != "" {
		return refuse("branch %s can't exist beside branch %s", short, shortRef(other))
	}
	return nil
}

// mainBranch is the branch that a push should go to.
func mainBranch(app deploy.App) string {
	if app.Branch != "" {
		return app.Branch
	}
	return "main"
}

// shortRef is the name a person knows the ref by, cleaned.
func shortRef(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if rest, ok := strings.CutPrefix(ref, prefix); ok {
			return deploy.Clean(rest, 80)
		}
	}
	return deploy.Clean(ref, 80)
}

// shellWord quotes what a person will copy into a shell.
func shellWord(s string) string {
	plain := strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:,@+=", r)
	})
	if plain < 0 && s != "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func shortHash(id string) string {
	if id == noHash {
		return "nothing"
	}
	return fmt.Sprintf("%.7s", id)
}
