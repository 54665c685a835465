package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func TestSettingsMayStandInTablesAndMisspelledOnesAreRefused(t *testing.T) {
	t.Parallel()
	parse := func(text string) (config, error) {
		path := filepath.Join(t.TempDir(), "teal.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		var c cli
		parser, err := kong.New(&c, kong.Configuration(configFile, path))
		if err != nil {
			return config{}, err
		}
		_, err = parser.Parse([]string{"serve"})
		return c.Serve.config, err
	}
	c, err := parse("registry_mirror = \"mirror.example\"\n[builder]\nca_file = \"/etc/ca.pem\"\n[git]\ndepth = 7\n")
	if err != nil || c.CAFile != "/etc/ca.pem" || c.RegistryMirror != "mirror.example" || c.Git.Depth != 7 {
		t.Errorf("%v: %q %q %d", err, c.CAFile, c.RegistryMirror, c.Git.Depth)
	}
	for _, text := range []string{"[builder]\nca_fil = \"x\"\n", "domian = \"x\"\n"} {
		if _, err := parse(text); err == nil || !strings.Contains(err.Error(), "does not exist") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
