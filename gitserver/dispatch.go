package gitserver

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"teal/deploy"
)

// Exit statuses of what is not a command's own.
const (
	exitFailed = 1
	exitUsage  = 2
)

// refusals are programs that people and tools try, with what to do instead.
var refusals = map[string]string{
	"git-lfs-authenticate": "Git LFS is not supported: keep large files in git (256 MiB each) or outside of the repository",
	"git-lfs-transfer":     "Git LFS is not supported: keep large files in git (256 MiB each) or outside of the repository",
	"scp":                  "files are not copied to here: push them with git",
	"sftp":                 "files are not copied to here: push them with git",
	"rsync":                "files are not copied to here: push them with git",
}

// dispatch runs what the command line asks for.
func (se *session) dispatch(ctx context.Context, line string) (exit int) {
	defer func() {
		if r := recover(); r != nil {
			se.s.log.Error("SSH session panicked", "user", se.user, "error", deploy.PanicText(r), "stack", string(debug.Stack()))
			se.complain("internal error; the server's log tells more")
			exit = exitFailed
		}
	}()
	if err := se.stillKnown(ctx); err != nil {
		se.complain(err.Error())
		se.c.close()
		return exitFailed
	}
	words, err := ParseCommandLine(line)
	if err != nil {
		se.complain(err.Error())
		return exitUsage
	}
	if len(words) >= 2 && words[0] == "git" { // "git receive-pack": as some clients write it
		words = append([]string{"git-" + words[1]}, words[2:]...)
	}
	if len(words) > 0 {
		if text, ok := refusals[words[0]]; ok {
			se.complain(text)
			return exitFailed
		}
		if words[0] == "git-receive-pack" || reading[words[0]] != nil {
			return se.git(ctx, words)
		}
	}
	if se.s.commands == nil {
		se.complain("there is nothing here but git")
		return exitFailed
	}
	return se.s.commands(ctx, Session{
		User: se.user, Key: se.key, Args: words, Stdin: se.ch, Stdout: se.ch, Stderr: se.ch.Stderr(),
		PTY: se.pty, Address: se.c.RemoteAddr().String(),
	})
}

// git runs one of git's programs on the repository that the client names.
func (se *session) git(ctx context.Context, words []string) int {
	if len(words) != 2 {
		writeError(se.ch, fmt.Sprintf("%s takes the name of an app", words[0]))
		return exitFailed
	}
	if words[0] == "git-receive-pack" {
		return se.s.receivePack(ctx, se, words[1])
	}
	return se.s.fetch(ctx, se, words[0], words[1])
}

// stillKnown asks again whose the key is: the connection may be older than the
// key's removal.
func (se *session) stillKnown(ctx context.Context) error {
	owner, err := se.s.keys.KeyOwner(ctx, se.key)
	if errors.Is(err, deploy.ErrNotFound) || err == nil && owner.User != se.user {
		return errors.New("your key was removed")
	}
	if err != nil {
		se.s.log.Error("cannot look up a key", "user", se.user, "error", err)
		return errors.New("teal cannot look up your key now: try again")
	}
	return nil
}

// complain writes one line for a person.
func (se *session) complain(text string) {
	_, _ = fmt.Fprintf(se.ch.Stderr(), "teal: %s\n", strings.ReplaceAll(text, "\n", " ")) // the client may be gone
}
