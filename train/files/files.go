// Package files writes files whole or not at all.
package files

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// WriteFile writes a file beside itself and renames it: whatever goes wrong in write, on the disk or to the
// program, the path holds either the old content or the new, whole. Missing folders are made. The error names the
// path and says that an old file is untouched.
func Write(path string, write func(w io.Writer) error) error {
	fail := func(err error) error {
		if s, e := os.Stat(path); e == nil && s.Mode().IsRegular() {
			return fmt.Errorf("train: write %s: %w; the file that was there is untouched", path, bare(err))
		}
		return fmt.Errorf("train: write %s: %w", path, bare(err))
	}
	target, old := destination(path)
	if old != nil && !old.Mode().IsRegular() && !old.IsDir() { // /dev/stdout, a pipe: there is no old content to save
		f, err := os.OpenFile(target, os.O_WRONLY, 0)
		if err != nil {
			return fail(err)
		}
		err = write(f)
		if e := f.Close(); err == nil {
			err = e
		}
		var p *fs.PathError
		if errors.As(err, &p) && p.Path == target {
			err = p.Err
		}
		if err != nil {
			return fail(err)
		}
		return nil
	}
	dir := filepath.Dir(target)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fail(err)
	}
	f, err := createBeside(target)
	if err != nil {
		return fail(err)
	}
	if old != nil && err == nil {
		err = f.Chmod(old.Mode().Perm())
	}
	b := bufio.NewWriterSize(f, 1<<16)
	if err == nil {
		err = write(b)
	}
	if err == nil {
		err = b.Flush()
	}
	if err == nil {
		// Without this a power cut after the rename could leave the new name with no content.
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), target)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fail(err)
	}
	return nil
}

// destination follows symbolic links, so that the file behind one is replaced and not the link, and describes what
// is there; nil: nothing.
func destination(path string) (string, fs.FileInfo) {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	info, err := os.Stat(path)
	if err != nil {
		return path, nil
	}
	return path, info
}

// createBeside creates a new file in the folder of path, with the permissions that a plain creation gives.
func createBeside(path string) (*os.File, error) {
	for i := 0; ; i++ {
		name := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d-%d.tmp", filepath.Base(path), os.Getpid(), i))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, fs.ErrExist) || i == 1000 {
			return f, err
		}
	}
}

// CheckWritable returns an error unless WriteFile could write each path: it makes the folders, creates an empty
// file beside each path and removes it. It is for the time before hours of work, not after them.
func CheckWritable(paths ...string) error {
	for _, path := range paths {
		if s, err := os.Stat(path); err == nil && s.IsDir() {
			return fmt.Errorf("train: cannot write %s: it is a folder; choose another folder for the output or move it away", path)
		}
		target, old := destination(path)
		if old != nil && !old.Mode().IsRegular() {
			continue // a pipe or a device is opened when there is something to write
		}
		dir := filepath.Dir(target)
		if err := os.MkdirAll(dir, 0o777); err != nil {
			return fmt.Errorf("train: cannot make the output folder %s: %w; choose another", dir, bare(err))
		}
		f, err := createBeside(target)
		if err != nil {
			return fmt.Errorf("train: cannot write into the output folder %s: %w; choose another", dir, bare(err))
		}
		err = f.Close()
		if e := os.Remove(f.Name()); err == nil {
			err = e
		}
		if err != nil {
			return fmt.Errorf("train: cannot write into the output folder %s: %w; choose another", dir, bare(err))
		}
	}
	return nil
}

// bare strips the operation and the (temporary) path off an error of package os: the message names the path that
// the user knows. It keeps what errors.Is finds.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) && (strings.HasSuffix(p.Path, ".tmp") || p.Op == "mkdir") {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return l.Err
	}
	return err
}
