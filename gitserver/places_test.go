package gitserver

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestPlaceThatComesFreeGoesToWhoHasTheFewest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(2)
		var order []string
		ended := make(chan string)
		push := func(user string) {
			go func() {
				if err := p.take(t.Context(), user, func() {}); err != nil {
					t.Error(err)
				}
				ended <- user
			}()
			synctest.Wait()
		}
		push("anna")
		push("anna") // nobody else waits: she may have both
		<-ended
		<-ended
		for _, user := range []string{"anna", "anna", "bert"} {
			push(user)
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.take(gone, "carl", func() {}); !errors.Is(err, context.DeadlineExceeded) || !p.crowded() {
			t.Errorf("a wait that ended: %v; somebody waits: %v", err, p.crowded())
		}
		for range 3 {
			p.give("anna")
			order = append(order, <-ended)
			if order[0] != "bert" || p.taken() != 2 {
				t.Errorf("places went to %v; %d are taken", order, p.taken())
			}
		}
		p.give("anna")
		p.give("bert")
		if p.free != 2 || len(p.held) != 0 || p.crowded() {
			t.Errorf("in the end %d places are free, held: %v", p.free, p.held)
		}
	})
}
