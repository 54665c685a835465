package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

var keysRow = command{
	name: "keys", usage: "[FINGERPRINT]", short: "the SSH keys that you log in with",
	subs: []command{
		{
			name: "list", scope: self, verbForOthers: deploy.VerbUsers, json: true, options: []option{optUser},
			short: "your keys", examples: []string{"keys list", "keys list --user ben"}, run: runKeysList,
		},
		{
			name: "add", usage: "[KEY] | < id_ed25519.pub", scope: self, verbForOthers: deploy.VerbUsers,
			options: []option{optUser}, most: -1, limit: typingTime,
			short: "let another key in",
			long: "The public key, as it stands in the .pub file, from the words or from standard\n" +
				"input. RSA keys need 2048 bits or more; DSA keys are refused.",
			examples: []string{"keys add < ~/.ssh/id_ed25519.pub", "keys add --user ben < ben.pub"}, run: runKeysAdd,
		},
		{
			name: "remove", usage: "FINGERPRINT", scope: self, verbForOthers: deploy.VerbUsers, options: []option{optUser},
			least: 1, most: 1,
			short: "let a key in no more; its sessions end at once",
			long:  "Your own last key stays: without one you could not come back to add another.",
			examples: []string{
				"keys remove SHA256:jT9m…", "keys remove --user ben SHA256:jT9m…",
			}, run: runKeysRemove,
		},
	},
}

// owner gives the user whose keys are meant: admit has asked whether that is allowed.
func (j *job) owner(ctx context.Context) (deploy.User, error) {
	name, given := j.flags["user"]
	if !given || name == j.user.Name {
		return j.user, nil
	}
	return j.userNamed(ctx, name)
}

type keyDocument struct {
	Fingerprint string     `json:"fingerprint"`
	Type        string     `json:"type"`
	Comment     string     `json:"comment"`
	CreatedAt   *time.Time `json:"created_at"`
	LastUsedAt  *time.Time `json:"last_used_at"`
}

func runKeysList(ctx context.Context, j *job) error {
	owner, err := j.owner(ctx)
	if err != nil {
		return err
	}
	keys, err := j.Store.Keys(ctx, owner.Name)
	if err != nil {
		return err
	}
	docs := []keyDocument{}
	for _, k := range keys {
		kind, _, _ := strings.Cut(k.Public, " ")
		docs = append(docs, keyDocument{k.Fingerprint, kind, k.Comment, stamp(k.CreatedAt), stamp(k.LastUsedAt)})
	}
	if j.flags.on("json") {
		return j.document(map[string]any{"user": owner.Name, "keys": docs})
	}
	if len(keys) == 0 {
		j.say("%s has no keys and can't log in.", owner.Name)
		j.remark("next: %s", j.Hint.Command("keys", "add", "--user", owner.Name, "<", "key.pub"))
		return nil
	}
	t := j.rows("FINGERPRINT", "TYPE", "COMMENT", "ADDED", "LAST USED")
	for i, k := range keys {
		t.add(k.Fingerprint, docs[i].Type, deploy.Clean(k.Comment, 60), j.ago(k.CreatedAt), j.ago(k.LastUsedAt))
	}
	t.end()
	return nil
}

func runKeysAdd(ctx context.Context, j *job) error {
	owner, err := j.owner(ctx)
	if err != nil {
		return err
	}
	text := strings.Join(j.words, " ")
	if text == "" {
		if text, err = j.read(ctx, readKeys); err != nil {
			return err
		}
	}
	keys, err := parseKeys(text)
	if err != nil {
		return trouble(ExitUsage, err.Error(), j.Hint.Command("keys", "add", "<", "~/.ssh/id_ed25519.pub"))
	}
	for _, k := range keys {
		k.User, k.CreatedAt = owner.Name, j.Now()
		if err := j.Store.AddKey(ctx, k); err != nil {
			return because(err, deploy.ErrExists, ExitBusy, "the key "+k.Fingerprint+" is in use already",
				j.Hint.Command("keys", "list"))
		}
		j.say("%s may log in with %s.", owner.Name, k.Fingerprint)
	}
	if owner.Name != j.user.Name {
		j.say("\nTell %s to type: %s", owner.Name, j.Hint.Command("help"))
		for _, f := range j.HostFingerprints {
			j.say("and that the server's key is %s", f)
		}
	}
	return nil
}

func readKeys(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxKeyText+1))
	return string(b), err
}

func runKeysRemove(ctx context.Context, j *job) error {
	owner, err := j.owner(ctx)
	if err != nil {
		return err
	}
	fingerprint := j.words[0]
	if !strings.Contains(fingerprint, ":") {
		fingerprint = "SHA256:" + fingerprint
	}
	keys, err := j.Store.Keys(ctx, owner.Name)
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(keys, func(k deploy.Key) bool { return k.Fingerprint == fingerprint })
	if known && owner.Name == j.user.Name && len(keys) == 1 {
		return trouble(ExitFailed, "that is your last key: without it you are locked out",
			"add another one first: "+j.Hint.Command("keys", "add", "<", "new.pub"))
	}
	change, cancel := lasting(ctx)
	defer cancel()
	if err := j.Store.RemoveKey(change, owner.Name, fingerprint); errors.Is(err, deploy.ErrNotFound) {
		return trouble(ExitNotFound, fmt.Sprintf("%s has no key %s", owner.Name, deploy.Clean(fingerprint, 60)),
			j.Hint.Command("keys", "list")).because(err)
	} else if err != nil {
		return err
	}
	j.say("%s can't log in with %s any more.", owner.Name, deploy.Clean(fingerprint, 60))
	// Last, because it may be this very session.
	j.Cut(fingerprint)
	return nil
}
