package main

import (
	"testing"
)

func TestPush(t *testing.T) {
	w := newWorld(t)
	a := w.app(t, "anna", "shop")
	id := a.commit(vict{version: "one"})
	r := a.push()
	t.Log(r.out)
	r.exits(0)
	a.refIs(id)
	a.serves("one")
}
