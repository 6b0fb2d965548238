package config

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Files that are larger are the wrong files.
const (
	largestSecret = 64 << 10 // no more is read of a secret's file when it is used, see package secret
	largestFile   = 1 << 20  // of certificates, of an account's settings
)

// secretFile says why a file cannot hold a secret. Its errors do not contain the path, which may be the secret itself,
// set in the wrong variable.
func secretFile(path string) error {
	content, err := readable(path, largestSecret)
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(content)) == 0 {
		return errors.New("the file is empty")
	}
	return nil
}

// Authorities are those of the system and of a file of PEM certificates; nil, the system's alone, where there is no path.
// The error does not name the file.
func Authorities(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	content, err := readable(path, largestFile)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil { // the system has none
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, errors.New("no certificate in it")
	}
	return pool, nil
}

// readable reads a regular file of at most so many bytes. A pipe is refused: it could be read only once, and secrets are
// read again when they rotate.
func readable(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, withoutPath(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	if info.Size() > most {
		return nil, fmt.Errorf("larger than %d KiB", most>>10)
	}
	content, err := os.ReadFile(path)
	return content, withoutPath(err)
}

func withoutPath(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}
