package torture

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/wirepost/wirepost/client"
)

// bearer is the user whose tokens are revoked. A token has a generation, and all
// generations up to one are revoked at once.
const bearer = "bearer"

// issued is when the tokens of a generation were issued: long ago for the clock of every
// node.
func (w *watched) issued(generation uint64) time.Time {
	return w.h.start.Add(-1000*time.Hour + time.Duration(generation)*10*time.Second).Truncate(time.Second)
}

func (w *watched) bearerToken(generation uint64) string {
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"sub": bearer, "iat": w.issued(generation).Unix(), "exp": time.Now().Add(24 * time.Hour).Unix(),
	}).SignedString([]byte(tokenSecret))
	if err != nil {
		panic(err)
	}
	return token
}

// revoke revokes tokens on any node.
func (w *watched) revoke(ctx context.Context, random *rand.Rand) {
	for ctx.Err() == nil {
		wait(ctx, time.Duration(200+random.IntN(1500))*time.Millisecond)
		w.outdate(ctx, w.fronts[random.IntN(len(w.fronts))])
	}
}

// outdate revokes the newest tokens on a node, after there are newer ones. Then it pushes
// what sessions with the former must not get.
func (w *watched) outdate(ctx context.Context, f *front) {
	backend := w.newBackend(f.url("http"))
	generation := w.generation.Add(1) - 1
	e := event{kind: outdating, node: f.name, user: bearer, seq: generation}
	w.h.add(e)
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := backend.RevokeTokens(limited, bearer, w.issued(generation).Add(5*time.Second)); err == nil {
		e.kind = outdated
		w.h.add(e)
	}
	id := fmt.Sprint(bearer, "-", generation)
	backend.Push(limited, client.Push{To: "user:" + bearer, ID: id, Data: fmt.Append(nil, w.h.now())}) //nolint:errcheck // the next one may succeed
}

// bear connects to a node with a token, new or old, again and again.
func (w *watched) bear(ctx context.Context, f *front, random *rand.Rand) {
	for ; ctx.Err() == nil; wait(ctx, time.Duration(20+random.IntN(200))*time.Millisecond) {
		generation := w.generation.Load()
		if random.IntN(2) == 0 {
			generation -= min(generation, random.Uint64N(4))
		}
		e := event{node: f.name, user: bearer, seq: generation, at: w.h.now()}
		session := 0
		status := f.session(ctx, w.bearerToken(generation), func() {
			e.kind = admitted
			session = w.h.add(e)
		}, func(m nodeFrame) {
			var at int
			if m.Type == "message" && json.Unmarshal(m.Data, &at) == nil {
				w.h.add(event{kind: served, node: f.name, user: bearer, session: session, at: at})
			}
		})
		if status == http.StatusUnauthorized {
			e.kind = denied
			w.h.add(e)
		}
	}
}
