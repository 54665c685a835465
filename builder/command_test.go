package builder

import (
	"reflect"
	"testing"
)

// Lines of a Procfile mean what they mean to a shell; no shell runs where none
// is needed, and never on the host.
func TestLinesOfAProcfileBecomeCommandsThatGetTheSignals(t *testing.T) {
	for line, want := range map[string][]string{
		"bundle exec puma -p $PORT":             {"bundle", "exec", "puma", "-p", "8080"},
		"bundle exec puma -p ${PORT:-3000}":     {"bundle", "exec", "puma", "-p", "8080"},
		"node server.js --port=${PORT}":         {"node", "server.js", "--port=8080"},
		"RACK_ENV=production bin/web":           {"env", "RACK_ENV=production", "bin/web"},
		`gunicorn "app:create()" --bind :$PORT`: {"gunicorn", "app:create()", "--bind", ":8080"},
		"echo $PORTAL":                          {"/bin/sh", "-c", "exec echo $PORTAL"},
		"java $JAVA_OPTS -jar app.jar":          {"/bin/sh", "-c", "exec java $JAVA_OPTS -jar app.jar"},
		"bin/migrate && bin/web":                {"/bin/sh", "-c", "bin/migrate && bin/web"},
		"cd app && exec bin/web":                {"/bin/sh", "-c", "cd app && exec bin/web"},
		"bin/worker 2>&1 | tee log":             {"/bin/sh", "-c", "bin/worker 2>&1 | tee log"},
		"A=1 bin/web $HOME":                     {"/bin/sh", "-c", "A=1 bin/web $HOME"},
	} {
		if got := commandOf(line); !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %q, not %q", line, got, want)
		}
	}
}
