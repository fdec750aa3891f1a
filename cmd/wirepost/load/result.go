package load

import (
	"bytes"
	"encoding/json"
	"errors"
)

// result is the server's response to one push.
type result struct {
	seq       uint64
	duplicate bool
}

// readResult reads what is needed of a response with one target, without parsing all
// of it.
func readResult(response []byte) (result, error) {
	if !bytes.HasPrefix(response, []byte(`{"messages":[`)) {
		if detail := problemDetail(response); detail != "" {
			return result{}, errors.New(detail)
		}
		return result{}, errors.New("the server's response is not understood")
	}
	_, rest, ok1 := bytes.Cut(response, []byte(`"seq":`))
	seq, _, ok2 := number(rest)
	if !ok1 || !ok2 {
		return result{}, errors.New("the server's response has no sequence")
	}
	return result{seq, bytes.Contains(rest, []byte(`"duplicate":true`))}, nil
}

// problemDetail is the text of problem details (RFC 9457), "" if body is not that.
func problemDetail(body []byte) string {
	var problem struct {
		Detail string `json:"detail"`
	}
	if json.Unmarshal(body, &problem) != nil {
		return ""
	}
	return problem.Detail
}

// appendPush adds a push as POST /v1/push takes it. The channel needs no quoting:
// a run makes its names itself, or checkChannel has checked them.
func appendPush(dst []byte, channel string, m *marks, n uint64, c clock) []byte {
	dst = append(dst, `{"to":"`...)
	dst = append(dst, channel...)
	dst = append(dst, `","data":`...)
	dst = m.appendMessage(dst, n, int64(c.now()))
	return append(dst, '}')
}
