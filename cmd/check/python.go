package main

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// requirements are the pinned packages of the judges.
//
//go:embed requirements.txt
var requirements string

// venv is the judges' folder; other pins are another folder.
func (c *checker) venv() string {
	sum := sha256.Sum256([]byte(requirements))
	return filepath.Join(c.cache, fmt.Sprintf("python-%x", sum[:4]))
}

func venvPython(venv string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(venv, "Scripts", "python.exe")
	}
	return filepath.Join(venv, "bin", "python")
}

// findPython looks for an interpreter that the pins are made for and that can make a venv.
func (c *checker) findPython() (string, error) {
	for _, name := range []string{"python3", "/usr/bin/python3", "python3.11", "python3.12", "python3.13"} {
		out, err := c.run(command{limit: time.Minute,
			args: []string{name, "-c", "import sys, venv, ensurepip; print(*sys.version_info[:2])"}})
		switch version := strings.TrimSpace(out); {
		case err == nil && (version == "3 11" || version == "3 12" || version == "3 13"):
			return name, nil
		}
	}
	return "", fmt.Errorf("no Python of version 3.11 to 3.13 with the module venv (Debian: python3-venv)")
}

// makePython makes the judges' venv, once for each list of pins.
func (c *checker) makePython() (string, error) {
	venv := c.venv()
	ready := filepath.Join(venv, "ready")
	if exists(ready) {
		if _, err := c.run(command{args: []string{venvPython(venv), "-c", ""}, limit: time.Minute}); err == nil {
			return "there: " + venv, nil
		}
	}
	python, err := c.findPython()
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(venv); err != nil {
		return "", err
	}
	if out, err := c.run(command{args: []string{python, "-m", "venv", venv}, limit: 5 * time.Minute}); err != nil {
		return "", fmt.Errorf("%w\n%s", err, tail(out, 15))
	}
	pins := filepath.Join(venv, "requirements.txt")
	if err := os.WriteFile(pins, []byte(requirements), 0o644); err != nil {
		return "", err
	}
	pip := []string{venvPython(venv), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:",
		"--retries", "5", "--timeout", "60", "-r", pins}
	if err := c.fetch(command{args: pip, limit: 10 * time.Minute}); err != nil {
		return "", fmt.Errorf("install the judges' Python packages: %w", err)
	}
	imports := []string{venvPython(venv), "-c", "import ai_edge_litert.interpreter, h5py, keras, numpy, onnx, onnxruntime, sklearn, tensorflow, tf_keras"}
	if out, err := c.run(command{args: imports, limit: 5 * time.Minute}); err != nil {
		return "", fmt.Errorf("the judges' Python does not start: %w\n%s", err, tail(out, 15))
	}
	if err := os.WriteFile(ready, nil, 0o644); err != nil {
		return "", err
	}
	return "installed Keras 3, TensorFlow, tf_keras, LiteRT, onnxruntime and scikit-learn into " + venv, nil
}
