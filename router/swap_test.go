package router

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"teal/deploy"
)

// generations are routes that follow each other: in generation g production
// shows release g, and the preview release g+1, which is promoted next.
type generations []deploy.Backend

func startGenerations(t *testing.T, n int) generations {
	g := make(generations, n+2)
	for release := 1; release < len(g); release++ {
		g[release] = backendOf(saying(t, release))
	}
	return g
}

func (r *testRouter) pointGeneration(g generations, at int) {
	r.Point(deploy.Route{App: "shop", Hosts: []string{"shop.test"}, Live: g[at], Preview: g[at+1]})
}

// releaseOf asks a front-end which release it shows.
func releaseOf(t *testing.T, client *http.Client) int {
	resp, err := client.Get("http://shop.test/")
	if err != nil {
		t.Error(err)
		return 0
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	n, err := strconv.Atoi(string(body))
	if err != nil || resp.StatusCode != 200 {
		t.Errorf("got %d %q", resp.StatusCode, body)
	}
	return n
}

// TestPromotionSwapsProductionAndPreviewAtOnce asks both front-ends the moment
// that something has changed: there is no state in between to be seen.
func TestPromotionSwapsProductionAndPreviewAtOnce(t *testing.T) {
	const promotions = 20
	all := startGenerations(t, promotions)
	var live, preview *http.Client
	var expected, changes int
	r := startRouter(t, Config{Repointed: func() {
		onLive, onPreview := releaseOf(t, live), releaseOf(t, preview)
		if onLive != expected || onPreview != expected+1 {
			t.Errorf("in generation %d production shows release %d and the preview %d", expected, onLive, onPreview)
		}
		changes++
	}})
	live, preview = clientTo(t, r.plain), clientTo(t, r.preview)
	for expected = 1; expected <= promotions; expected++ {
		r.pointGeneration(all, expected)
	}
	if changes != promotions {
		t.Errorf("%d promotions changed the table %d times", promotions, changes)
	}
}

// TestNobodySeesHalfAPromotion has clients ask production and preview in turn
// while one promotion follows the other. What a client sees never goes back: a
// front-end that has changed is not followed by one that has not. So between
// two equal answers of production, the preview's is that of the same route.
func TestNobodySeesHalfAPromotion(t *testing.T) {
	const promotions, observers = 25, 6
	all := startGenerations(t, promotions)
	r := startRouter(t, Config{})
	r.pointGeneration(all, 1)
	ctx, stop := context.WithCancel(t.Context())
	var seen atomic.Int64
	var wg sync.WaitGroup
	for range observers {
		live, preview := clientTo(t, r.plain), clientTo(t, r.preview)
		wg.Go(func() {
			for at := 1; ctx.Err() == nil && !t.Failed(); seen.Add(1) {
				onLive := releaseOf(t, live)
				onPreview := releaseOf(t, preview)
				if onLive < at || onPreview-1 < onLive {
					t.Errorf("after generation %d: production showed release %d, then the preview %d", at, onLive, onPreview)
				}
				at = onPreview - 1
			}
		})
	}
	for at := 2; at <= promotions; at++ {
		before := seen.Load()
		eventually(t, "clients ask", func() bool { return seen.Load() > before+observers || t.Failed() })
		r.pointGeneration(all, at)
	}
	stop()
	wg.Wait()
}
