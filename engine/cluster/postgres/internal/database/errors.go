package database

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrClosed is the error of calls that Close ended.
var ErrClosed = errors.New("the connection to the database is closed")

// refusedError is an error that does not pass by waiting.
type refusedError struct{ text string }

func (e *refusedError) Error() string { return e.text }

// ErrUnreplicated says that a server has no synchronous standby.
var ErrUnreplicated = errors.New("there is one copy of what was acknowledged")

// unreplicatedError is an ErrUnreplicated that says why.
type unreplicatedError struct{ text string }

func (e *unreplicatedError) Error() string { return e.text }
func (e *unreplicatedError) Unwrap() error { return ErrUnreplicated }

// Refused is an error that needs an operator.
func Refused(format string, args ...any) error { return &refusedError{fmt.Sprintf(format, args...)} }

// Final reports whether an error needs an operator.
func Final(err error) bool {
	if errors.Is(err, ErrUnreplicated) {
		return true
	}
	var r *refusedError
	if errors.As(err, &r) {
		return true
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) || len(e.Code) != 5 {
		return false
	}
	switch e.Code[:2] {
	case "28", "3D", "42": // authorization, no such database, rights and syntax
		return true
	}
	return e.Code == "08P01" // a setting that a connection pooler does not know
}
