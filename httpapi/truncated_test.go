package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTruncatedBodies: a body that breaks off, because its encoding is broken or the client
// ends it, is not taken for a complete one. What NDJSON had before it is pushed, and the last
// result says that the body broke off.
func TestTruncatedBodies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const one, two = `{"to":"ROOM","data":1}` + "\n", `{"to":"ROOM","data":2}`
	chunk := func(text string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(text), text) }
	for i, tt := range []struct {
		path, kind, sent, end string
		length                int // declared; 0: the body is chunked
		want                  []string
		stored                int
	}{
		{"/v1/push", jsonType, two, "zz\r\n", 0, []string{"400 "}, 0},
		{"/v1/push", jsonType, two, "", 0, []string{"400 "}, 0},
		{"/v1/push", jsonType, two, "", 100, []string{"400 "}, 0},
		{"/v1/push/ROOM", "text/plain", "hello", "zz\r\n", 0, []string{"400 "}, 0},
		{"/v1/push/ROOM", "text/plain", "hello", "", 0, []string{"400 "}, 0},
		{"/v1/push/ROOM", "text/plain", "hello", "", 100, []string{"400 "}, 0},
		{"/v1/users/ROOM/read", jsonType, `{"seq":1}`, "zz\r\n", 0, []string{"400 "}, 0},
		{"/v1/users/ROOM/read", jsonType, `{"seq":1}`, "", 100, []string{"400 "}, 0},
		{"/v1/push", ndjsonType, one, "zz\r\n", 0, []string{"ROOM#1", "400 "}, 1},
		{"/v1/push", ndjsonType, one, "", 0, []string{"ROOM#1", "400 "}, 1},
		{"/v1/push", ndjsonType, one + two, "zz\r\n", 0, []string{"ROOM#1", "400 "}, 1},
		{"/v1/push", ndjsonType, one + two, "5\r\nab", 0, []string{"ROOM#1", "400 "}, 1},
		{"/v1/push", ndjsonType, one + two, "0\r\n", 0, []string{"ROOM#1", "400 "}, 1},
		{"/v1/push", ndjsonType, one + two, "", 100, []string{"ROOM#1", "400 "}, 1}, // a short body
		{"/v1/push", ndjsonType, one + two, "", shortBody + 1, []string{"ROOM#1", "400 "}, 1},
		{"/v1/push", ndjsonType, one + two, "0\r\n\r\n", 0, []string{"ROOM#1", "ROOM#2"}, 2}, // complete
	} {
		room := fmt.Sprint("room", i)
		named := func(text string) string { return strings.ReplaceAll(text, "ROOM", room) }
		head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\n", named(tt.path), testKey, tt.kind)
		body := named(tt.sent)
		if tt.length > 0 {
			head += fmt.Sprintf("Content-Length: %d\r\n\r\n", tt.length)
		} else {
			head += "Transfer-Encoding: chunked\r\n\r\n"
			body = chunk(body) + tt.end
		}
		c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(c, head+body) //nolint:errcheck // the response shows it
		c.(*net.TCPConn).CloseWrite()
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatalf("%d, %s: %v", i, tt.path, err)
		}
		text, err := io.ReadAll(resp.Body)
		c.Close()
		if err != nil || (resp.StatusCode == 200) != (tt.kind == ndjsonType) {
			t.Errorf("%d, %s: %s, %v", i, tt.path, resp.Status, err)
		}
		var want []string
		for _, result := range tt.want {
			want = append(want, named(result))
		}
		if diff := cmp.Diff(want, readResults(t, text)); diff != "" {
			t.Errorf("%d, %s: -want +got\n%s%s", i, tt.path, diff, text)
		}
		if list, _, err := s.Messages(t.Context(), room, 0, 0); err != nil || len(list) != tt.stored {
			t.Errorf("%d, %s: %d messages are stored, %v", i, tt.path, len(list), err)
		}
	}
}
