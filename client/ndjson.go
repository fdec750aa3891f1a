package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"
)

// Pushes as lines of NDJSON, and their results: one line for each push, in the same
// order, as soon as it is stored.

const (
	linesType = "application/x-ndjson"
	// maxResult is the longest line of a response, in bytes.
	maxResult = 1 << 20
)

var (
	errStreamEnded    = errors.New("the server ended the stream")
	errTooManyResults = fmt.Errorf("%w: more results than pushes", ErrProtocol)
)

// newLinesRequest makes a request whose body is lines.
func (q *requester) newLinesRequest(ctx context.Context, node int, body io.Reader) (*http.Request, error) {
	r, err := q.newRequest(ctx, node, http.MethodPost, pushPath, body)
	if err == nil {
		r.Header.Set("Content-Type", linesType)
	}
	return r, err
}

// checkLines checks that a response has lines.
func checkLines(response *http.Response) error {
	if err := checkMethod(response, http.MethodPost, pushPath); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, maxResult))
		return refused(response.StatusCode, response.Header, text)
	}
	if media, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); media != linesType {
		return fmt.Errorf("%w: the response to POST %s is %q, not %s", ErrProtocol, pushPath, media, linesType)
	}
	return nil
}

// eachLine calls fn with each line that is not blank, up to the first error.
func eachLine(body io.Reader, fn func(line []byte) error) error {
	in := bufio.NewScanner(body)
	in.Buffer(make([]byte, 0, 16<<10), maxResult)
	in.Split(wholeLines)
	for in.Scan() {
		if line := bytes.TrimSpace(in.Bytes()); len(line) > 0 {
			if err := fn(line); err != nil {
				return err
			}
		}
	}
	return in.Err()
}

// decodeResult decodes a line of a response: the result of a push, or why the server
// refused it.
func decodeResult(line []byte) (PushResult, *RefusedError, error) {
	if result, ok := plainResult(line); ok {
		return result, nil, nil
	}
	var r struct {
		pushResponse
		Status     int    `json:"status"` // of a problem; a success has none
		Code       string `json:"code"`
		Detail     string `json:"detail"`
		Field      string `json:"field"`
		RetryAfter int64  `json:"retry_after"` // seconds
	}
	err := json.Unmarshal(line, &r)
	results := r.results()
	if err != nil || r.Status == 0 && len(results) != 1 {
		return PushResult{}, nil, fmt.Errorf("%w: a line of the response is not the result of a push", ErrProtocol)
	}
	if r.Status == 0 {
		return results[0], nil, nil
	}
	return PushResult{}, &RefusedError{
		Status: r.Status, Code: r.Code, Detail: r.Detail, Field: r.Field,
		RetryAfter: bounded(min(r.RetryAfter, int64(maxRetryAfter/time.Second)) * 1000),
	}, nil
}

// plainResult decodes the usual result, in exactly the form in which the server writes it.
// False means that it is another one.
func plainResult(line []byte) (r PushResult, ok bool) {
	to, line, ok := cutBetween(line, `{"messages":[{"to":"`, `"`)
	id, line, ok2 := cutBetween(line, `,"id":"`, `"`)
	seq, line, ok3 := cutBetween(line, `,"seq":`, `,`)
	online, line, ok4 := cutBetween(line, `"online":`, `}]}`)
	if !ok || !ok2 || !ok3 || !ok4 || len(line) > 0 {
		return PushResult{}, false
	}
	online, r.Duplicate = bytes.CutSuffix(online, []byte(`,"duplicate":true`))
	var err, err2 error
	r.Seq, err = strconv.ParseUint(string(seq), 10, 64)
	r.Online, err2 = strconv.Atoi(string(online))
	if err != nil || err2 != nil || bytes.IndexByte(to, '\\') >= 0 || bytes.IndexByte(id, '\\') >= 0 {
		return PushResult{}, false
	}
	r.To, r.ID = string(to), string(id)
	return r, true
}

// cutBetween returns what is between a prefix and the next end, and what follows.
func cutBetween(line []byte, prefix, end string) (value, rest []byte, ok bool) {
	line, ok = bytes.CutPrefix(line, []byte(prefix))
	if !ok {
		return nil, nil, false
	}
	return bytes.Cut(line, []byte(end))
}

// wholeLines splits like bufio.ScanLines, but drops an incomplete last line.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}
