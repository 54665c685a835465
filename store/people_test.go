package store_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"teal/deploy"
	"teal/store"
)

func TestUsersAreKeptByName(t *testing.T) {
	f := newFixture(t)
	bob := deploy.User{Name: "bob", Email: "bob@example.com", MayCreate: true, CreatedAt: f.clock.Now()}
	ok(t, f.CreateUser(t.Context(), bob))
	wantErr(t, f.CreateUser(t.Context(), bob), deploy.ErrExists)
	equal(t, "bob", must(f.User(t.Context(), "bob"))(t), bob)
	bob.Email, bob.Admin, bob.MayCreate = "", true, false
	ok(t, f.UpdateUser(t.Context(), bob))
	equal(t, "changed bob", must(f.User(t.Context(), "bob"))(t), bob)
	users := must(f.Users(t.Context()))(t)
	if len(users) != 2 || users[0].Name != "anna" || users[1] != bob {
		t.Errorf("users are %+v", users)
	}
	wantErr(t, f.UpdateUser(t.Context(), deploy.User{Name: "nobody"}), deploy.ErrNotFound)
	wantErr(t, f.DeleteUser(t.Context(), "nobody"), deploy.ErrNotFound)
	_, err := f.User(t.Context(), "nobody\x1b[31m")
	wantErr(t, err, deploy.ErrNotFound)
	if strings.Contains(err.Error(), "\x1b") {
		t.Errorf("escape sequence in %q", err)
	}
}

func TestLastAdminStays(t *testing.T) {
	f := newFixture(t)
	wantErr(t, f.DeleteUser(t.Context(), "anna"), deploy.ErrConflict)
	wantErr(t, f.UpdateUser(t.Context(), deploy.User{Name: "anna"}), deploy.ErrConflict)
	ok(t, f.CreateUser(t.Context(), deploy.User{Name: "bob", Admin: true}))
	ok(t, f.DeleteUser(t.Context(), "anna"))
	wantErr(t, f.DeleteUser(t.Context(), "bob"), deploy.ErrConflict)
}

func TestDeletedUserLosesEverything(t *testing.T) {
	f := newFixture(t)
	ok(t, f.CreateUser(t.Context(), deploy.User{Name: "bob"}))
	ok(t, f.AddKey(t.Context(), deploy.Key{User: "bob", Fingerprint: "SHA256:b"}))
	ok(t, f.Grant(t.Context(), deploy.Access{User: "bob", App: "shop", Right: deploy.Deployer}))
	later := f.clock.Now().Add(time.Hour)
	session := must(f.CreateSession(t.Context(), "bob", later))(t)
	link := must(f.CreateLoginToken(t.Context(), "bob", later))(t)
	ok(t, f.Audit(t.Context(), "bob", deploy.VerbPush, "shop", true))
	ok(t, f.DeleteUser(t.Context(), "bob"))

	_, err := f.KeyOwner(t.Context(), "SHA256:b")
	wantErr(t, err, deploy.ErrNotFound)
	_, err = f.Session(t.Context(), session)
	wantErr(t, err, deploy.ErrNotFound)
	_, err = f.RedeemLoginToken(t.Context(), link)
	wantErr(t, err, deploy.ErrNotFound)
	equal(t, "right", must(f.RightOf(t.Context(), "bob", "shop"))(t), "")
	equal(t, "audit records", len(must(f.AuditLog(t.Context(), 0))(t)), 1)
}

func TestKeyBelongsToOneUser(t *testing.T) {
	f := newFixture(t)
	ok(t, f.CreateUser(t.Context(), deploy.User{Name: "bob"}))
	key := deploy.Key{User: "anna", Fingerprint: "SHA256:a", Public: "ssh-ed25519 AAAA", Comment: "laptop", CreatedAt: f.clock.Now()}
	ok(t, f.AddKey(t.Context(), key))
	equal(t, "owner", must(f.KeyOwner(t.Context(), "SHA256:a"))(t), key)
	wantErr(t, f.AddKey(t.Context(), deploy.Key{User: "bob", Fingerprint: "SHA256:a"}), deploy.ErrExists)
	wantErr(t, f.AddKey(t.Context(), deploy.Key{User: "nobody", Fingerprint: "SHA256:n"}), deploy.ErrNotFound)

	key.LastUsedAt = f.clock.Now().Add(time.Minute)
	ok(t, f.TouchKey(t.Context(), "SHA256:a", key.LastUsedAt))
	ok(t, f.TouchKey(t.Context(), "SHA256:gone", key.LastUsedAt))
	equal(t, "used key", must(f.KeyOwner(t.Context(), "SHA256:a"))(t), key)

	ok(t, f.AddKey(t.Context(), deploy.Key{User: "bob", Fingerprint: "SHA256:b"}))
	equal(t, "all keys", len(must(f.Keys(t.Context(), ""))(t)), 2)
	equal(t, "keys of anna", len(must(f.Keys(t.Context(), "anna"))(t)), 1)
	wantErr(t, f.RemoveKey(t.Context(), "bob", "SHA256:a"), deploy.ErrNotFound)
	ok(t, f.RemoveKey(t.Context(), "anna", "SHA256:a"))
	_, err := f.KeyOwner(t.Context(), "SHA256:a")
	wantErr(t, err, deploy.ErrNotFound)
}

func TestRightIsGrantedChangedAndRevoked(t *testing.T) {
	f := newFixture(t)
	ok(t, f.CreateUser(t.Context(), deploy.User{Name: "bob"}))
	for _, right := range []deploy.Right{deploy.Viewer, deploy.Deployer, deploy.Admin} {
		ok(t, f.Grant(t.Context(), deploy.Access{User: "bob", App: "shop", Right: right}))
		equal(t, "right", must(f.RightOf(t.Context(), "bob", "shop"))(t), right)
	}
	want := []deploy.Access{{User: "anna", App: "shop", Right: deploy.Admin}, {User: "bob", App: "shop", Right: deploy.Admin}}
	if got := must(f.AccessList(t.Context(), "shop"))(t); !reflect.DeepEqual(got, want) {
		t.Errorf("access list is %v", got)
	}
	wantErr(t, f.Grant(t.Context(), deploy.Access{User: "bob", App: "shop", Right: "king"}), deploy.ErrBadName)
	wantErr(t, f.Grant(t.Context(), deploy.Access{User: "bob", App: "nope", Right: deploy.Viewer}), deploy.ErrNotFound)
	wantErr(t, f.Grant(t.Context(), deploy.Access{User: "nobody", App: "shop", Right: deploy.Viewer}), deploy.ErrNotFound)
	ok(t, f.Revoke(t.Context(), "bob", "shop"))
	wantErr(t, f.Revoke(t.Context(), "bob", "shop"), deploy.ErrNotFound)
	equal(t, "right", must(f.RightOf(t.Context(), "bob", "shop"))(t), "")
}

func TestAuthorizeFindsWhatItNeedsInTheStore(t *testing.T) {
	f := newFixture(t)
	ok(t, f.CreateUser(t.Context(), deploy.User{Name: "bob"}))
	ok(t, deploy.Authorize(t.Context(), f, "anna", deploy.VerbDestroy, "shop"))
	wantErr(t, deploy.Authorize(t.Context(), f, "bob", deploy.VerbPush, "shop"), deploy.ErrNotFound)
	ok(t, f.Grant(t.Context(), deploy.Access{User: "bob", App: "shop", Right: deploy.Viewer}))
	ok(t, deploy.Authorize(t.Context(), f, "bob", deploy.VerbView, "shop"))
	wantErr(t, deploy.Authorize(t.Context(), f, "bob", deploy.VerbPush, "shop"), deploy.ErrDenied)
	records := must(f.AuditLog(t.Context(), 10))(t)
	equal(t, "records", len(records), 3) // looking is not written down
	want := store.AuditRecord{ID: 3, At: f.clock.Now(), User: "bob", Verb: deploy.VerbPush, App: "shop", Allowed: false}
	equal(t, "newest record", records[0], want)
	equal(t, "oldest record allowed", records[2].Allowed, true)
}

func TestLoginTokenWorksOnce(t *testing.T) {
	f := newFixture(t)
	later := f.clock.Now().Add(time.Minute)
	token := must(f.CreateLoginToken(t.Context(), "anna", later))(t)
	equal(t, "length of the token", len(token), 43)
	equal(t, "user", must(f.RedeemLoginToken(t.Context(), token))(t), "anna")
	_, err := f.RedeemLoginToken(t.Context(), token)
	wantErr(t, err, deploy.ErrNotFound)
	_, err = f.RedeemLoginToken(t.Context(), "guess")
	wantErr(t, err, deploy.ErrNotFound)

	token = must(f.CreateLoginToken(t.Context(), "anna", later))(t)
	_, err = f.Session(t.Context(), token)
	wantErr(t, err, deploy.ErrNotFound) // it is no session
	f.clock.Advance(time.Minute)
	_, err = f.RedeemLoginToken(t.Context(), token)
	wantErr(t, err, deploy.ErrNotFound) // over
	_, err = f.CreateLoginToken(t.Context(), "nobody", later)
	wantErr(t, err, deploy.ErrNotFound)
}

func TestSessionLastsUntilItIsOverOrDeleted(t *testing.T) {
	f := newFixture(t)
	one := must(f.CreateSession(t.Context(), "anna", f.clock.Now().Add(time.Hour)))(t)
	two := must(f.CreateSession(t.Context(), "anna", f.clock.Now().Add(time.Hour)))(t)
	f.reopen(t)
	equal(t, "user", must(f.Session(t.Context(), one))(t), "anna")
	ok(t, f.DeleteSession(t.Context(), one))
	ok(t, f.DeleteSession(t.Context(), one))
	_, err := f.Session(t.Context(), one)
	wantErr(t, err, deploy.ErrNotFound)
	equal(t, "user of the other", must(f.Session(t.Context(), two))(t), "anna")
	f.clock.Advance(time.Hour)
	_, err = f.Session(t.Context(), two)
	wantErr(t, err, deploy.ErrNotFound)
}
