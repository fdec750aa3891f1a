package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/wirepost/wirepost/bench/proc"
	"github.com/wirepost/wirepost/internal/pgtest"
)

// postgresLog is a PostgreSQL server whose commits wait for a standby, both on this
// machine. The methods do nothing without one.
type postgresLog struct{ servers []*pgtest.Server }

func startPostgres() (*postgresLog, error) {
	primary, err := pgtest.Start()
	if errors.Is(err, pgtest.ErrMissing) {
		return nil, fmt.Errorf("%s is %w: PostgreSQL is not installed", onPostgreSQL, errSkip)
	}
	if err != nil {
		return nil, err
	}
	l := &postgresLog{[]*pgtest.Server{primary}}
	const name = "standby"
	standby, err := primary.Standby(name)
	if err == nil {
		l.servers = append(l.servers, standby)
		err = primary.Await(name)
	}
	if err != nil {
		return nil, errors.Join(err, l.stop())
	}
	return l, nil
}

// flags returns the flags of the nodes of a cluster.
func (l *postgresLog) flags(n int) (all [][]string) {
	url := l.servers[0].URL("postgres", l.servers[1:]...)
	for i := range n {
		all = append(all, []string{"--cluster-name", "bench", "--cluster-node", string(rune('a' + i)), "--cluster-log", url})
	}
	return all
}

func (l *postgresLog) stop() error {
	if l == nil {
		return nil
	}
	var errs []error
	for _, s := range l.servers {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

// cpu is the processor time of the servers. What a process used that has ended is added to
// that of the one that started it.
func (l *postgresLog) cpu() (sum time.Duration, err error) {
	if l == nil {
		return 0, nil
	}
	for _, s := range l.servers {
		for _, pid := range s.Processes() {
			used, err := proc.CPU(pid)
			if errors.Is(err, os.ErrNotExist) {
				continue // it has just ended
			}
			if err != nil {
				return 0, err
			}
			sum += used
		}
	}
	return sum, nil
}
