package commands

import (
	_ "embed"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"teal/deploy"
)

//go:embed testdata/keys/ed25519.pub
var testKey string

func keyFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "keys", name+".pub"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKeyIsAddedFromWordsOrStandardInput(t *testing.T) {
	w := newWorld(t)
	w.run("nick", append([]string{"keys", "add"}, strings.Fields(testKey)...)...).want(t, ExitDone, "nick may log in with SHA256:")
	k := w.keys[len(w.keys)-1]
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.Public))
	if err != nil || ssh.FingerprintSHA256(pub) != k.Fingerprint || k.Comment != "ben@desk" || k.User != "nick" || strings.Contains(k.Public, "ben") {
		t.Errorf("stored %+v, %v", k, err)
	}
	w.typed("vera", testKey, "keys", "add").want(t, ExitBusy, "is in use already")
	w.typed("vera", "# mine\n\n"+keyFile(t, "ecdsa")+keyFile(t, "rsa2048"), "keys", "add").want(t, ExitDone)
	w.run("vera", "keys", "list").want(t, ExitDone, "ecdsa-sha2-nistp256", "ssh-rsa")
}

func TestBadKeysAreRefused(t *testing.T) {
	for stdin, want := range map[string]string{
		"":                                    "there is no key",
		"hello":                               "is not a public SSH key",
		keyFile(t, "dsa"):                     "keys of type ssh-dss are not accepted",
		keyFile(t, "rsa1024"):                 "an RSA key of 1024 bits is not accepted",
		keyFile(t, "certificate"):             "are not accepted",
		`command="rm -rf /" ` + testKey:       "the key has options before it",
		strings.Repeat("#", maxKeyText+1):     "longer than 64 KiB",
		strings.Repeat(testKey, maxKeyRow+1):  "more than 20 keys at once",
		"-----BEGIN OPENSSH PRIVATE KEY-----": "that is a private key: it must never leave your machine",
		testKey + "hello":                     "is not a public SSH key",
	} {
		w := newWorld(t)
		n := len(w.keys)
		w.typed("nick", stdin, "keys", "add").want(t, ExitUsage, want)
		if len(w.keys) != n {
			t.Errorf("%.30q: a key was stored", stdin)
		}
	}
}

func TestRemovedKeyEndsItsSessions(t *testing.T) {
	w := newWorld(t)
	w.run("anna", "keys", "remove", "anna2").want(t, ExitDone, "anna can't log in with SHA256:anna2 any more.")
	w.run("root", "keys", "remove", "--user", "nick", "SHA256:nick").want(t, ExitDone)
	if !slices.Equal(w.cut, []string{"SHA256:anna2", "SHA256:nick"}) {
		t.Errorf("cut %q", w.cut)
	}
	w.run("anna", "keys", "remove", "SHA256:anna").want(t, ExitFailed, "that is your last key")
	w.run("anna", "keys", "remove", "SHA256:vera").want(t, ExitNotFound, "anna has no key SHA256:vera")
	w.run("root", "keys", "list", "--user", "nick").want(t, ExitDone, "nick has no keys", "keys add --user nick")
	w.run("root", "keys", "list", "--user", "zoe").want(t, ExitNotFound, "there is no user zoe")
}

func TestKeysOfOthersAreForAdministrators(t *testing.T) {
	w := newWorld(t)
	w.run("anna", "keys", "list", "--user", "vera").want(t, ExitDenied, "anna may not manage users")
	w.run("anna", "keys", "list", "--user", "anna").want(t, ExitDone, "SHA256:anna2")
	w.typed("anna", testKey, "keys", "add", "--user", "vera").want(t, ExitDenied)
	w.typed("root", testKey, "keys", "add", "--user", "vera").want(t, ExitDone, "Tell vera to type: ssh -p 2222 teal.example.com help", "SHA256:hosthosthost")
}

func TestUsers(t *testing.T) {
	w := newWorld(t)
	w.run("root", "users", "add", "ben", "--email", "ben@example.com", "--create").want(t, ExitDone, "Added ben.", "keys add --user ben < ben.pub")
	if u := w.users["ben"]; u.Email != "ben@example.com" || !u.MayCreate || u.Admin {
		t.Errorf("ben is %+v", u)
	}
	w.run("root", "users", "add", "ben").want(t, ExitBusy, "there is a user ben already")
	w.run("root", "users", "add", "Ben").want(t, ExitUsage, "is not a user name")
	w.run("root", "users", "add", "cora", "--email", "Cora <c@example.com>").want(t, ExitUsage, "is not a mail address")
	w.run("root", "users", "set", "ben", "--create=false", "--admin").want(t, ExitDone, "ben: mail ben@example.com, may do everything.")
	w.run("root", "users", "set", "ben", "--admin=false", "--email", "").want(t, ExitDone, "ben: mail unknown, may do what the rights on apps say.")
	w.run("root", "users", "set", "ben").want(t, ExitUsage)
	w.run("root", "users", "set", "zoe", "--admin").want(t, ExitNotFound, "there is no user zoe")
	w.run("root", "users", "set", "root", "--admin=false").want(t, ExitFailed, "root is the last administrator")
	w.run("root", "users", "remove", "root").want(t, ExitFailed, "root is the last administrator")
	w.run("root", "users", "remove", "anna").want(t, ExitDone, "Removed anna and 2 keys.")
	if !slices.Equal(w.cut, []string{"SHA256:anna", "SHA256:anna2"}) {
		t.Errorf("cut %q", w.cut)
	}
	w.run("anna", "apps").want(t, ExitDenied, "anna is not a user of this Teal")
}

func TestLoginLinkIsGoodForAQuarterOfAnHour(t *testing.T) {
	w := newWorld(t)
	r := w.run("nick", "login")
	r.want(t, ExitDone, "Good once, for the next 15 min.")
	if r.out != "https://teal.example.com:3000/login?token=token-of-nick\n" || w.tokens["nick"] != noon.Add(15*time.Minute) {
		t.Errorf("%q, until %v", r.out, w.tokens["nick"])
	}
}

func TestAlertsOfHiddenAppsStayHidden(t *testing.T) {
	w := newWorld(t)
	w.alert("shop", deploy.Delivery{})
	w.alert("blog", deploy.Delivery{})
	w.set.MailSet = false
	r := w.run("vera", "alerts")
	r.want(t, ExitDone, "shop", "probe answered 500", "waiting", "No mail server is set")
	if strings.Contains(r.out, "blog") {
		t.Errorf("vera sees blog:\n%s", r.out)
	}
}
