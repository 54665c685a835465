package builder

import (
	"strings"
	"testing"
)

func TestFailuresSayWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name   string
		source fsSource
		reason string // contained in it
		hint   string
	}{
		{"exit code", withTool(nil, `RUN ["/tool", "exit", "3"]`), `'RUN /tool exit 3' ended with exit code 3`, "last lines"},
		{"killed", withTool(nil, `RUN ["/tool", "exit", "137"]`), "was killed (exit code 137), and not at the ceiling of builds' memory", "its kernel's log says which"},
		{"no command", withTool(nil, `RUN ["/nothing"]`), "the command is not in the image", "install it"},
		{"no shell", files("Dockerfile", "FROM teal/go\nRUN echo hi\n"), "needs a shell, and its base image has none", "exec form"},
		{"missing file", files("Dockerfile", "FROM scratch\nCOPY nope.txt /\n"), "a COPY or ADD wants nope.txt, which is not in the commit", ".dockerignore"},
		{"syntax", files("Dockerfile", "FROM scratch\nRUNN x\n"), "Dockerfile line 2: unknown instruction: RUNN", "correct"},
		{"heredoc", files("Dockerfile", "FROM scratch\nRUN <<EOT\necho hi\nEOT\n"), "unknown instruction: ECHO, which may stand in a heredoc (<<): this Engine's reader of Dockerfiles knows none", "RUN with &&"},
		{"stage that is not there", files("Dockerfile", "FROM scratch AS web\nCOPY Dockerfile /\n", "teal.toml", "[build]\ntarget = \"production\"\n"), "the Dockerfile has no stage production, which [build] target in teal.toml names", "FROM … AS production"},
		{"stage without a Dockerfile", files("index.html", "", "teal.toml", "[build]\ntarget = \"production\"\n"), "teal.toml names a stage of the Dockerfile, production, and there is no Dockerfile", "remove [build] target"},
		{"script that may not be run", notExecutable(files("Procfile", "web: ./run.sh\n", "run.sh", "#!/bin/sh\n")), "web of the Procfile: run.sh is not executable", "git update-index --chmod=+x run.sh"},
		{"script with lines of Windows", files("Procfile", "web: sh run.sh\n", "run.sh", "#!/bin/sh\r\nexec x\r\n"), "the lines of run.sh end as on Windows (CRLF)", "eol=lf"},
		{"empty", files("Dockerfile", "# nothing\n"), "no FROM line", "FROM teal/base"},
		{"unknown base", files("Dockerfile", "FROM nosuch.invalid/base:1\n"), "the base image nosuch.invalid/base:1 cannot be fetched", "registry"},
		{"frontend", files("Dockerfile", "# syntax=nosuch.invalid/dockerfile:1\nFROM scratch\n"), `wants to be read by nosuch.invalid/dockerfile:1, which is not pinned`, "remove the line"},
		{"another app's cache", files("Dockerfile", "FROM scratch\nRUN --mount=type=cache,id=../other,target=/c [\"/x\"]\n"), `a cache mount with ".." in it, which could name another app's cache`, "plain id"},
		{"unknown stack image", files("Dockerfile", "FROM teal/cobol\n"), "teal/cobol, which is no stack image", "teal/base, teal/apt"},
		{"nothing found", files("notes.txt", "x"), "no Dockerfile, and nothing else that Teal knows", "go.mod at the root (Go); Cargo.toml (Rust)"},
		{"Dockerfile not there", files("teal.toml", "[build]\ndockerfile = \"web/Dockerfile\"\n"), "teal.toml names the Dockerfile web/Dockerfile, which is not in the commit", "commit it"},
		{"wrong teal.toml", files("teal.toml", "\ninstanses = 2\n"), `teal.toml line 2: there is no key "instanses"; is "instances" meant?`, "correct teal.toml"},
		{"does not compile", files("go.mod", "module x\n", "main.go", "package main\n\nfunc main() { undefined() }\n"), "ended with exit code 1", "last lines"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, log := newBench(t).refused(request(c.source))
			if !strings.Contains(f.Reason, c.reason) {
				t.Errorf("reason is %q, without %q\n%s", f.Reason, c.reason, log)
			}
			if !strings.Contains(f.Hint, c.hint) {
				t.Errorf("hint is %q, without %q", f.Hint, c.hint)
			}
			if strings.Contains(f.Reason, "frontend dockerfile.v0") || strings.Contains(f.Reason, "rpc error") {
				t.Errorf("reason has BuildKit's wrappings: %q", f.Reason)
			}
			t.Logf("%s\n  hint: %s", f.Reason, f.Hint)
		})
	}
}

func TestFailedStepsLastLinesStandAtTheEnd(t *testing.T) {
	t.Parallel()
	f, log := newBench(t).refused(request(withTool(nil, `RUN ["/tool", "exit", "3"]`)))
	if len(f.Log) != tailLines {
		t.Fatalf("%d last lines: %q", len(f.Log), f.Log)
	}
	// Standard output and standard error are apart on their way: their order is
	// not kept, and errors go last.
	if f.Log[tailLines-1] != "the last word" || f.Log[tailLines-2] != "line 40" {
		t.Errorf("the last lines are %q", f.Log)
	}
	contains(t, log, "failed after", "   | the last word", "build failed: 'RUN /tool exit 3' ended with exit code 3")
	if strings.Contains(log, "\x1b") || strings.Count(log, "line 40") != 1 {
		t.Errorf("the log is not clean, or says things twice: %s", log)
	}
}
