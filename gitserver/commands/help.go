package commands

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
)

var helpRow = command{
	name: "help", usage: "[COMMAND]", scope: anyone, most: 2,
	short:    "this list, or all about one command",
	examples: []string{"help", "help logs", "help config set"},
	run:      runHelp,
}

func runHelp(_ context.Context, j *job) error {
	if len(j.words) == 0 {
		j.helpAll()
		return nil
	}
	if family := j.family(j.words[0]); family != nil && len(j.words) == 1 {
		j.helpFamily(*family)
		return nil
	}
	row, path, rest := j.find(j.words)
	if row == nil {
		return j.unknown(path, rest[0])
	}
	j.helpOne(row, path)
	return nil
}

// helpAll lists every command by group.
func (j *job) helpAll() {
	j.say("Teal deploys what you git push. You talk to it like this:")
	j.say("\n  %s", j.Hint.Command("COMMAND"))
	for _, g := range j.table {
		j.say("\n%s", g.title)
		j.list(g.rows, "")
	}
	j.say("\nMore about one of them: %s", j.Hint.Command("help", "COMMAND"))
	j.say("Exit codes: %s", exits)
}

func (j *job) helpFamily(family command) {
	j.say("%s: %s\n", family.name, family.short)
	j.list(family.subs, family.name+" ")
	j.say("\nMore about one of them: %s", j.Hint.Command("help", family.name, family.subs[0].name))
}

func (j *job) list(rows []command, before string) {
	w := tabwriter.NewWriter(j.Stdout, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		usage := row.usage
		if row.subs != nil {
			usage = familyUsage(row)
		}
		fmt.Fprintf(w, "  %s\t%s\n", strings.TrimSpace(before+row.name+" "+usage), row.short)
	}
	_ = w.Flush()
}

// familyUsage writes "list|set|unset APP …".
func familyUsage(family command) string {
	var subs []string
	for _, sub := range family.subs {
		subs = append(subs, sub.name)
	}
	return strings.TrimSpace(strings.Join(subs, "|") + " " + family.usage)
}

// helpOne says everything about one command.
func (j *job) helpOne(row *command, path string) {
	j.say("%s: %s", path, row.short)
	j.say("\nUsage: %s", strings.TrimSpace(j.Hint.Command(path, row.usage)))
	if len(row.aliases) > 0 {
		j.say("Also called: %s", strings.Join(row.aliases, ", "))
	}
	if row.long != "" {
		j.say("\n%s", row.long)
	}
	j.say("\nOptions:")
	w := tabwriter.NewWriter(j.Stdout, 0, 8, 2, ' ', 0)
	for _, o := range row.allOptions() {
		fmt.Fprintf(w, "  %s\t%s\n", o.typed(), o.help)
	}
	_ = w.Flush()
	if len(row.examples) > 0 {
		j.say("\nExamples:")
		for _, e := range row.examples {
			j.say("  %s", j.Hint.Command(e))
		}
	}
	j.say("\nFor: %s", audience(row))
	j.say("Exit codes: %s", exits)
}

// audience says who may, from what the row asks Authorize.
func audience(row *command) string {
	switch {
	case row.verbToSet != "":
		return deeds[row.verb].who + "; to change it: " + deeds[row.verbToSet].who
	case row.verbForOthers != "":
		return "everybody; with --user: " + deeds[row.verbForOthers].who
	case row.verb != "":
		return deeds[row.verb].who
	}
	return "everybody"
}
