package commands

import (
	"context"
	"slices"
	"time"

	"teal/deploy"
)

// command is a row of the table: everything that is known of a command. One
// with subs is a family ("config"), whose members carry the rest.
type command struct {
	name     string
	aliases  []string
	usage    string // the words after the name: "APP [vN]"
	short    string // one line for the list
	long     string // paragraphs for "help COMMAND"
	examples []string

	scope scope
	// verb is what Authorize is asked. Empty in rows whose scope is self or anyone.
	verb deploy.Verb
	// verbToSet is asked instead when a word follows the app ("branch shop main").
	verbToSet deploy.Verb
	// verbForOthers is asked when --user names someone else.
	verbForOthers deploy.Verb

	options []option
	least   int  // words after the app that must be there
	most    int  // and that may; -1: any number
	json    bool // has --json
	limit   time.Duration
	run     func(ctx context.Context, j *job) error

	subs []command
}

// scope is what a command is about, and with it what must be authorized. The
// zero scope is a mistake.
type scope int

const (
	_        scope = iota
	oneApp         // the first word names an app; verb is asked for it
	someApps       // as oneApp; without a word: the apps that the user may view
	newApp         // the first word names an app that is not there yet
	server         // verb is asked without an app
	self           // the user's own things: no verb, but the user must exist
	anyone         // nothing that has to be protected: no verb
)

// group is a heading of help.
type group struct {
	title string
	rows  []command
}

// table is every command, in the order of help.
var table = []group{
	{"Apps", []command{appsRow, createRow, destroyRow, psRow, logsRow}},
	{"Deployments", []command{
		deploymentsRow, releasesRow, receiptRow,
		rollbackRow, promoteRow, redeployRow, cancelRow, patchRow, sbomRow, buildPlanRow,
	}},
	{"Settings of an app", []command{configRow, secretsRow, domainsRow, branchRow, scheduleRow, cronRow, accessRow}},
	{"You", []command{loginRow, whoamiRow, keysRow}},
	{"This Teal", []command{alertsRow, stackRow, usersRow, auditRow, versionRow, helpRow}},
}

// find gives the row that args name, how it is called ("config set"), and the
// rest of args. row is nil when there is none; path is then the family, if any.
func (s *Set) find(args []string) (row *command, path string, rest []string) {
	for g := range s.table {
		for r := range s.table[g].rows {
			row := &s.table[g].rows[r]
			if row.name != args[0] && !slices.Contains(row.aliases, args[0]) {
				continue
			}
			if row.subs == nil {
				return row, row.name, args[1:]
			}
			return findSub(row, args[1:])
		}
	}
	return nil, "", args
}

func findSub(family *command, args []string) (*command, string, []string) {
	if len(args) == 0 || args[0] != "" && args[0][0] == '-' {
		args = append([]string{"list"}, args...)
	}
	for i := range family.subs {
		if sub := &family.subs[i]; sub.name == args[0] || slices.Contains(sub.aliases, args[0]) {
			return sub, family.name + " " + sub.name, args[1:]
		}
	}
	return nil, family.name, args
}

// family gives the row with that name that has subs; nil when there is none.
func (s *Set) family(name string) *command {
	for _, g := range s.table {
		for r := range g.rows {
			if row := &g.rows[r]; row.name == name && row.subs != nil {
				return row
			}
		}
	}
	return nil
}

// names lists what can be typed first, or after the family's name.
func (s *Set) names(family string) []string {
	var all []string
	for _, g := range s.table {
		for _, row := range g.rows {
			switch {
			case family == "":
				all = append(append(all, row.name), row.aliases...)
			case family == row.name:
				for _, sub := range row.subs {
					all = append(append(all, sub.name), sub.aliases...)
				}
			}
		}
	}
	return all
}

// allOptions are the row's own and those that follow from it.
func (c *command) allOptions() []option {
	options := slices.Clone(c.options)
	if c.json {
		options = append(options, optJSON)
	}
	return append(options, optHelp)
}
