package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// UnmarshalJSON reads the form of the API, with Since in milliseconds.
func (s *Session) UnmarshalJSON(text []byte) error {
	type fields Session
	v := struct {
		*fields
		Since int64 `json:"since"`
	}{fields: (*fields)(s)}
	err := json.Unmarshal(text, &v)
	s.Since = time.UnixMilli(v.Since)
	return err
}

// MarshalJSON writes the form of the API.
func (s Session) MarshalJSON() ([]byte, error) {
	type fields Session
	return json.Marshal(struct {
		fields
		Since int64 `json:"since"`
	}{fields(s), s.Since.UnixMilli()})
}

// UnmarshalJSON reads the form of the API, with MaxAge as a string such as "720h".
func (p *PolicyInfo) UnmarshalJSON(text []byte) error {
	type fields PolicyInfo
	v := struct {
		*fields
		MaxAge string `json:"max_age"`
	}{fields: (*fields)(p)}
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	age, err := time.ParseDuration(v.MaxAge)
	if err != nil {
		return fmt.Errorf("max_age: %w", err)
	}
	p.MaxAge = age
	return nil
}

// MarshalJSON writes the form of the API.
func (p PolicyInfo) MarshalJSON() ([]byte, error) {
	type fields PolicyInfo
	return json.Marshal(struct {
		fields
		MaxAge string `json:"max_age"`
	}{fields(p), p.MaxAge.String()})
}

// UnmarshalJSON reads the form of the API, with Uptime in milliseconds.
func (s *Stats) UnmarshalJSON(text []byte) error {
	type fields Stats
	v := struct {
		*fields
		Uptime int64 `json:"uptime_ms"`
	}{fields: (*fields)(s)}
	err := json.Unmarshal(text, &v)
	s.Uptime = time.Duration(v.Uptime) * time.Millisecond
	return err
}

// MarshalJSON writes the form of the API.
func (s Stats) MarshalJSON() ([]byte, error) {
	type fields Stats
	return json.Marshal(struct {
		fields
		Uptime int64 `json:"uptime_ms"`
	}{fields(s), s.Uptime.Milliseconds()})
}
