package search

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"vklstm/train/files"
)

// schema makes the tables of a search.
//
//go:embed schema.sql
var schema string

// What the header of the file says, so that other files are told apart.
const (
	applicationID = 0x766B6C73 // "vkls"
	schemaVersion = 1
)

// How long to wait for others who use the file, in milliseconds.
const (
	waitToOpen   = 1_000
	waitToCommit = 60_000 // for somebody who reads
)

// waitToRetake is what a search that is between two transactions needs to take its file back; SQLite sleeps at most 100 ms
// between two tries.
var waitToRetake = 300 * time.Millisecond

// Store keeps a search in an SQLite file. While it is open a write transaction is open too, which keeps every other search
// out, whom the system lets in as soon as this process has ended, however it ended; readers are welcome. What is saved
// together is there whole or not at all.
type Store struct {
	path    string
	db      *sql.DB
	conn    *sql.Conn // the only one
	version int64     // changes when another connection has written
}

// Open opens the file of a search, or makes it. The error is a sentence: the file is no search's, another search's, in
// use, or cannot be written.
func Open(path string, study *Study) (*Store, error) {
	if err := files.CheckWritable(path); err != nil {
		return nil, err
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	slash := filepath.ToSlash(absolute)
	if !strings.HasPrefix(slash, "/") {
		slash = "/" + slash // C:/…
	}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: slash}).String())
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s := &Store{path: path, db: db}
	if s.conn, err = db.Conn(context.Background()); err == nil {
		err = s.begin(study)
	}
	if err != nil {
		s.Close()
		return nil, s.sentence(err)
	}
	return s, nil
}

// Close ends the open transaction, in which nothing is unsaved, and lets others in.
func (s *Store) Close() error {
	if s.conn != nil {
		s.conn.ExecContext(context.Background(), "ROLLBACK")
		s.conn.Close()
	}
	return s.db.Close()
}

// exec runs statements.
func (s *Store) exec(statement string, args ...any) error {
	_, err := s.conn.ExecContext(context.Background(), statement, args...)
	return err
}

// each calls f for every row of a query.
func (s *Store) each(f func(scan func(...any) error) error, query string, args ...any) error {
	rows, err := s.conn.QueryContext(context.Background(), query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// number returns the only number that a query gives.
func (s *Store) number(query string) (n int64, err error) {
	return n, s.conn.QueryRowContext(context.Background(), query).Scan(&n)
}

// begin takes the file for this search: it makes the tables, or checks that they are a search's, and of this one.
func (s *Store) begin(study *Study) error {
	// Schemas in the file are not to be trusted, and every cell is to be checked: the file may be anybody's.
	if err := s.exec(fmt.Sprintf("PRAGMA busy_timeout=%d; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON; PRAGMA synchronous=FULL; BEGIN IMMEDIATE; ROLLBACK", waitToOpen)); err != nil {
		return err
	}
	// It may have been free only between two transactions of a search, which takes it back meanwhile.
	time.Sleep(waitToRetake)
	if err := s.exec("PRAGMA busy_timeout=0; BEGIN IMMEDIATE"); err != nil {
		return err
	}
	var err error
	if s.version, err = s.number("PRAGMA data_version"); err != nil {
		return err
	}
	var have []string
	if err := s.each(func(scan func(...any) error) error {
		var text sql.NullString
		err := scan(&text)
		if text.Valid { // an index that a PRIMARY KEY brings has none
			have = append(have, text.String)
		}
		return err
	}, "SELECT sql FROM sqlite_schema ORDER BY rowid"); err != nil {
		return err
	}
	if len(have) == 0 {
		if err := s.create(study); err != nil {
			return err
		}
	} else if err := s.check(have, study); err != nil {
		return err
	}
	if err := s.exec(fmt.Sprintf("PRAGMA busy_timeout=%d", waitToCommit)); err != nil {
		return err
	}
	return s.save(func() error { return nil })
}

// create makes the tables and writes down what is searched.
func (s *Store) create(study *Study) error {
	if err := s.exec(fmt.Sprintf("PRAGMA application_id=%d; PRAGMA user_version=%d; %s", applicationID, schemaVersion, schema)); err != nil {
		return err
	}
	for _, v := range study.identity() {
		if err := s.exec("INSERT INTO study VALUES (?, ?)", v.Name, v.Value); err != nil {
			return err
		}
	}
	trials, err := study.Settings()
	if err != nil {
		return err
	}
	for i, t := range trials {
		for _, v := range t {
			if err := s.exec("INSERT INTO setting VALUES (?, ?, ?)", i, v.Name, v.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// check returns an error unless the file is whole and this search's.
func (s *Store) check(have []string, study *Study) error {
	id, err := s.number("PRAGMA application_id")
	if err != nil {
		return err
	}
	version, err := s.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	switch {
	case id != applicationID:
		return fmt.Errorf("%s is an SQLite file of something else; give another one with --db", s.path)
	case version != schemaVersion:
		return fmt.Errorf("%s is of version %d, this program reads %d; use the vklstm that wrote it, or give another file with --db", s.path, version, schemaVersion)
	}
	if want := statements(schema); strings.Join(have, ";") != strings.Join(want, ";") {
		return fmt.Errorf("%s has other tables than a search makes; give another file with --db", s.path)
	}
	var health string
	if err := s.conn.QueryRowContext(context.Background(), "PRAGMA quick_check(1)").Scan(&health); err != nil {
		return err
	}
	if health != "ok" {
		return s.damaged(health)
	}
	var old []Setting
	if err := s.each(func(scan func(...any) error) error {
		var v Setting
		err := scan(&v.Name, &v.Value)
		old = append(old, v)
		return err
	}, "SELECT name, value FROM study ORDER BY rowid"); err != nil {
		return err
	}
	if d := difference(old, study.identity()); d != "" {
		return fmt.Errorf("%s holds another search: %s; go on with its settings, or give another file with --db", s.path, d)
	}
	return nil
}

// statements parts SQL text as SQLite keeps it: without the comments between statements, and without semicolons.
func statements(text string) []string {
	var list []string
	for _, part := range strings.Split(text, ";\n") {
		for strings.HasPrefix(part, "--") {
			_, part, _ = strings.Cut(part, "\n")
		}
		if part != "" {
			list = append(list, part)
		}
	}
	return list
}

// save commits what write does, whole or not at all, and keeps the file taken.
func (s *Store) save(write func() error) error {
	err := write()
	if err == nil {
		err = s.exec("COMMIT")
	}
	if err != nil {
		return err
	}
	return s.retake()
}

// retake begins the next transaction. The error is for another search that took the file between the two: it has all
// that was saved, and goes on in place of this one.
func (s *Store) retake() error {
	if err := s.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	version, err := s.number("PRAGMA data_version")
	if err == nil && version != s.version {
		err = fmt.Errorf("another search has taken %s and goes on from what this one saved; wait until it has ended, or give another file with --db", s.path)
	}
	return err
}

// damaged returns the error for content that no search has written.
func (s *Store) damaged(what string) error {
	return fmt.Errorf("%s is damaged (%s); give another file with --db", s.path, strings.Join(strings.Fields(what), " "))
}

// sentence says what to do about an error of SQLite.
func (s *Store) sentence(err error) error {
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	what := ""
	switch e.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return fmt.Errorf("%s is in use, perhaps by another search; wait until it has ended, or give another file with --db", s.path)
	case lib.SQLITE_NOTADB:
		return fmt.Errorf("%s is no SQLite file; give another one with --db", s.path)
	case lib.SQLITE_CORRUPT, lib.SQLITE_SCHEMA, lib.SQLITE_ERROR, lib.SQLITE_MISMATCH:
		return s.damaged(e.Error())
	case lib.SQLITE_FULL:
		what = "the disk is full"
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_CANTOPEN:
		what = "it cannot be written; give another file with --db"
	case lib.SQLITE_IOERR:
		what = "the disk failed or is full"
	case lib.SQLITE_NOMEM:
		what = "there is not enough memory"
	default:
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return fmt.Errorf("write %s: %s (%w); what was saved before is whole", s.path, what, err)
}
