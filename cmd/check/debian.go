package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// systemPackages are installed by apt: the Vulkan loader with Mesa's drivers and the LLVM they compile with, the
// validation layer, the shader compiler and SPIR-V's validator.
var systemPackages = []string{"mesa-vulkan-drivers", "vulkan-validationlayers", "glslang-tools", "spirv-tools"}

var errNotDebian = errors.New("apt-get is not here, and this command installs on Debian alone")

// installPackages installs what is missing of systemPackages, and a C compiler and Python where there is none.
func (c *checker) installPackages() (string, error) {
	if !found("apt-get") || !found("dpkg-query") {
		return "", fmt.Errorf("%w; install the Vulkan loader, a software driver (lavapipe), the Khronos validation layer, glslangValidator, spirv-val, gcc and Python 3.11 with venv by hand, and run without -setup", errNotDebian)
	}
	var missing []string
	for _, p := range systemPackages {
		out, _ := c.run(command{args: []string{"dpkg-query", "-W", "-f", "${Status}", p}})
		if !strings.Contains(out, "ok installed") {
			missing = append(missing, p)
		}
	}
	if !found("gcc") {
		missing = append(missing, "gcc", "libc6-dev")
	}
	if _, err := c.findPython(); err != nil {
		missing = append(missing, "python3", "python3-venv")
	}
	if len(missing) == 0 {
		return "all there: " + strings.Join(systemPackages, " "), nil
	}
	install := append([]string{"apt-get", "install", "-qq", "-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300",
		"-o", "Dpkg::Use-Pty=0"}, network...)
	if os.Geteuid() != 0 {
		return "", fmt.Errorf("missing: %s; only root can install them: sudo apt-get install --no-install-recommends %[1]s", strings.Join(missing, " "))
	}
	env := []string{"DEBIAN_FRONTEND=noninteractive", "LC_ALL=C"}
	update := append([]string{"apt-get", "update", "-qq"}, network...)
	if err := c.fetch(command{args: update, env: env, limit: 5 * time.Minute}); err != nil {
		return "", fmt.Errorf("fetch Debian's package lists: %w", err)
	}
	if err := c.fetch(command{args: append(install, missing...), env: env, limit: 10 * time.Minute}); err != nil {
		return "", fmt.Errorf("install %s: %w", strings.Join(missing, " "), err)
	}
	return "installed " + strings.Join(missing, " "), nil
}

// network makes apt-get patient with a slow mirror, and no more than that.
var network = []string{"-o", "Acquire::Retries=3", "-o", "Acquire::http::Timeout=60", "-o", "Acquire::https::Timeout=60",
	"-o", "Acquire::Languages=none"}

// suite's mirror: the first source of Debian's main archive.
func (c *checker) mirror(codename string) string {
	out, err := c.run(command{args: []string{"apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"}})
	if err == nil {
		for line := range strings.Lines(out) {
			if uri, release, ok := strings.Cut(strings.TrimSpace(line), " "); ok && (release == codename || release == "stable" || release == "oldstable") {
				return uri
			}
		}
	}
	return "http://deb.debian.org/debian"
}

// download fetches Debian packages into a folder without installing them. suite is a suite to take them from, or empty for
// the system's own sources.
func (c *checker) download(to, suite string, packages ...string) ([]string, error) {
	var suites []string
	if suite != "" {
		suites = []string{suite}
	}
	apt, err := c.apt(to, suites)
	if err != nil {
		return nil, err
	}
	if err := c.fetch(apt(append([]string{"download"}, packages...)...)); err != nil {
		return nil, fmt.Errorf("fetch %s: %w", strings.Join(packages, " "), err)
	}
	return filepath.Glob(filepath.Join(to, "*.deb"))
}

// downloadAll fetches Debian packages with all that they need, as for a machine that has nothing. The last suite is preferred.
func (c *checker) downloadAll(to string, suites []string, packages ...string) ([]string, error) {
	nothing := filepath.Join(to, "status")
	if err := os.WriteFile(nothing, nil, 0o644); err != nil {
		return nil, err
	}
	apt, err := c.apt(to, suites, "-o", "Dir::State::status="+nothing)
	if err != nil {
		return nil, err
	}
	install := []string{"install", "-y", "--download-only", "--no-install-recommends", "-t", suites[len(suites)-1]}
	if err := c.fetch(apt(append(install, packages...)...)); err != nil {
		return nil, fmt.Errorf("fetch %s and what they need: %w", strings.Join(packages, " "), err)
	}
	return filepath.Glob(filepath.Join(to, "cache", "archives", "*.deb"))
}

// apt fetches the lists of suites, none for the system's own sources, and returns what makes a command of apt-get's that uses
// them. It keeps apt's lists in the folder, so it needs no root and changes nothing else.
func (c *checker) apt(to string, suites []string, options ...string) (func(args ...string) command, error) {
	if !found("apt-get") || !found("dpkg-deb") {
		return nil, errNotDebian
	}
	lists, archives := filepath.Join(to, "lists"), filepath.Join(to, "cache")
	for _, d := range []string{filepath.Join(lists, "partial"), filepath.Join(archives, "archives", "partial")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	options = slices.Concat([]string{"-qq", "-o", "Dir::State::lists=" + lists, "-o", "Dir::Cache=" + archives,
		"-o", "APT::Sandbox::User=" + userName(), "-o", "Debug::NoLocking=1"}, network, options)
	if len(suites) > 0 {
		_, codename := release()
		list, mirror, text := filepath.Join(to, "sources.list"), c.mirror(codename), ""
		for _, s := range suites {
			text += fmt.Sprintf("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n", mirror, s)
		}
		if err := os.WriteFile(list, []byte(text), 0o644); err != nil {
			return nil, err
		}
		options = append(options, "-o", "Dir::Etc::sourcelist="+list, "-o", "Dir::Etc::sourceparts=/dev/null")
	}
	apt := func(args ...string) command {
		return command{args: slices.Concat([]string{"apt-get"}, options, args), dir: to, env: []string{"LC_ALL=C"}, limit: 5 * time.Minute}
	}
	if err := c.fetch(apt("update")); err != nil {
		return nil, fmt.Errorf("fetch the package lists: %w", err)
	}
	return apt, nil
}

// userName is whom apt's fetchers run as: root may not give its folders to another.
func userName() string {
	if os.Geteuid() == 0 {
		return "root"
	}
	return ""
}

// release is the distribution's name and codename: debian, bookworm.
func release() (id, codename string) {
	text, _ := os.ReadFile("/etc/os-release")
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch value = strings.Trim(value, `"'`); name {
		case "ID":
			id = value
		case "VERSION_CODENAME":
			codename = value
		}
	}
	return id, codename
}

// unpack copies the files of a Debian package for whose path keep gives a name into a folder, and returns their names.
func (c *checker) unpack(deb, folder string, keep func(path string) string) ([]string, error) {
	p := exec.CommandContext(c.ctx, "dpkg-deb", "--fsys-tarfile", deb)
	var complaint bytes.Buffer
	p.Stderr = &complaint
	pipe, err := p.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.Start(); err != nil {
		return nil, err
	}
	names, err := untar(pipe, folder, keep)
	io.Copy(io.Discard, pipe)
	if e := p.Wait(); e != nil && err == nil {
		err = fmt.Errorf("%w: %s", e, strings.TrimSpace(complaint.String()))
	}
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", filepath.Base(deb), err)
	}
	return names, nil
}

// untar copies the files that keep names. A link is kept where it leads to a file of the same folder.
func untar(r io.Reader, folder string, keep func(path string) string) ([]string, error) {
	var names []string
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return names, nil
		}
		if err != nil {
			return names, err
		}
		name := keep(path.Clean("/" + h.Name))
		if name == "" {
			continue
		}
		to := filepath.Join(folder, filepath.Base(name))
		switch h.Typeflag {
		case tar.TypeSymlink:
			if path.Base(h.Linkname) != h.Linkname {
				continue
			}
			err = os.Symlink(h.Linkname, to)
		case tar.TypeReg:
			err = writeFrom(to, archive)
		default:
			continue
		}
		if err != nil {
			return names, err
		}
		names = append(names, name)
	}
}

func writeFrom(name string, r io.Reader) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}

// place makes a folder of the cache whole or not at all: fill writes into a folder beside it, which then takes its name.
func (c *checker) place(name string, fill func(folder, scratch string) error) error {
	if err := os.MkdirAll(c.cache, 0o755); err != nil {
		return err
	}
	scratch, err := os.MkdirTemp(c.cache, name+"-*.part")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	folder := filepath.Join(scratch, "folder")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return err
	}
	if err := fill(folder, scratch); err != nil {
		return err
	}
	final := filepath.Join(c.cache, name)
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	return os.Rename(folder, final)
}

// manifest writes the file by which Vulkan's loader finds a driver or a layer: the package's own, with a library that
// lies beside it.
func manifest(from []byte, section, library string) ([]byte, error) {
	var m map[string]any
	if err := json.Unmarshal(from, &m); err != nil {
		return nil, err
	}
	part, ok := m[section].(map[string]any)
	if !ok {
		return nil, fmt.Errorf("a manifest without %q", section)
	}
	part["library_path"] = "./" + library
	return json.MarshalIndent(m, "", "  ")
}

func contains(names []string, want ...string) error {
	for _, w := range want {
		if !slices.Contains(names, w) {
			return fmt.Errorf("the package no longer holds %s", w)
		}
	}
	return nil
}
