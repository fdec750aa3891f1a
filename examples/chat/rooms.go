package main

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"

	"github.com/wirepost/wirepost"
)

const history = 100 // messages kept per room

// rooms tracks the users in each room.
type rooms struct {
	srv *wirepost.Server

	mu   sync.Mutex
	here map[string]map[string]string // room → connection → user
}

// call handles the pages' calls.
func (rs *rooms) call(ctx context.Context, s wirepost.Session, method string, data json.RawMessage) (any, error) {
	var room string
	if json.Unmarshal(data, &room) == nil && room != "" && wirepost.CheckChannel("room:"+room) == nil {
		switch method {
		case "join":
			return rs.enter(ctx, room, s)
		case "history":
			messages, _, err := rs.srv.Messages(ctx, "room:"+room, 0, history)
			return messages, err
		}
	}
	return nil, wirepost.Errorf(wirepost.CodeBadRequest, "call join or history with the name of a room")
}

func (rs *rooms) enter(ctx context.Context, room string, s wirepost.Session) ([]string, error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.here == nil {
		rs.here = map[string]map[string]string{}
	}
	if rs.here[room] == nil {
		rs.here[room] = map[string]string{}
	}
	rs.here[room][s.Connection] = s.User
	return rs.tellLocked(ctx, room)
}

// leave is called after a connection has closed for any reason.
func (rs *rooms) leave(ctx context.Context, s wirepost.Session, _ wirepost.CloseInfo) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for room, users := range rs.here {
		if _, was := users[s.Connection]; !was {
			continue
		}
		delete(users, s.Connection)
		if len(users) == 0 {
			delete(rs.here, room)
		}
		rs.tellLocked(ctx, room)
	}
}

// tellLocked publishes the users in a room. The caller holds the lock, so that the
// list published last is the current one.
func (rs *rooms) tellLocked(ctx context.Context, room string) ([]string, error) {
	users := slices.Compact(slices.Sorted(maps.Values(rs.here[room]))) // two tabs count as one user
	list, err := json.Marshal(users)
	if err != nil {
		return nil, err
	}
	_, err = rs.srv.Push(ctx, wirepost.Push{To: "presence:" + room, Data: list})
	return users, err
}
