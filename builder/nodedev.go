package builder

import (
	"regexp"
	"strings"
)

// programsOf are packages whose program has another name than they have.
var programsOf = map[string]string{
	"typescript": "tsc", "@angular/cli": "ng", "@nestjs/cli": "nest", "@vue/cli-service": "vue-cli-service", "@babel/node": "babel-node",
	"@swc-node/register": "@swc-node/register", "sequelize-cli": "sequelize", "webpack-cli": "webpack", "drizzle-kit": "drizzle-kit",
}

var commandWords = regexp.MustCompile(`[^A-Za-z0-9@_./:-]+`)

// runsWith finds a development dependency that a command of the app names:
// "nodemon index.js", "npx prisma migrate deploy". Such dependencies are removed
// from the image otherwise; "" when none is named.
func (a *nodeApp) runsWith() string {
	lines := []string{a.t.web}
	if a.t.web == "" {
		lines = []string{a.pkg.Scripts["start"]}
	}
	for _, c := range a.t.commands {
		lines = append(lines, c.text())
	}
	for _, text := range a.reached(lines...) {
		for _, w := range commandWords.Split(text, -1) {
			if name := a.developing(w); name != "" {
				return name
			}
		}
	}
	return ""
}

// developing gives the development dependency that a word of a command means.
func (a *nodeApp) developing(word string) string {
	for name := range a.pkg.DevDependencies {
		if _, both := a.pkg.Dependencies[name]; both {
			continue
		}
		if word == name || word == programsOf[name] || strings.HasPrefix(word, name+"/") {
			return name
		}
	}
	return ""
}
