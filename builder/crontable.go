package builder

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

// cronTimeout is how long a run of a scheduled command may take that says nothing.
const cronTimeout = time.Hour

// cronFile is one command of [cron] as it is decoded.
type cronFile struct {
	Schedule string    `toml:"schedule"`
	Command  any       `toml:"command"`
	Timeout  *duration `toml:"timeout"`
}

var cronName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,39}$`)

// crons takes the table [cron]. Commands are lines, or lists whose words are
// taken as they are.
func crons(table map[string]cronFile, to *[]declaredCron) error {
	if len(table) > deploy.MaxCron {
		return fmt.Errorf("[cron] has %d commands: at most %d are run", len(table), deploy.MaxCron)
	}
	names := make([]string, 0, len(table))
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c, err := cronOf(name, table[name])
		if err != nil {
			return err
		}
		*to = append(*to, c)
	}
	return nil
}

func cronOf(name string, f cronFile) (declaredCron, error) {
	key := "cron." + deploy.Clean(name, 60)
	c := declaredCron{job: deploy.CronJob{Name: name, Schedule: strings.Join(strings.Fields(f.Schedule), " "), Timeout: cronTimeout}}
	switch {
	case !cronName.MatchString(name):
		return c, fmt.Errorf("%s: a name is a letter, then letters, digits, \"-\" and \"_\", at most 40", key)
	case c.job.Schedule == "":
		return c, fmt.Errorf("%s needs a schedule, such as schedule = \"30 3 * * *\"", key)
	}
	if err := commandLine(key+".command", f.Command, &c); err != nil {
		return c, err
	}
	return c, span(key+".timeout", f.Timeout, time.Second, 24*time.Hour, &c.job.Timeout)
}

// commandLine takes a command that is a line or a list.
func commandLine(key string, value any, c *declaredCron) error {
	switch v := value.(type) {
	case string:
		c.line = strings.TrimSpace(v)
		if strings.ContainsAny(c.line, "\x00\n") || len(c.line) > 4096 {
			return fmt.Errorf("%s is one line of at most 4096 bytes", key)
		}
	case []any:
		for _, item := range v {
			word, ok := item.(string)
			if !ok || strings.ContainsRune(word, 0) {
				return fmt.Errorf("%s: every item of the list must be a string", key)
			}
			c.job.Argv = append(c.job.Argv, word)
		}
	case nil:
	default:
		return fmt.Errorf("%s must be a string or a list of strings", key)
	}
	if c.line == "" && (len(c.job.Argv) == 0 || c.job.Argv[0] == "") {
		return fmt.Errorf("%s is missing: write it like command = \"bin/clean --all\"", key)
	}
	return nil
}
